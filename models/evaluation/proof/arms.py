"""The arms of the proof, simple ones first: of equal gains the simpler arm is promoted."""

from typing import Final

BASELINE: Final = "baseline"
"""Trained on the real photos alone: the incumbent."""
REPEAT: Final = "repeat"
"""As many photos as the augmented arms have, real ones repeated: is it only more of the same?"""
REAL_CROP_PASTE: Final = "real_crop_paste"
"""Real instances pasted with the same masks, places and counts: is it only the pasting?"""
GAN_UNSCREENED: Final = "gan_unscreened"
GAN_SCREENED: Final = "gan_screened"
RGBA_BLEND: Final = "rgba_blend"

ARMS: Final = (BASELINE, REPEAT, REAL_CROP_PASTE, GAN_UNSCREENED, GAN_SCREENED, RGBA_BLEND)
CONTROLS: Final = (REPEAT, REAL_CROP_PASTE)
"""What a generated arm has to beat before its gain may be called the generator's."""
