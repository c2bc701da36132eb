"""Placing damage so that it shows: what a person cannot see in the photo is neither drawn nor annotated."""

from collections.abc import Sequence

import cv2
import numpy as np

from models.renderer.dents import sample_dent
from models.renderer.effects import Effects, Proposal, Window
from models.renderer.exposure import Darkroom
from models.renderer.gaps import propose_gap
from models.renderer.scratches import propose_scratch
from models.renderer.shading import BodyShader
from models.renderer.site import Site
from models.structures import DAMAGE_CLASSES

MIN_CONTRAST = 14.0
"""Least mean difference of a region's pixels from the same photo undamaged, of 255, after lens blur, before noise."""
MIN_AREA_PX2 = 130.0
"""Least area of a region at 480 x 640; smaller sizes scale it."""
_OUTLINE_CONTRAST = 7.0
_OUTLINE_SHARE = 0.6  # least share of a dent's own outline that its visible part must fill
_TRIES = 26
_LEVELS = 4
_KEEP_APART_PX = 7


class Placer:
    """Places damage on one photo.

    Attributes:
        picture: float32 (H, W, 3), [0, 255], developed, before the lens layer; damaged in place.
        effects: all placed damage, body window frame.
        masks: bool (3, h, w), in DAMAGE_CLASSES order, body window frame.
    """

    def __init__(self, site: Site, shader: BodyShader, darkroom: Darkroom, picture: np.ndarray) -> None:
        """Start without damage.

        Args:
            site: where damage can be.
            shader: shows what it does to the body.
            darkroom: shows what the sensor sees of it.
            picture: float32 (H, W, 3), [0, 255], the undamaged photo, developed.
        """
        self.picture = picture.copy()
        self.effects = Effects.none(site.is_paint.shape)
        self.masks = np.zeros((len(DAMAGE_CLASSES), *site.is_paint.shape), bool)
        self._site, self._shader, self._darkroom = site, shader, darkroom
        self._undamaged = picture
        self._min_contrast = MIN_CONTRAST + 0.6 * darkroom.exposure.noise
        self._min_area_px2 = MIN_AREA_PX2 * site.frame_scale**2

    def place(self, kinds: Sequence[str], rng: np.random.Generator) -> None:
        """Place each kind, the choosiest first; a scratch stands in where nothing finds a place to be seen.

        Args:
            kinds: from DAMAGE_CLASSES.
            rng: consumed.
        """
        for kind in sorted(kinds, key=("spacing", "dent", "scratch").index):
            self._place_one(kind, rng)
        if kinds and not self.masks.any():
            self._place_one("scratch", rng)

    def _place_one(self, kind: str, rng: np.random.Generator) -> bool:
        for number in range(_TRIES):
            base_level = number // 8
            dent = sample_dent(self._site, rng) if kind == "dent" else None
            if kind == "dent" and dent is None:
                continue
            state = rng.bit_generator.state
            for level in range(base_level, base_level + _LEVELS):
                if kind == "dent":
                    proposal = dent.propose(np.array(self._shader.vehicle.albedo), level)
                else:
                    rng.bit_generator.state = state  # the same place, only bolder
                    proposal = self._propose(kind, level, rng)
                if proposal is None or self._is_crowded(kind, proposal):
                    break
                if self._try(kind, proposal):
                    return True
        return False

    def _propose(self, kind: str, level: int, rng: np.random.Generator) -> Proposal | None:
        if kind == "spacing":
            return propose_gap(self._site, level, rng)
        inside = self.masks[1] if rng.random() < 0.35 else None
        return propose_scratch(self._site, np.array(self._shader.vehicle.albedo), level, rng, inside=inside)

    def _is_crowded(self, kind: str, proposal: Proposal) -> bool:
        """Whether the proposal comes close to other damage; only a scratch may cross a dent."""
        reach = max(round(_KEEP_APART_PX * self._site.frame_scale), 1)
        wide = cv2.dilate(proposal.area.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0
        others = self.masks[[0, 2] if kind == "scratch" else [0, 1, 2]][:, *proposal.window].any(axis=0)
        return bool((wide & others).any())

    def _try(self, kind: str, proposal: Proposal) -> bool:
        window, joined = proposal.window, self.effects.crop(proposal.window).joined(proposal.effects)
        x0, y0 = self._site.buffers.window_xyxy[:2]
        in_photo = np.s_[window[0].start + y0 : window[0].stop + y0, window[1].start + x0 : window[1].stop + x0]
        in_photo = tuple(
            slice(int(s.start), int(s.start) + n) for s, n in zip(in_photo, proposal.area.shape, strict=True)
        )
        changes = proposal.effects.scratch + proposal.effects.gap + np.abs(proposal.effects.edge)
        is_changed = ((changes > 0) | (proposal.effects.bend != 0).any(axis=-1)) & self._site.is_paint[window]
        damaged = self._darkroom.develop(self._shader.shade(window, joined), in_photo)
        after = np.where(is_changed[..., None], damaged, self.picture[in_photo])
        seen_after = self._see(after, in_photo)
        contrasts = [
            np.abs(seen_after - self._see(before[in_photo], in_photo)).mean(axis=-1)
            for before in (self.picture, self._undamaged)
        ]
        mask = proposal.area
        if proposal.is_outlined:
            mask = _outline(contrasts[0] > _OUTLINE_CONTRAST, proposal.area)
            if np.count_nonzero(mask) < _OUTLINE_SHARE * np.count_nonzero(proposal.area):
                return False
        mask = _filled(mask)
        parts = self._visible_parts(mask, contrasts)
        if not parts.any():
            return False
        if (parts != mask).any():
            if proposal.is_outlined or np.count_nonzero(parts) < 0.5 * np.count_nonzero(mask):
                return False
            return self._try(kind, _cut(proposal, parts))
        self.picture[in_photo] = after
        self.effects.store(window, joined)
        self.masks[DAMAGE_CLASSES.index(kind)][window] |= mask
        return True

    def _visible_parts(self, mask: np.ndarray, contrasts: list[np.ndarray]) -> np.ndarray:
        """The connected parts of a mask that are large and strong enough to be seen."""
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        parts = np.zeros_like(mask)
        for label in range(1, count):
            part = labels == label
            is_large = stats[label, cv2.CC_STAT_AREA] >= self._min_area_px2
            if is_large and min(float(contrast[part].mean()) for contrast in contrasts) >= self._min_contrast:
                parts |= part
        return parts

    def _see(self, picture: np.ndarray, window: Window) -> np.ndarray:
        """What lens and blur leave of developed pixels; float32 (h, w, 3)."""
        picture = self._darkroom.look_through_lens(picture, window)
        return cv2.GaussianBlur(self._darkroom.exposure.soften(picture), (0, 0), max(self._site.frame_scale, 0.3))


def _filled(mask: np.ndarray) -> np.ndarray:
    """The mask with its holes filled: a region is a polygon, which has none; bool (h, w)."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros(mask.shape, np.uint8), contours, -1, 1, -1).astype(bool)


def _outline(is_visible: np.ndarray, area: np.ndarray) -> np.ndarray:
    """The hull of what is visible inside an area, as an annotator draws it; bool (h, w)."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats((is_visible & area).astype(np.uint8), connectivity=8)
    large = np.isin(labels, [n for n in range(1, count) if stats[n, cv2.CC_STAT_AREA] >= 0.02 * np.count_nonzero(area)])
    points = cv2.findNonZero(large.astype(np.uint8))
    mask = np.zeros(area.shape, np.uint8)
    if points is not None:
        cv2.fillConvexPoly(mask, cv2.convexHull(points), 1)
    mask = mask.astype(bool) & area
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])) if count > 1 else mask


def _cut(proposal: Proposal, parts: np.ndarray) -> Proposal:
    """The proposal without the parts of its area that do not show."""
    near = cv2.dilate(parts.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(np.float32)
    near *= ~(proposal.area & ~parts)
    old = proposal.effects
    effects = Effects(
        old.bend, old.hollow, old.scratch * near, old.scratch_albedo, old.scratch_gloss, old.gap * near, old.edge * near
    )
    return Proposal(proposal.window, effects, parts)
