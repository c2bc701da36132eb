"""COCO's run-length masks: lengths of alternating runs of background and object, column by column.

In:   a JSON value, {"size": [height, width], "counts": […] or "text"}. Out: a mask, or why it is none.
Must not know: classes, files.

Decoded here, since what reads annotations runs without pycocotools.
"""

from typing import Any, Final

import numpy as np

FIRST_CHARACTER: Final = 48
VALUE_BITS: Final = 5
"""A character holds five bits, the lowest first; a sixth says that more follow."""
MAX_CHARACTERS: Final = 8
"""Of one length: more than any photo's number of pixels takes."""


def decode_run_lengths(value: Any, size_wh: tuple[int, int]) -> np.ndarray:
    """Decode a mask, compressed or not.

    Args:
        value: the annotation's segmentation.
        size_wh: of its photo, pixels.

    Returns:
        bool (height, width).

    Raises:
        ValueError: what was expected and what was found.
    """
    width, height = size_wh
    size, counts = (value.get(name) if isinstance(value, dict) else None for name in ("size", "counts"))
    if size != [height, width]:
        raise ValueError(f"size: expected the photo's {[height, width]}, found {size!r}")
    lengths = _parse_text(counts) if isinstance(counts, str) else counts
    if not isinstance(lengths, list) or any(type(length) is not int or length < 0 for length in lengths):
        raise ValueError("counts: expected whole numbers of pixels, or their text")
    if sum(lengths) != width * height:
        raise ValueError(f"counts: expected {width * height} pixels together, found {sum(lengths)}")
    is_object = np.arange(len(lengths)) % 2 == 1
    return np.repeat(is_object, lengths).reshape(width, height).T


def _parse_text(text: str) -> list[int]:
    """Lengths of COCO's text: from the fourth on each is told by its difference to the last but one."""
    lengths: list[int] = []
    codes = (ord(character) - FIRST_CHARACTER for character in text)
    for first in codes:
        number, shift, code = 0, 0, first
        while True:
            if not 0 <= code < 2 << VALUE_BITS or shift >= MAX_CHARACTERS * VALUE_BITS:
                raise ValueError(f"counts: the text breaks at the {len(lengths) + 1}. length")
            number |= (code & 31) << shift
            shift += VALUE_BITS
            if not code & 32:
                break
            code = next(codes, -1)
        if code & 16:
            number -= 1 << shift
        lengths.append(number + (lengths[-2] if len(lengths) > 2 else 0))
    return lengths
