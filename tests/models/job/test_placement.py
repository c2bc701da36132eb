import numpy as np
import pytest

from models.data.photos import DataError
from models.job.dataset import copy_dataset, load_dataset_step
from models.job.placement import PlacementOptions, draw_places, load_places
from models.structures import pairwise_iou_xyxy
from tests.models.job.scenes import SIZE_HW, write_yolo


@pytest.fixture
def dataset(tmp_path):
    copy_dataset(write_yolo(tmp_path / "source", train=40), "person", tmp_path / "dataset")
    return tmp_path / "dataset"


@pytest.mark.parametrize("density", ["joint", "centres"])
def test_places_are_free_inside_the_frame_and_in_train_photos(density, dataset, tmp_path):
    draw_places(dataset, tmp_path / "places", PlacementOptions(count=60, density=density))
    data = load_dataset_step(dataset)
    photos = {photo.image_id: photo for photo in data.choose("train")}
    places = load_places(tmp_path / "places")
    assert len(places) == 60
    assert len({place.image_id for place in places}) > 15
    for place in places:
        x0, y0, x1, y1 = place.box_xyxy_photo
        assert 0 <= x0 < x1 <= SIZE_HW[1]
        assert 0 <= y0 < y1 <= SIZE_HW[0]
        iou = pairwise_iou_xyxy(np.array([place.box_xyxy_photo], np.float64), photos[place.image_id].boxes_xyxy)
        assert iou.max() <= 0.1
    heights = np.array([place.box_xyxy_photo[3] - place.box_xyxy_photo[1] for place in places])
    assert abs(np.median(heights) - 30) <= 2  # every real one is 30 px high


def test_first_places_do_not_depend_on_how_many_are_drawn(dataset, tmp_path):
    for count in (5, 12):
        draw_places(dataset, tmp_path / str(count), PlacementOptions(count=count))
    assert load_places(tmp_path / "12")[:5] == load_places(tmp_path / "5")
    draw_places(dataset, tmp_path / "other", PlacementOptions(count=5, seed=1))
    assert load_places(tmp_path / "other") != load_places(tmp_path / "5")


def test_photos_without_room_are_told(dataset, tmp_path):
    with pytest.raises(DataError, match="20 photos in a row have no room"):
        draw_places(dataset, tmp_path / "places", PlacementOptions(count=1, min_side_px=500))
    assert not (tmp_path / "places").exists()


@pytest.mark.parametrize(("name", "value"), [("density", "grid"), ("overlap", "none"), ("count", 0)])
def test_option_that_cannot_be_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=rf"^{name}: expected .*found {value!r}"):
        PlacementOptions(**{"count": 1, name: value})
