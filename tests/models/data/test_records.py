import json

import pytest

from models.data.photos import DataError
from models.data.records import load_records


def test_every_fault_of_the_records_is_told(tmp_path):
    path = tmp_path / "annotations.json"
    good = {"image_id": "a", "damage_level": 0, "regions": [], "width": 1, "height": 1}
    region = {"class_name": 1, "points": [[0, 0], [1, 0], [1, 1]]}
    bad = [
        7,
        {**good, "image_id": 3},
        {**good, "damage_level": None},
        {**good, "width": 0, "height": "9"},
        {**good, "regions": None},
        {**good, "regions": [region, {**region, "class_name": 4}, {**region, "points": [[0, 0], [1, "x"], [1, 1]]}]},
        {**good, "regions": [{**region, "points": [[0, 0], [1, 1]]}, "no region"]},
        {**good, "regions": [{**region, "points": [[0, 0], [float("nan"), 0], [1, 1]]}]},
    ]
    path.write_text(json.dumps([good, *bad]))
    with pytest.raises(DataError) as told:
        load_records(path)
    assert [line.removeprefix(f"{path}: photo ").split(": expected")[0] for line in str(told.value).splitlines()] == [
        "1", "2: image_id", "3: damage_level", "4: width", "4: height", "5: regions",
        "6: regions[1].class_name", "6: regions[2].points", "7: regions[0].points", "7: regions[1].class_name",
        "8: regions[0].points",
    ]  # fmt: skip


@pytest.mark.parametrize("text", [None, "no json", "[]", "{}"])
def test_file_without_records_is_refused_by_name(tmp_path, text):
    path = tmp_path / "a.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(DataError, match=r"a\.json"):
        load_records(path)
