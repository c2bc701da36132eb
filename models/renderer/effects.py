"""What damage does to the body: one set of planes that scratches, dents and gaps write and the shader reads."""

from dataclasses import dataclass, fields

import numpy as np

Window = tuple[slice, slice]


@dataclass(frozen=True)
class Effects:
    """Damage over a window of the body.

    Attributes:
        bend: float32 (h, w, 3), what a dent adds to the unit normal before it is made unit again.
        hollow: float32 (h, w), [0, 1], light that a dent's depth keeps away.
        scratch: float32 (h, w), opacity.
        scratch_albedo: float32 (h, w, 3), linear RGB.
        scratch_gloss: float32 (h, w), share of mirrored light that bare metal sends back.
        gap: float32 (h, w), opacity of the dark inside of a gap.
        edge: float32 (h, w), [-1, 1], brightening of a panel edge that stands off.
    """

    bend: np.ndarray
    hollow: np.ndarray
    scratch: np.ndarray
    scratch_albedo: np.ndarray
    scratch_gloss: np.ndarray
    gap: np.ndarray
    edge: np.ndarray

    @classmethod
    def none(cls, size_hw: tuple[int, int]) -> "Effects":
        """No damage over a window of size_hw."""
        deep = ("bend", "scratch_albedo")
        return cls(*(np.zeros((*size_hw, 3) if f.name in deep else size_hw, np.float32) for f in fields(cls)))

    def crop(self, window: Window) -> "Effects":
        """The part in a window; views, not copies."""
        return Effects(*(getattr(self, f.name)[window] for f in fields(self)))

    def store(self, window: Window, part: "Effects") -> None:
        """Replace the part in a window."""
        for f in fields(self):
            getattr(self, f.name)[window] = getattr(part, f.name)

    def joined(self, other: "Effects") -> "Effects":
        """Both damages at once: the other's scratch lies over this one's."""
        cover = other.scratch[..., None]
        total = self.scratch + other.scratch * (1 - self.scratch)
        share = np.where(total > 0, other.scratch / np.maximum(total, 1e-6), 0)
        return Effects(
            bend=self.bend + other.bend,
            hollow=np.maximum(self.hollow, other.hollow),
            scratch=total.astype(np.float32),
            scratch_albedo=np.where(
                cover > 0,
                self.scratch_albedo + (other.scratch_albedo - self.scratch_albedo) * share[..., None],
                self.scratch_albedo,
            ).astype(np.float32),
            scratch_gloss=(self.scratch_gloss + (other.scratch_gloss - self.scratch_gloss) * share).astype(np.float32),
            gap=np.maximum(self.gap, other.gap),
            edge=np.clip(self.edge + other.edge, -1, 1),
        )


@dataclass(frozen=True)
class Proposal:
    """A damage that might be placed.

    Attributes:
        window: rows and columns of the body's window.
        effects: over that window.
        area: bool (h, w), where the damage can show; its mask lies inside.
        is_outlined: the mask is the outline of what shows inside area; otherwise area itself.
    """

    window: Window
    effects: Effects
    area: np.ndarray
    is_outlined: bool = False
