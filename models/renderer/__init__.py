"""Procedural photos of cars with exact damage masks, boxes and seeds; neither demo nor tests need outside data.

Must not know: any network, any service.
"""

from models.renderer.camera import VIEWS
from models.renderer.dataset import annotation_of, render_dataset
from models.renderer.photo import RenderedPhoto, RenderedRegion, render_photo

__all__ = ["VIEWS", "RenderedPhoto", "RenderedRegion", "annotation_of", "render_dataset", "render_photo"]
