"""The car as a surface: sampled dimensions, one closed mesh, and the paint and wheels that belong to the vehicle.

Car frame: metres, right-handed; x forward, y to the car's left, z up, origin on the ground under the middle.
"""

from dataclasses import dataclass

import numpy as np

LEVEL_NAMES = ("bottom", "bumper_low", "bumper", "nose", "hood_edge", "belt", "pillar", "roof_edge", "roof", "roof_top")
BELT_LEVEL, ROOF_EDGE_LEVEL = 5.0, 7.0
_LEVELS_PER_CONTROL = 5
_POINTS_AROUND = 84

# front x as a share of the half length, front z in metres, rear x, rear z, half width as a share of the body's.
_PROFILES = {
    "hatchback": (
        2.02,
        0.88,
        (
            (0.93, 0.22, -0.93, 0.26, 0.92),
            (0.985, 0.30, -0.98, 0.36, 0.975),
            (1.0, 0.48, -1.0, 0.56, 1.0),
            (0.985, 0.66, -0.99, 0.76, 1.0),
            (0.94, 0.79, -0.97, 0.93, 0.985),
            (0.42, 1.00, -0.93, 1.03, 0.955),
            (0.22, 1.22, -0.84, 1.26, 0.85),
            (0.02, 1.40, -0.72, 1.42, 0.73),
            (-0.10, 1.46, -0.60, 1.475, 0.56),
            (-0.34, 1.49, -0.36, 1.49, 0.02),
        ),
    ),
    "sedan": (
        2.32,
        0.91,
        (
            (0.94, 0.21, -0.94, 0.26, 0.92),
            (0.985, 0.29, -0.985, 0.36, 0.975),
            (1.0, 0.46, -1.0, 0.56, 1.0),
            (0.99, 0.63, -0.99, 0.78, 1.0),
            (0.95, 0.76, -0.955, 0.95, 0.985),
            (0.40, 0.96, -0.62, 1.03, 0.95),
            (0.22, 1.18, -0.50, 1.22, 0.84),
            (0.05, 1.35, -0.36, 1.37, 0.72),
            (-0.04, 1.41, -0.25, 1.425, 0.55),
            (-0.14, 1.44, -0.16, 1.44, 0.02),
        ),
    ),
    "suv": (
        2.28,
        0.94,
        (
            (0.93, 0.28, -0.93, 0.33, 0.93),
            (0.985, 0.38, -0.98, 0.44, 0.98),
            (1.0, 0.60, -1.0, 0.68, 1.0),
            (0.985, 0.84, -0.99, 0.92, 1.0),
            (0.94, 0.97, -0.98, 1.08, 0.985),
            (0.44, 1.14, -0.95, 1.18, 0.96),
            (0.27, 1.38, -0.89, 1.41, 0.87),
            (0.10, 1.60, -0.80, 1.61, 0.77),
            (-0.02, 1.67, -0.70, 1.675, 0.60),
            (-0.34, 1.70, -0.36, 1.70, 0.02),
        ),
    ),
    "van": (
        2.45,
        0.96,
        (
            (0.94, 0.26, -0.95, 0.30, 0.94),
            (0.985, 0.36, -0.99, 0.42, 0.985),
            (1.0, 0.56, -1.0, 0.68, 1.0),
            (0.985, 0.82, -0.995, 0.94, 1.0),
            (0.93, 1.00, -0.99, 1.10, 0.99),
            (0.66, 1.18, -0.98, 1.22, 0.97),
            (0.48, 1.48, -0.965, 1.52, 0.92),
            (0.32, 1.78, -0.94, 1.80, 0.86),
            (0.22, 1.87, -0.88, 1.88, 0.70),
            (-0.34, 1.91, -0.36, 1.91, 0.02),
        ),
    ),
}
BODY_STYLES = tuple(_PROFILES)

# linear RGB albedo of common car paints, and how often each is met.
_PAINTS = (
    ((0.76, 0.76, 0.75), 6),
    ((0.012, 0.012, 0.014), 4),
    ((0.40, 0.41, 0.42), 4),
    ((0.11, 0.115, 0.12), 3),
    ((0.012, 0.065, 0.30), 3),
    ((0.008, 0.022, 0.085), 1),
    ((0.44, 0.012, 0.012), 4),
    ((0.075, 0.015, 0.018), 1),
    ((0.01, 0.085, 0.04), 1),
    ((0.50, 0.41, 0.27), 1),
    ((0.66, 0.36, 0.01), 1),
    ((0.58, 0.11, 0.01), 1),
    ((0.10, 0.34, 0.48), 1),
    ((0.18, 0.12, 0.08), 1),
)


@dataclass(frozen=True)
class Vehicle:
    """Looks of one vehicle.

    Attributes:
        style: one of BODY_STYLES.
        levels: float64 (K, 5), rows from sill to roof: front x, front z, rear x, rear z, half width; metres.
        level_index: float64 (K,), position of each row among LEVEL_NAMES.
        half_length_m, half_width_m: of the body at its widest.
        axle_x_m: front and rear axle.
        wheel_radius_m: tyre included.
        albedo: linear RGB of the paint.
        is_metallic: flakes and a stronger falloff.
        rim: spokes, spoke shape and brightness draw from this seed.
        trim_seed: lamps, grille, plate, handles draw from this seed.
    """

    style: str
    levels: np.ndarray
    level_index: np.ndarray
    half_length_m: float
    half_width_m: float
    axle_x_m: tuple[float, float]
    wheel_radius_m: float
    albedo: tuple[float, float, float]
    is_metallic: bool
    rim_seed: int
    trim_seed: int

    def level(self, index: float) -> np.ndarray:
        """Interpolate one level: float64 (5,), front x, front z, rear x, rear z, half width; metres."""
        return np.array([np.interp(index, self.level_index, column) for column in self.levels.T])

    def belt_z_m(self, x: np.ndarray) -> np.ndarray:
        """Height of the belt line (bottom of the side windows) at x, metres."""
        front_x, front_z, rear_x, rear_z, _ = self.level(BELT_LEVEL)
        return np.interp(x, [rear_x, front_x], [rear_z, front_z])


def sample_vehicle(seed: int) -> Vehicle:
    """Draw the looks of one vehicle.

    Args:
        seed: the vehicle's; the same seed gives the same vehicle.

    Returns:
        A vehicle of a common body style, size and paint.
    """
    rng = np.random.default_rng([seed, 1])
    style = BODY_STYLES[rng.choice(len(BODY_STYLES), p=[0.32, 0.28, 0.28, 0.12])]
    half_length, half_width, profile = _PROFILES[style]
    half_length *= rng.uniform(0.93, 1.06)
    half_width *= rng.uniform(0.97, 1.03)
    control = np.array(profile)
    height_scale = rng.uniform(0.96, 1.05)
    control[:, [0, 2]] *= half_length
    control[:, [1, 3]] *= height_scale
    control[:, 4] *= half_width
    control[5:9, 0] += rng.normal(0, 0.06)  # cab further forward or back
    control[5:8, 2] += rng.normal(0, 0.04)
    control[2:5, 1] += rng.normal(0, 0.015)
    level_index = np.linspace(0, len(control) - 1, (len(control) - 1) * _LEVELS_PER_CONTROL + 1)
    levels = np.stack(
        [_smooth(np.interp(level_index, np.arange(len(control)), column)) for column in control.T], axis=1
    )
    # a crease along the doors: it makes reflections break, as on real cars
    crease = rng.uniform(0.006, 0.016) * np.exp(-(((level_index - rng.uniform(3.2, 4.1)) / 0.28) ** 2))
    hollow = -rng.uniform(0.004, 0.014) * np.exp(-(((level_index - rng.uniform(2.1, 2.7)) / 0.4) ** 2))
    levels[:, 4] += crease + hollow
    weights = np.array([weight for _, weight in _PAINTS], float)
    albedo = np.array(_PAINTS[rng.choice(len(_PAINTS), p=weights / weights.sum())][0])
    albedo = np.clip(albedo * rng.uniform(0.8, 1.2) * rng.uniform(0.92, 1.08, 3), 0.006, 0.82)
    radius = {"hatchback": 0.315, "sedan": 0.325, "suv": 0.37, "van": 0.345}[style] * rng.uniform(0.96, 1.05)
    front_axle = half_length * rng.uniform(0.60, 0.64)
    return Vehicle(
        style=style,
        levels=levels,
        level_index=level_index,
        half_length_m=float(half_length),
        half_width_m=float(half_width),
        axle_x_m=(float(front_axle), float(-half_length * rng.uniform(0.56, 0.62))),
        wheel_radius_m=float(radius),
        albedo=tuple(float(v) for v in albedo),
        is_metallic=bool(rng.random() < 0.65),
        rim_seed=int(rng.integers(2**31)),
        trim_seed=int(rng.integers(2**31)),
    )


def _smooth(column: np.ndarray) -> np.ndarray:
    """Round the creases of a sampled profile, keeping its ends; float64 (K,)."""
    kernel = np.array([0.06, 0.24, 0.4, 0.24, 0.06])
    padded = np.concatenate([2 * column[0] - column[2:0:-1], column, 2 * column[-1] - column[-2:-4:-1]])
    return np.convolve(padded, kernel, mode="valid")


@dataclass(frozen=True)
class Mesh:
    """Triangles of the body.

    Attributes:
        vertices: float64 (V, 3), car frame, metres.
        normals: float64 (V, 3), unit, outwards.
        triangles: int32 (T, 3), indices into vertices.
    """

    vertices: np.ndarray
    normals: np.ndarray
    triangles: np.ndarray


def _outline(exponent: float) -> np.ndarray:
    """Unit superellipse |x|^n + |y|^n = 1 sampled evenly along its border; float64 (P, 2), counter-clockwise."""
    angle = np.linspace(0, np.pi / 2, 4000)
    x, y = np.cos(angle) ** (2 / exponent), np.sin(angle) ** (2 / exponent)
    # corners get more points than the flat sides: arc length plus turning
    step = np.hypot(np.diff(x) * 2.0, np.diff(y)) + 0.9 * np.abs(
        np.diff(np.unwrap(np.arctan2(np.gradient(y), np.gradient(x))))
    )
    travelled = np.concatenate([[0], np.cumsum(step)])
    where = np.interp(np.linspace(0, travelled[-1], _POINTS_AROUND // 4 + 1), travelled, angle)
    x, y = np.cos(where) ** (2 / exponent), np.clip(np.sin(where), 0, 1) ** (2 / exponent)
    quarter = np.stack([np.clip(x, 0, 1), y], axis=1)
    second = quarter[::-1][1:] * [-1, 1]
    half = np.concatenate([quarter, second])
    return np.concatenate([half, half[::-1][1:-1] * [1, -1]])


def build_mesh(vehicle: Vehicle) -> Mesh:
    """Build the body's surface: a stack of rounded outlines from the sill to the roof.

    Args:
        vehicle: whose body.

    Returns:
        The mesh, open at the bottom.
    """
    round_outline, square_outline = _outline(3.6), _outline(5.5)
    squareness = np.interp(vehicle.level_index, [0, 2, 4, 5, 7, 9], [0.35, 0.5, 0.75, 0.9, 0.6, 0.2])[:, None, None]
    outline = (1 - squareness) * round_outline + squareness * square_outline  # (K, P, 2)
    front_x, front_z, rear_x, rear_z, half_width = (column[:, None] for column in vehicle.levels.T)
    share = (outline[..., 0] + 1) / 2
    x = rear_x + (front_x - rear_x) * share
    y = half_width * outline[..., 1]
    z = rear_z + (front_z - rear_z) * share
    grid = np.stack([x, y, z], axis=-1)  # (K, P, 3)
    around = np.roll(grid, -1, axis=1) - np.roll(grid, 1, axis=1)
    upwards = np.gradient(grid, axis=0)
    normals = np.cross(around, upwards)
    normals[-1] = [0, 0, 1]
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    rows, columns = grid.shape[:2]
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b = index[:-1], np.roll(index, -1, axis=1)[:-1]
    c, d = np.roll(index, -1, axis=1)[1:], index[1:]
    triangles = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    return Mesh(grid.reshape(-1, 3), normals.reshape(-1, 3), triangles.astype(np.int32))
