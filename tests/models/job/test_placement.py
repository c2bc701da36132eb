import numpy as np
import pytest

from models.data.photos import DataError
from models.job.dataset import copy_dataset, load_dataset_step
from models.job.placement import PlacementOptions, draw_places, load_places
from models.structures import pairwise_iou_xyxy
from tests.models.job.damage import write_cars
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


def draw(folder, **options):
    """The places on cars, with their photos, by image_id."""
    data = load_dataset_step(folder / "dataset")
    draw_places(folder / "dataset", folder / "places", PlacementOptions(**{"count": 30, "min_side_px": 3, **options}))
    return load_places(folder / "places"), {photo.image_id: photo for photo in data.choose("train")}, data


def box_of(photo, data, class_name):
    return photo.boxes_xyxy[photo.class_ids == data.class_names.index(class_name)][0]


@pytest.fixture
def cars(tmp_path):
    copy_dataset(write_cars(tmp_path / "source", car_in=lambda number: number % 4 > 0), "scratch", tmp_path / "dataset")
    return tmp_path


def test_undamaged_photos_alone_get_instances(cars):
    places, photos, data = draw(cars, onto="without")
    chosen = {place.image_id for place in places}
    assert len(chosen) > 8
    assert all(data.class_id not in photos[name].class_ids for name in chosen)
    (cars / "places").rename(cars / "without")
    assert any(data.class_id in photos[place.image_id].class_ids for place in draw(cars)[0])


def test_instances_lie_on_cars_and_are_learnt_as_shares_of_cars(cars):
    places, photos, data = draw(cars, onto="without", within="car")
    shares = []
    for place in places:
        x0, y0, x1, y1 = box_of(photos[place.image_id], data, "car")  # a photo without a car would fail here
        left, top, right, bottom = place.box_xyxy_photo
        inside = (min(right, x1 + 1) - max(left, x0)) * (min(bottom, y1 + 1) - max(top, y0))  # the border is inside
        assert inside >= 0.95 * (right - left) * (bottom - top)
        shares.append([((left + right) / 2 - x0) / (x1 - x0), ((top + bottom) / 2 - y0) / (y1 - y0)])
    # on every car, wherever it stands in its photo, in the middle; at random in the photo the spread would be 0.29
    assert np.abs(np.median(shares, axis=0) - 0.5).max() < 0.1
    assert np.std(shares, axis=0).max() < 0.2
    heights = [
        (p.box_xyxy_photo[3] - p.box_xyxy_photo[1]) / np.diff(box_of(photos[p.image_id], data, "car")[[1, 3]])[0]
        for p in places
    ]
    learnt = [
        np.diff(box_of(p, data, "scratch")[[1, 3]])[0] / np.diff(box_of(p, data, "car")[[1, 3]])[0]
        for p in photos.values()
        if data.class_id in p.class_ids and data.class_names.index("car") in p.class_ids
    ]
    assert abs(np.median(heights) - np.median(learnt)) < 0.05


def test_instances_lie_on_wanted_surfaces(cars):
    places, photos, data = draw(cars, onto="without", within="car", surfaces=("panel",))
    for place in places:
        panel = box_of(photos[place.image_id], data, "panel")
        assert place.box_xyxy_photo[2] <= panel[2] + 2
    middles = [
        (p.box_xyxy_photo[0] + p.box_xyxy_photo[2]) / 2 - box_of(photos[p.image_id], data, "panel")[2] for p in places
    ]
    assert np.median(middles) < -1  # left of the panel's right border, which is the middle of the car


def test_class_that_instances_lie_on_is_named_if_unknown_or_absent(cars):
    with pytest.raises(DataError, match=r"within: no class 'lorry'; the classes are scratch, .*car"):
        draw(cars, within="lorry")
    with pytest.raises(DataError, match=r"surfaces: no class 'door'"):
        draw(cars, within="car", surfaces=("door",))
    with pytest.raises(
        DataError,
        match=r"within: expected photos with 'dent', found none among the \d+ photos of train without 'scratch'",
    ):
        draw(cars, onto="without", within="dent")
    with pytest.raises(DataError, match=r"with 'car' and 'dent' or 'other', found none among the \d+ photos of train$"):
        draw(cars, within="car", surfaces=("dent", "other"))
    assert not (cars / "places").exists()


def test_data_that_show_the_class_everywhere_have_no_place_without_it(dataset, tmp_path):
    with pytest.raises(DataError, match=r"onto: expected photos without 'person', found it in all of the \d+ photos"):
        draw_places(dataset, tmp_path / "places", PlacementOptions(count=1, onto="without"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"onto": "cars"}, "^onto: expected one of any, without, found 'cars'"),
        ({"min_within_share": 0}, "^min_within_share: expected above 0, to 1, found 0"),
        ({"surfaces": ("panel",)}, "^surfaces: expected none without within, found .'panel'"),
    ],
)
def test_options_of_where_are_refused_by_name(change, message):
    with pytest.raises(ValueError, match=message):
        PlacementOptions(count=1, **change)
