"""From car to pixels: a pinhole camera and the buffers that say which surface point each pixel sees."""

from dataclasses import dataclass

import cv2
import numpy as np

from models.renderer.car import Mesh

_NEAR_M = 0.12
_SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class PinholeCamera:
    """A camera without distortion.

    Attributes:
        position: float64 (3,), car frame, metres.
        axes: float64 (3, 3), rows right, down, forward; car frame, unit.
        focal_px: focal length, pixels.
        size_hw: photo's height and width, pixels.
    """

    position: np.ndarray
    axes: np.ndarray
    focal_px: float
    size_hw: tuple[int, int]

    @classmethod
    def look_at(
        cls, position, target, focal_px: float, size_hw: tuple[int, int], roll_rad: float = 0.0
    ) -> "PinholeCamera":
        """Aim a camera.

        Args:
            position: float (3,), car frame, metres.
            target: float (3,), the point seen in the photo's middle.
            focal_px: focal length, pixels.
            size_hw: photo's height and width, pixels.
            roll_rad: turn about the viewing direction.
        """
        position = np.asarray(position, float)
        forward = np.asarray(target, float) - position
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        down = np.cross(forward, right)
        cos, sin = np.cos(roll_rad), np.sin(roll_rad)
        axes = np.stack([cos * right + sin * down, cos * down - sin * right, forward])
        return cls(position, axes, float(focal_px), size_hw)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Project points.

        Args:
            points: float (N, 3), car frame, metres.

        Returns:
            float64 (N, 2), (x, y) pixels, pixel centres at whole numbers, and float64 (N,), depth in metres.
        """
        seen = (np.asarray(points, float) - self.position) @ self.axes.T
        depth = seen[:, 2]
        safe = np.maximum(depth, _NEAR_M)[:, None]
        middle = (np.array(self.size_hw[::-1]) - 1) / 2
        return seen[:, :2] / safe * self.focal_px + middle, depth

    def rays(self) -> np.ndarray:
        """Viewing direction of every pixel: float32 (H, W, 3), car frame, not unit."""
        height, width = self.size_hw
        x = ((np.arange(width) - (width - 1) / 2) / self.focal_px).astype(np.float32)
        y = ((np.arange(height) - (height - 1) / 2) / self.focal_px).astype(np.float32)
        right, down, forward = self.axes.astype(np.float32)
        return x[None, :, None] * right + y[:, None, None] * down + forward


@dataclass(frozen=True)
class SurfaceBuffers:
    """What each pixel inside a window sees of the body.

    Attributes:
        window_xyxy: the window, photo pixels, max edge exclusive.
        coverage: float32 (h, w), [0, 1], share of the pixel covered by the body's outline.
        position: float32 (h, w, 3), car frame, metres; 0 where the body is not seen.
        normal: float32 (h, w, 3), unit; 0 where the body is not seen.
    """

    window_xyxy: tuple[int, int, int, int]
    coverage: np.ndarray
    position: np.ndarray
    normal: np.ndarray


def rasterise_mesh(mesh: Mesh, camera: PinholeCamera) -> SurfaceBuffers | None:
    """Find the surface point and normal that each pixel sees.

    Args:
        mesh: the body.
        camera: who looks.

    Returns:
        Buffers of the window that the body fills; None when no pixel sees it.
    """
    height, width = camera.size_hw
    points, depth = camera.project(mesh.vertices)
    corners = points[mesh.triangles]  # (T, 3, 2)
    corner_depth = depth[mesh.triangles]
    edge_a, edge_b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    doubled_area = edge_a[:, 0] * edge_b[:, 1] - edge_a[:, 1] * edge_b[:, 0]
    low, high = corners.min(axis=1), corners.max(axis=1)
    is_drawn = (doubled_area < -1e-6) & (corner_depth.min(axis=1) > _NEAR_M)
    is_drawn &= (high[:, 0] > -1) & (high[:, 1] > -1) & (low[:, 0] < width) & (low[:, 1] < height)
    chosen = np.flatnonzero(is_drawn)
    if len(chosen) == 0:
        return None
    chosen = chosen[np.argsort(-corner_depth[chosen].mean(axis=1), kind="stable")]
    x0, y0 = np.maximum(np.floor(low[chosen].min(axis=0)).astype(int) - 1, 0)
    x1, y1 = np.minimum(np.ceil(high[chosen].max(axis=0)).astype(int) + 2, [width, height])
    # drawn at twice the resolution: the outline's coverage comes from the 2 x 2 block
    ids = np.full(((y1 - y0) * 2, (x1 - x0) * 2), -1, np.int32)
    fixed = np.round(((corners[chosen] - [x0, y0]) * 2 + 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    for number, triangle in enumerate(fixed):
        cv2.fillConvexPoly(ids, triangle, number, shift=_SUBPIXEL_BITS)
    coverage = cv2.resize((ids >= 0).astype(np.float32), (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA)
    ids = np.maximum(np.maximum(ids[::2, ::2], ids[1::2, ::2]), np.maximum(ids[::2, 1::2], ids[1::2, 1::2]))
    # each attribute is linear over a triangle: value = g . (x, y) + offset
    matrix = np.stack([edge_a[chosen], edge_b[chosen]], axis=1)  # (C, 2, 2)
    attributes = np.concatenate([mesh.vertices, mesh.normals], axis=1)[mesh.triangles[chosen]]  # (C, 3, 6)
    gradient = np.linalg.solve(matrix, attributes[:, 1:] - attributes[:, :1])  # (C, 2, 6)
    start = corners[chosen, 0] - [x0, y0]
    offset = attributes[:, 0] - np.einsum("ck,cka->ca", start, gradient)
    # one row more, all zero, for pixels that see no triangle
    table = np.zeros((18, len(chosen) + 1), np.float32)
    table[:, :-1] = np.concatenate([gradient[:, 0], gradient[:, 1], offset], axis=1).T
    ids[ids < 0] = len(chosen)
    columns = np.arange(ids.shape[1], dtype=np.float32)[None]
    rows = np.arange(ids.shape[0], dtype=np.float32)[:, None]
    planes = []
    for attribute in range(6):
        plane = np.take(table[attribute], ids) * columns
        plane += np.take(table[attribute + 6], ids) * rows
        plane += np.take(table[attribute + 12], ids)
        planes.append(plane)
    length = np.sqrt(planes[3] ** 2 + planes[4] ** 2 + planes[5] ** 2)
    scale = 1 / np.maximum(length, 1e-6)
    return SurfaceBuffers(
        (int(x0), int(y0), int(x1), int(y1)),
        coverage,
        cv2.merge(planes[:3]),
        cv2.merge([plane * scale for plane in planes[3:]]),
    )
