"""A result is drawn on its photo where it says, and a copy is drawn on."""

import cv2
import numpy as np
import pytest

from models.structures import DAMAGE_CLASSES
from service.result import InspectionResult
from service.review.overlay import COLOURS_RGB, draw_overlay, write_png
from service.stages.decode import decode_photo
from tests.service.samples import region, rejection, result

SIZE_HW = (200, 300)
GREY = 90


def photo() -> np.ndarray:
    return np.full((*SIZE_HW, 3), GREY, np.uint8)


def square(x0: int, y0: int, side: int, label: str = "scratch"):
    corners = [(x0, y0), (x0 + side - 1, y0), (x0 + side - 1, y0 + side - 1), (x0, y0 + side - 1)]
    return region(
        points=tuple((float(x), float(y)) for x, y in corners),
        class_name=DAMAGE_CLASSES.index(label) + 1,
        label=label,
        area_px2=side * side,
        box_xyxy=(x0, y0, x0 + side, y0 + side),
    )


def bare(**fields) -> InspectionResult:
    return result(**{"crop_xyxy": None, "regions": (), "gate_score": None, **fields})


@pytest.mark.parametrize("label", DAMAGE_CLASSES)
def test_a_region_is_filled_in_its_classs_colour_and_bordered(label: str):
    drawn = draw_overlay(photo(), bare(regions=(square(100, 100, 40, label),)))
    colour = np.array(COLOURS_RGB[label])
    assert np.abs(drawn[120, 120] - (0.45 * colour + 0.55 * GREY)).max() <= 1
    assert (drawn[139, 120] == colour).all()
    assert (drawn[160, 120] == GREY).all()


def test_the_photo_itself_is_not_drawn_on():
    image = photo()
    drawn = draw_overlay(image, result(regions=(square(100, 100, 40),)))
    assert (image == GREY).all()
    assert (drawn.shape, drawn.dtype) == (image.shape, np.uint8)
    assert drawn is not image


def test_the_crop_is_framed_inside_the_photo():
    drawn = draw_overlay(photo(), bare(crop_xyxy=(100, 50, 300, 200)))
    assert (drawn[50, 150] == drawn[199, 250]).all()
    assert (drawn[120, 299] == drawn[50, 150]).all()
    assert (drawn[50, 150] != GREY).all()
    assert (drawn[120, 200] == GREY).all()


@pytest.mark.parametrize("size_hw", [(32, 32), (32, 2000), (2000, 32), (1, 1)])
def test_the_words_never_break_a_photo_of_any_size(size_hw: tuple[int, int]):
    image = np.zeros((*size_hw, 3), np.uint8)
    far_out = region(points=((-5.0, -5.0), (3000.0, -5.0), (3000.0, 3000.0)), box_xyxy=(-5, -5, 3000, 3000))
    assert draw_overlay(image, result(regions=(far_out,))).shape == image.shape


def test_a_rejection_is_drawn_without_a_score():
    drawn = draw_overlay(photo(), rejection())
    assert (drawn != GREY).any()
    assert (drawn[100:] == GREY).all()


def test_an_overlay_is_written_as_it_was_drawn(tmp_path):
    drawn = draw_overlay(photo(), result(regions=(square(100, 100, 40),)))
    write_png(tmp_path / "a.png", drawn)
    assert (decode_photo((tmp_path / "a.png").read_bytes()) == drawn).all()
    assert cv2.haveImageReader(str(tmp_path / "a.png"))


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        write_png(tmp_path / "never" / "a.png", photo())
