"""The largest car is cut out, with its margin, and shrunk to fit; without one the whole photo goes on."""

from collections.abc import Sequence

import numpy as np
import pytest

from models.localizer.predictor import Detections
from models.structures import ContractError
from service.stages.localize import Crop, localize_cars
from tests import photos

NO_LIMIT = (10_000, 10_000)


class FixedLocalizer:
    """Finds given boxes, the same number of lists as photos."""

    def __init__(self, *boxes_xyxy_photo: Sequence[Sequence[float]]) -> None:
        self._boxes = [np.array(boxes, np.float32).reshape(-1, 4) for boxes in boxes_xyxy_photo]

    def predict_boxes(self, images: Sequence[np.ndarray]) -> list[Detections]:
        scores = [np.linspace(0.9, 0.5, len(boxes), dtype=np.float32) for boxes in self._boxes]
        return [Detections(boxes, own) for boxes, own in zip(self._boxes, scores, strict=True)]


def localize_one(boxes: Sequence[Sequence[float]], *, margin_ratio: float = 0.0, max_hw=NO_LIMIT) -> Crop:
    (crop,) = localize_cars([photos.scene()], FixedLocalizer(boxes), margin_ratio=margin_ratio, max_hw=max_hw)
    return crop


def test_the_largest_car_is_taken_and_not_the_surest():
    crop = localize_one([(0, 0, 10, 10), (20, 10, 80, 70), (90, 0, 128, 40)])
    assert (crop.window.xyxy, crop.car_found) == ((20, 10, 80, 70), True)
    assert (crop.image == photos.scene()[10:70, 20:80]).all()


def test_without_a_car_the_whole_photo_goes_on():
    crop = localize_one([])
    assert (crop.window.xyxy, crop.car_found) == ((0, 0, 128, 96), False)
    assert (crop.image == photos.scene()).all()


def test_the_margin_is_a_share_of_the_cars_own_size():
    assert localize_one([(40, 30, 80, 50)], margin_ratio=0.1).window.xyxy == (36, 28, 84, 52)


def test_the_margin_ends_at_the_photos_borders():
    assert localize_one([(2, 1, 126, 95)], margin_ratio=0.5).window.xyxy == (0, 0, 128, 96)


def test_a_window_covers_every_pixel_that_the_box_touches():
    assert localize_one([(10.7, 20.2, 30.1, 40.0)]).window.xyxy == (10, 20, 31, 40)


@pytest.mark.parametrize("box", [(128, 96, 128, 96), (50, 50, 50, 50), (127.9, 95.9, 128, 96), (0, 0, 0, 0)])
def test_a_box_without_an_inside_still_gives_a_pixel(box: tuple[float, ...]):
    crop = localize_one([box])
    height, width = crop.window.size_hw
    assert min(crop.image.shape[0], crop.image.shape[1], height, width) >= 1
    assert 0 <= crop.window.x0 < crop.window.x1 <= 128
    assert 0 <= crop.window.y0 < crop.window.y1 <= 96


def test_a_crop_is_shrunk_to_fit_with_both_axes_alike():
    crop = localize_one([(0, 0, 128, 64)], max_hw=(32, 32))
    assert crop.image.shape == (16, 32, 3)
    assert crop.window.size_hw == (64, 128)


def test_a_crop_that_fits_is_never_enlarged():
    crop = localize_one([(0, 0, 20, 10)], max_hw=(512, 512))
    assert crop.image.shape == (10, 20, 3)
    assert (crop.image == photos.scene()[:10, :20]).all()


def test_a_crop_is_a_copy_that_leaves_the_photo_alone():
    image = photos.scene().copy()
    (crop,) = localize_cars([image], FixedLocalizer([(0, 0, 20, 10)]), margin_ratio=0, max_hw=NO_LIMIT)
    crop.image[:] = 0
    assert (image == photos.scene()).all()
    assert crop.image.flags["C_CONTIGUOUS"]


def test_each_photo_of_a_batch_has_its_own_car():
    images = [photos.scene(), photos.scene((40, 50))]
    crops = localize_cars(images, FixedLocalizer([(0, 0, 10, 10)], []), margin_ratio=0, max_hw=NO_LIMIT)
    assert [(crop.window.xyxy, crop.car_found) for crop in crops] == [((0, 0, 10, 10), True), ((0, 0, 50, 40), False)]


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((0, 8, 3), np.uint8),
    ],
)
def test_what_is_no_image_is_a_broken_contract(image: np.ndarray):
    with pytest.raises(ContractError, match=r"^image: "):
        localize_cars([image], FixedLocalizer([]), margin_ratio=0, max_hw=NO_LIMIT)


@pytest.mark.parametrize("edge", [float("nan"), float("inf"), -1.0, 129.0])
def test_a_box_of_nan_or_outside_its_photo_is_a_broken_contract(edge: float):
    with pytest.raises(ContractError, match=r"^boxes_xyxy_photo: expected values"):
        localize_one([(edge, 0, 10, 10)])
