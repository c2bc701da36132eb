"""Under which conditions a photo is taken: the slices by which quality can be told apart."""

from dataclasses import dataclass
from typing import Final

import numpy as np

LIGHTS: Final = ("day", "dark", "backlight")
WEATHERS: Final = ("dry", "rain")


@dataclass(frozen=True)
class Conditions:
    """Conditions of one photo.

    Attributes:
        light: one of LIGHTS; dark is night or an unlit garage.
        weather: one of WEATHERS.
        is_blurred: out of focus, or moved while it was taken.
        is_close_up: a part of the car fills the photo.
    """

    light: str
    weather: str
    is_blurred: bool
    is_close_up: bool


def sample_conditions(
    rng: np.random.Generator,
    light: str | None,
    weather: str | None,
    is_blurred: bool | None,
    is_close_up: bool | None,
) -> Conditions:
    """Draw the conditions that are not asked for.

    Args:
        rng: consumed; as much whatever is asked for.
        light, weather, is_blurred, is_close_up: as in Conditions; None draws it.
    """
    drawn_light = LIGHTS[rng.choice(len(LIGHTS), p=[0.81, 0.10, 0.09])]
    drawn_weather = WEATHERS[rng.choice(len(WEATHERS), p=[0.9, 0.1])]
    drawn_blur, drawn_close_up = bool(rng.random() < 0.12), bool(rng.random() < 0.35)
    return Conditions(
        light or drawn_light,
        weather or drawn_weather,
        drawn_blur if is_blurred is None else bool(is_blurred),
        drawn_close_up if is_close_up is None else bool(is_close_up),
    )
