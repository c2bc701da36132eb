"""One picture of a page: pixels, a caption, and the element that shows them without a file."""

import base64
from dataclasses import dataclass
from html import escape
from typing import Final

import cv2
import numpy as np

SHOWN_WIDTH_PX: Final = 512
"""Small pictures are enlarged to at most this width, by whole factors."""


@dataclass(frozen=True, eq=False)
class Picture:
    """Pixels with what they show.

    Attributes:
        image: uint8 (H, W, 3) RGB.
        caption: one line.
        shown_width_px: small pictures are enlarged up to this width.
    """

    image: np.ndarray
    caption: str
    shown_width_px: int = SHOWN_WIDTH_PX

    def to_html(self) -> str:
        """The picture as an <img> that holds its own PNG; enlarged pixels keep their edges."""
        _, encoded = cv2.imencode(".png", cv2.cvtColor(self.image, cv2.COLOR_RGB2BGR))
        data = base64.b64encode(encoded.tobytes()).decode("ascii")
        height, width = self.image.shape[:2]
        zoom = max(self.shown_width_px // width, 1)
        pixelated = ' class="pixels"' if zoom > 1 else ""
        return (
            f'<img{pixelated} width="{zoom * width}" height="{zoom * height}" '
            f'alt="{escape(self.caption, quote=True)}" src="data:image/png;base64,{data}">'
        )

    def to_figure(self) -> str:
        """The picture over its caption."""
        return f"<figure>{self.to_html()}<figcaption>{escape(self.caption)}</figcaption></figure>"
