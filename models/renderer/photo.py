"""One photo of a car with its ground truth, drawn from a seed."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from models.renderer.body import draw_zones, panel_lines, sight_body
from models.renderer.camera import VIEWS, sample_close_up_camera, sample_whole_car_camera
from models.renderer.car import Vehicle, build_mesh, sample_vehicle
from models.renderer.clutter import sample_clutter
from models.renderer.conditions import LIGHTS, WEATHERS, Conditions, sample_conditions
from models.renderer.exposure import Darkroom, Exposure, degrade, sample_exposure
from models.renderer.lens import sample_lens
from models.renderer.pixels import blend, spread
from models.renderer.placement import Placer
from models.renderer.raster import PinholeCamera, rasterise_mesh
from models.renderer.scene import paint_background
from models.renderer.shading import BodyShader
from models.renderer.shadows import throw_shadows
from models.renderer.site import Site, survey_site
from models.renderer.surroundings import Surroundings, sample_surroundings
from models.renderer.wheels import Overlay, draw_mirrors, draw_running_gear
from models.structures import CLASS_IDS, DAMAGE_CLASSES, trace_polygon

_MIN_SIDE_PX = 96
_CAMERA_TRIES = 24
_CLOSE_UP_PAINT = 0.33  # least share of a close-up that is paint
_MOST_DIRT = 0.4  # opacity; damage under more of it would not be seen
_BACKLIT_SCENE, _BACKLIT_BODY = 1.7, 0.55
# one stream of random numbers a purpose: asking for damage changes nothing but the damage
_STREAMS = {
    "choice": 11,
    "surroundings": 12,
    "camera": 13,
    "background": 14,
    "gear": 15,
    "clutter": 16,
    "damage": 17,
    "exposure": 18,
    "sensor": 19,
    "flakes": 20,
    "conditions": 21,
    "shadows": 22,
    "lens": 23,
}


@dataclass(frozen=True)
class RenderedRegion:
    """One connected patch of damage.

    Attributes:
        class_id: 1 scratch, 2 dent, 3 spacing.
        points: outer border, (x, y) pixels, photo frame, at least three, in order, not closed.
    """

    class_id: int
    points: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class RenderedPhoto:
    """A procedural photo and its ground truth.

    Attributes:
        image: uint8 (H, W, 3) RGB.
        masks: bool (3, H, W), photo frame, in DAMAGE_CLASSES order; visible pixels that the damage changed.
        car_box_xyxy: the car's visible extent, photo frame, pixels, max edge exclusive; None for a close-up.
        view: one of VIEWS.
        damage_level: 1 when any mask is non-empty, else 0.
        regions: one polygon a connected patch of a mask, by class, then largest first.
        conditions: light, weather, blur and framing.
    """

    image: np.ndarray
    masks: np.ndarray
    car_box_xyxy: tuple[int, int, int, int] | None
    view: str
    damage_level: int
    regions: tuple[RenderedRegion, ...]
    conditions: Conditions


@dataclass(frozen=True)
class Composition:
    """A photo before lens blur, sensor noise and JPEG.

    Attributes:
        picture: float32 (H, W, 3), [0, 255], gamma-encoded RGB.
        masks: bool (3, H, W).
        car_box_xyxy: as in RenderedPhoto.
        car_mask: bool (H, W), body, wheels and mirrors.
        view: one of VIEWS.
        exposure: the flaws still to come.
        conditions: as in RenderedPhoto.
    """

    picture: np.ndarray
    masks: np.ndarray
    car_box_xyxy: tuple[int, int, int, int] | None
    car_mask: np.ndarray
    view: str
    exposure: Exposure
    conditions: Conditions


def render_photo(
    seed: int,
    *,
    size_hw: tuple[int, int] = (480, 640),
    view: str | None = None,
    damages: Sequence[str] | None = None,
    is_close_up: bool | None = None,
    vehicle_seed: int | None = None,
    light: str | None = None,
    weather: str | None = None,
    is_blurred: bool | None = None,
) -> RenderedPhoto:
    """Render one photo; the same arguments give the same pixels.

    Args:
        seed: scene, camera, light and damage draw from it; 0 or more.
        size_hw: photo's height and width, pixels, each at least 96.
        view: one of VIEWS; None draws one.
        damages: kinds from DAMAGE_CLASSES that the photo shows, each at least once where it can be made visible;
            () none; None draws them, in about half the photos.
        is_close_up: whether a part of the car fills the photo; None draws it.
        vehicle_seed: the car's body, paint and wheels; None takes one from seed.
        light: "day", "dark" or "backlight"; None draws it.
        weather: "dry" or "rain"; None draws it.
        is_blurred: whether the photo is out of focus or was moved; None draws it.

    Returns:
        The photo with masks, box and regions.

    Raises:
        ValueError: naming the argument, what was expected and what was found.
    """
    composed = compose_photo(
        seed,
        size_hw=size_hw,
        view=view,
        damages=damages,
        is_close_up=is_close_up,
        vehicle_seed=vehicle_seed,
        light=light,
        weather=weather,
        is_blurred=is_blurred,
    )
    return RenderedPhoto(
        image=degrade(composed.picture, composed.exposure, _stream(seed, "sensor")),
        masks=composed.masks,
        car_box_xyxy=composed.car_box_xyxy,
        view=composed.view,
        damage_level=int(composed.masks.any()),
        regions=trace_regions(composed.masks),
        conditions=composed.conditions,
    )


def compose_photo(
    seed: int,
    *,
    size_hw: tuple[int, int] = (480, 640),
    view: str | None = None,
    damages: Sequence[str] | None = None,
    is_close_up: bool | None = None,
    vehicle_seed: int | None = None,
    light: str | None = None,
    weather: str | None = None,
    is_blurred: bool | None = None,
) -> Composition:
    """Render everything but blur, noise and JPEG; arguments and errors as in render_photo."""
    _check_arguments(seed, size_hw, view, damages, vehicle_seed)
    _check_conditions(light, weather, is_blurred, is_close_up)
    height, width = size_hw = (int(size_hw[0]), int(size_hw[1]))
    choice = _stream(seed, "choice")
    drawn_view = str(choice.choice(VIEWS, p=[0.11, 0.12, 0.18, 0.12, 0.11, 0.09, 0.18, 0.09]))
    drawn_kinds = _draw_kinds(choice)
    drawn_vehicle_seed = int(choice.integers(2**31))
    view = view or drawn_view
    kinds = drawn_kinds if damages is None else _repeat_kinds(damages, _stream(seed, "choice", 1))
    conditions = sample_conditions(_stream(seed, "conditions"), light, weather, is_blurred, is_close_up)
    frame_scale = min(height / 480, width / 640)
    vehicle = sample_vehicle(drawn_vehicle_seed if vehicle_seed is None else vehicle_seed)
    surroundings = sample_surroundings(_stream(seed, "surroundings"), is_rainy=conditions.weather == "rain")
    camera, site, mirrors = _find_site(
        vehicle, surroundings, view, conditions.is_close_up, size_hw, frame_scale, _stream(seed, "camera")
    )

    scene_light = paint_background(camera, surroundings, vehicle, _stream(seed, "background"))
    gear = Overlay(camera)
    draw_running_gear(gear, vehicle, camera, surroundings, _stream(seed, "gear"))
    if conditions.light == "backlight":
        scene_light *= np.float32(_BACKLIT_SCENE)
    x0, y0, x1, y1 = site.buffers.window_xyxy
    window = np.s_[y0:y1, x0:x1]
    shader = BodyShader(
        vehicle=vehicle,
        buffers=site.buffers,
        sight=site.sight,
        surroundings=surroundings,
        camera_position=camera.position,
        clutter=sample_clutter(site, _stream(seed, "clutter"), is_rainy=conditions.weather == "rain"),
        sunlit=throw_shadows(site.buffers.position, surroundings, _stream(seed, "shadows")),
        flakes=_stream(seed, "flakes").standard_normal((y1 - y0, x1 - x0), np.float32),
        brightness=_BACKLIT_BODY if conditions.light == "backlight" else 1.0,
    )
    coverage, hole = site.buffers.coverage, site.sight.hole
    scene_light[window] *= spread(1 - coverage * hole)
    gear.compose(scene_light)
    blend(scene_light[window], shader.shade(np.s_[0 : y1 - y0, 0 : x1 - x0], None), coverage * (1 - hole))
    mirrors.compose(scene_light)

    exposure = sample_exposure(conditions, frame_scale, _stream(seed, "exposure"))
    darkroom, whole = Darkroom(exposure, size_hw), np.s_[0:height, 0:width]
    picture = darkroom.develop(scene_light, whole)
    darkroom.lens = sample_lens(conditions, picture, frame_scale, _stream(seed, "lens"))
    masks = np.zeros((len(DAMAGE_CLASSES), height, width), bool)
    if kinds:
        covered = shader.clutter.opacity > _MOST_DIRT
        if darkroom.lens is not None:
            covered |= darkroom.lens.opacity[window] > _MOST_DIRT
        placer = Placer(site.without(covered), shader, darkroom, picture)
        placer.place(kinds, _stream(seed, "damage"))
        masks[:, y0:y1, x0:x1] = placer.masks
        picture = placer.picture
    car_mask = (gear.layer[..., 3] > 127) | (mirrors.layer[..., 3] > 127)
    car_mask[window] |= coverage >= 0.5
    box = None if conditions.is_close_up else _box_of(car_mask)
    picture = darkroom.look_through_lens(picture, whole)
    return Composition(picture, masks, box, car_mask, view, exposure, conditions)


def trace_regions(masks: np.ndarray) -> tuple[RenderedRegion, ...]:
    """Trace each connected patch of each mask.

    Args:
        masks: bool (3, H, W), photo frame, in DAMAGE_CLASSES order.

    Returns:
        One region a patch, 8-connected; by class, then largest first.
    """
    regions = []
    for class_name, mask in zip(DAMAGE_CLASSES, masks, strict=True):
        if not mask.any():
            continue
        count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
        for label in sorted(range(1, count), key=lambda n: -stats[n, cv2.CC_STAT_AREA]):
            left, top, wide, high, _ = stats[label]
            patch = labels[top : top + high, left : left + wide] == label
            border = trace_polygon(patch) + np.array([left, top])
            regions.append(RenderedRegion(CLASS_IDS[class_name], tuple((int(x), int(y)) for x, y in border)))
    return tuple(regions)


def _stream(seed: int, name: str, number: int = 0) -> np.random.Generator:
    return np.random.default_rng([seed, _STREAMS[name], number])


def _draw_kinds(rng: np.random.Generator) -> list[str]:
    if rng.random() < 0.5:
        return []
    count = int(rng.choice([1, 2, 3, 4], p=[0.5, 0.28, 0.14, 0.08]))
    return [DAMAGE_CLASSES[n] for n in rng.choice(len(DAMAGE_CLASSES), count, p=[0.42, 0.34, 0.24])]


def _repeat_kinds(damages: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Each asked kind once, now and then twice."""
    kinds = list(damages)
    return kinds + [kind for kind in dict.fromkeys(kinds) if rng.random() < 0.2]


def _find_site(
    vehicle: Vehicle,
    surroundings: Surroundings,
    view: str,
    is_close_up: bool,
    size_hw: tuple[int, int],
    frame_scale: float,
    rng: np.random.Generator,
) -> tuple[PinholeCamera, Site, Overlay]:
    """Take the first camera whose photo has room for every damage class, whether or not damage is asked for."""
    mesh, shapes = build_mesh(vehicle), draw_zones(vehicle)
    lines = panel_lines(shapes)
    for number in range(_CAMERA_TRIES):
        if is_close_up and number < _CAMERA_TRIES - 1:
            camera = sample_close_up_camera(mesh, lines, view, size_hw, rng)
        else:
            camera = sample_whole_car_camera(mesh, view, size_hw, rng)
        buffers = rasterise_mesh(mesh, camera)
        if buffers is None or (is_close_up and buffers.coverage.sum() < 0.45 * size_hw[0] * size_hw[1]):
            continue
        sight = sight_body(buffers, shapes, frame_scale)
        mirrors = Overlay(camera)
        draw_mirrors(mirrors, vehicle, camera, surroundings, buffers)
        x0, y0, x1, y1 = buffers.window_xyxy
        hidden = mirrors.layer[y0:y1, x0:x1, 3].astype(np.float32) / 255
        site = survey_site(buffers, sight, lines, camera.position, camera.focal_px, hidden, frame_scale)
        is_filled = not is_close_up or site.is_paint.sum() > _CLOSE_UP_PAINT * size_hw[0] * size_hw[1]
        if is_filled and site.holds_every_damage():
            break
    return camera, site, mirrors


def _box_of(mask: np.ndarray) -> tuple[int, int, int, int] | None:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _check_arguments(seed, size_hw, view, damages, vehicle_seed) -> None:
    for name, value in (("seed", seed), ("vehicle_seed", vehicle_seed)):
        if value is None and name == "vehicle_seed":
            continue
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
            raise ValueError(f"{name}: expected a whole number of 0 or more, found {value!r}")
    is_pair = isinstance(size_hw, tuple | list) and len(size_hw) == 2
    if not is_pair or not all(isinstance(n, int | np.integer) and n >= _MIN_SIDE_PX for n in size_hw):
        raise ValueError(f"size_hw: expected (height, width), each at least {_MIN_SIDE_PX} pixels, found {size_hw!r}")
    if view is not None and view not in VIEWS:
        raise ValueError(f"view: expected one of {', '.join(VIEWS)} or None, found {view!r}")
    if isinstance(damages, str) or (damages is not None and any(kind not in DAMAGE_CLASSES for kind in damages)):
        raise ValueError(f"damages: expected a sequence of {', '.join(DAMAGE_CLASSES)}, or None, found {damages!r}")


def _check_conditions(light, weather, is_blurred, is_close_up) -> None:
    for name, value, known in (("light", light, LIGHTS), ("weather", weather, WEATHERS)):
        if value is not None and value not in known:
            raise ValueError(f"{name}: expected one of {', '.join(known)} or None, found {value!r}")
    for name, value in (("is_blurred", is_blurred), ("is_close_up", is_close_up)):
        if value is not None and not isinstance(value, bool | np.bool_):
            raise ValueError(f"{name}: expected True, False or None, found {value!r}")
