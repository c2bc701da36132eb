"""The body's colour, pixel by pixel: paint, damage, parts, dirt and glass, over any window of it."""

from dataclasses import dataclass

import numpy as np

from models.renderer.body import BodySight
from models.renderer.car import Vehicle
from models.renderer.clutter import Clutter
from models.renderer.effects import Effects, Window
from models.renderer.paint import glass_colour, light_surface, paint_colour, part_colour
from models.renderer.pixels import blend, spread, tint
from models.renderer.raster import SurfaceBuffers
from models.renderer.surroundings import Surroundings


@dataclass(frozen=True)
class BodyShader:
    """Everything that the body's colour depends on, in the body window's frame.

    Attributes:
        vehicle: its paint.
        buffers: surface point and normal under each pixel.
        sight: what is drawn there.
        surroundings: the light.
        camera_position: float (3,), car frame, metres.
        clutter: dirt over the paint.
        sunlit: float32 (h, w), [0, 1], share of the sun that reaches the body.
        flakes: float32 (h, w), noise about 0, of metallic paint.
        brightness: of the whole body; below 1 against the light.
    """

    vehicle: Vehicle
    buffers: SurfaceBuffers
    sight: BodySight
    surroundings: Surroundings
    camera_position: np.ndarray
    clutter: Clutter
    sunlit: np.ndarray
    flakes: np.ndarray
    brightness: float

    def shade(self, window: Window, effects: Effects | None) -> np.ndarray:
        """Shade a window.

        Args:
            window: rows and columns of the body's window.
            effects: damage over the window; None = none.

        Returns:
            float32 (h, w, 3), linear RGB.
        """
        sight, position, normal = self.sight, self.buffers.position[window], self.buffers.normal[window]
        if effects is not None and effects.bend.any():
            bent = normal + effects.bend
            normal = bent / np.sqrt(np.maximum((bent**2).sum(axis=-1, keepdims=True), 1e-12))
        light = light_surface(position, normal, self.camera_position, self.surroundings, self.sunlit[window])
        body = paint_colour(self.vehicle, light, self.flakes[window])
        line = sight.line[window]
        below = np.zeros_like(line)
        below[1:] = line[:-1]
        body += spread(np.float32(0.16) * below * (1 - line)) * light.mirrored
        body *= spread(1 - np.float32(0.82) * line)
        if effects is not None:
            self._damage(body, light, effects)
        blend(body, part_colour(sight.part_albedo[window], light), sight.part[window])
        blend(body, self.clutter.albedo[window] * light.falling, self.clutter.opacity[window])
        body += spread(self.clutter.gleam[window]) * tint(np.ones_like(body), self.surroundings.sky_light)
        blend(body, glass_colour(light, position), sight.glass[window])
        body *= np.float32(self.brightness)
        return body

    @staticmethod
    def _damage(body: np.ndarray, light, effects: Effects) -> None:
        body *= spread(1 - effects.hollow)
        if effects.scratch.any():
            bare = effects.scratch_albedo * light.falling * np.float32(1.15)
            bare += spread(effects.scratch_gloss) * light.mirrored
            blend(body, bare, effects.scratch)
        if effects.gap.any():
            body *= spread(1 + np.minimum(effects.edge, 0))
            body += spread(np.maximum(effects.edge, 0)) * (np.float32(0.25) * light.mirrored + np.float32(0.5) * body)
            body *= spread(1 - np.float32(0.97) * effects.gap)
