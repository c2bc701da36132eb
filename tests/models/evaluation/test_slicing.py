import json

import pytest

from models.data.photos import DataError
from models.evaluation.slicing import evaluate_all_slices, is_close_up, load_contexts, size_of
from tests.models.evaluation.outcomes import judged, photo, region


def measure(judgements, contexts=None):
    return evaluate_all_slices(
        judgements,
        contexts or {},
        row=0,
        policies=("threshold",),
        serving=("threshold",) * 3,
        gate_score_threshold=0.5,
    )


def test_dark_photos_are_compared_with_the_others():
    bright = [judged(of=photo(f"b{n}"), score=0.9, hits=(True,), regions=(1,)) for n in range(4)]
    dark = [judged(of=photo(f"d{n}"), score=0.9, luminance=30.0) for n in range(4)]
    rows = {r["label"]: r for r in measure(bright + dark)["damaged_photo_recalled"]["luminance"]}
    assert (rows["dark"]["successes"], rows["dark"]["trials"]) == (0, 4)
    assert rows["dark"]["complement_rate"] == 1
    assert 0 < rows["dark"]["shrunk_rate"] < 1


def test_regions_are_parted_by_class_and_size():
    own = judged(annotated=[region(1, 100), region(2, 5000, found=False), region(2, 20_000)])
    tables = measure([own])["annotated_region_found"]
    assert {r["label"]: (r["successes"], r["trials"]) for r in tables["class"]} == {"scratch": (1, 1), "dent": (1, 2)}
    assert {r["label"]: r["successes"] for r in tables["size"]} == {"small": 1, "medium": 0, "large": 1}


def test_undamaged_photos_have_their_own_outcome():
    accused = judged(of=photo("a", damaged=False), score=0.9, regions=(2,), luminance=10.0)
    let_go = judged(of=photo("b", damaged=False), score=0.1, regions=(2,))
    rows = {r["label"]: r["rate"] for r in measure([accused, let_go])["undamaged_photo_unaccused"]["luminance"]}
    assert rows == {"dark": 0, "bright": 1}


def test_context_of_a_rendered_photo_is_a_partition():
    day, night = judged(of=photo("a")), judged(of=photo("b"))
    contexts = {day.photo.path: {"light": "day"}, night.photo.path: {"light": "dark"}}
    assert {r["label"] for r in measure([day, night], contexts)["damaged_photo_recalled"]["context_light"]} == {
        "day",
        "dark",
    }


def test_partition_of_one_slice_is_left_out():
    assert measure([judged(of=photo("a")), judged(of=photo("b"))]) == {}


@pytest.mark.parametrize(("area_px2", "size"), [(1023, "small"), (1024, "medium"), (9215, "medium"), (9216, "large")])
def test_sizes_are_cocos(area_px2, size):
    assert size_of(area_px2) == size


def test_close_up_is_no_car_or_a_car_that_fills_the_photo():
    assert is_close_up(judged(of=photo(car_box=(0, 0, 20, 19))))
    assert not is_close_up(judged(of=photo(car_box=(0, 0, 20, 18))))
    assert is_close_up(judged(of=photo(rendered=True)))
    assert is_close_up(judged())  # the localizer's window is the whole photo


def test_contexts_are_read_from_the_record_and_its_context(tmp_path):
    records = [
        {"image_id": "a.jpg", "view": "front", "context": {"weather": "rain", "is_blurred": True, "x": [1]}},
        {"image_id": "b.jpg"},
    ]
    (tmp_path / "annotations.json").write_text(json.dumps(records))
    assert load_contexts([tmp_path]) == {
        tmp_path / "images" / "a.jpg": {"view": "front", "weather": "rain", "is_blurred": "True"}
    }
    (tmp_path / "annotations.json").write_text(json.dumps([{"image_id": "a.jpg", "context": "rain"}]))
    with pytest.raises(DataError, match=r"a\.jpg: context"):
        load_contexts([tmp_path])
