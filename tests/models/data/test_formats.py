"""What a format can carry comes back unchanged; what it cannot is counted."""

import functools
import json
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.data.formats import FORMATS, Box, Dataset, Photo, Polygon, detect_format, load_dataset, narrow
from models.data.formats.dataset import GRID_DECIMALS, OTHER_LABEL, group_parts
from models.data.formats.images import place_images
from models.data.formats.located_json import parse_located
from models.data.formats.yolo_numbers import decode_box, decode_points, encode_box, encode_points
from models.structures import DAMAGE_CLASSES

SIZES_WH = [(980, 551), (64, 48), (333, 77), (1, 1), (7919, 1201)]
LABELS = st.sampled_from(
    [*DAMAGE_CLASSES, OTHER_LABEL, "car", "forklift", "바퀴", "left, <front> & 'rear'; \"x\"", "1"]
)
WORDS = st.sampled_from(["a", "7", "dull day", "눈", 'say "hi", you', "<b>", "x;y"])


@functools.cache
def encoded_png(size_wh):
    return cv2.imencode(".png", np.zeros((size_wh[1], size_wh[0]), np.uint8))[1].tobytes()


def coordinates(end):
    return st.one_of(
        st.integers(0, end).map(float),
        st.integers(0, end * 100).map(lambda n: n / 100),
        st.integers(0, end * 10**GRID_DECIMALS).map(lambda n: round(n / 10**GRID_DECIMALS, GRID_DECIMALS)),
    )


def intervals(end):
    return st.tuples(coordinates(end), coordinates(end)).map(sorted).filter(lambda pair: pair[0] < pair[1])


@st.composite
def boxes(draw, size_wh):
    (x_min, x_max), (y_min, y_max) = (draw(intervals(end)) for end in size_wh)
    return Box(draw(LABELS), (x_min, y_min, x_max, y_max))


@st.composite
def polygons(draw, size_wh, *, hairlines):
    point = st.tuples(*(coordinates(end) for end in size_wh))
    polygon = Polygon(
        draw(LABELS),
        tuple(draw(st.lists(point, min_size=3, max_size=6))),
        draw(st.sampled_from(["", "s"])),
        part_of=draw(st.sampled_from([0, 0, 3, 7])),
    )
    if polygon.is_hairline and not hairlines:
        polygon = replace(polygon, points=((0.0, 0.0), (float(size_wh[0]), 0.0), (0.0, float(size_wh[1]))))
    return polygon


@st.composite
def photos(draw, number):
    size_wh = draw(st.sampled_from(SIZES_WH))
    vehicle_id = draw(st.sampled_from(["", "12가3456", "rendered-1-00002"]))
    hairlines = vehicle_id.startswith("rendered-")
    shapes = {
        "polygons": tuple(draw(st.lists(polygons(size_wh, hairlines=hairlines), max_size=3))),
        "boxes": tuple(draw(st.lists(boxes(size_wh), max_size=3))),
    }
    is_damaged = any(s.label in (*DAMAGE_CLASSES, OTHER_LABEL) for group in shapes.values() for s in group)
    return Photo(
        f"{number}{draw(st.sampled_from(['.png', ' b.PNG', '_차.png', '.x.png']))}",
        *size_wh,
        damage_level=draw(st.sampled_from([1, None] if is_damaged else [0, 1, None])),
        **shapes,
        labels=tuple(draw(st.lists(WORDS.filter(lambda w: "/" not in w), max_size=2))),
        split=draw(st.sampled_from(["", "train", "val", "test"])),
        group=draw(st.sampled_from(["", "g 1"])),
        vehicle_id=vehicle_id,
        context=draw(
            st.dictionaries(
                st.sampled_from(["weather", "light", "빛"]),
                WORDS | st.booleans() | st.integers() | st.just("") | st.none(),
            )
        ),
    )


@st.composite
def datasets(draw):
    chosen = tuple(draw(photos(number)) for number in range(draw(st.integers(1, 3))))
    used = {label for photo in chosen for label in photo.object_labels}
    declared = used | set(draw(st.lists(LABELS, max_size=3)))
    return Dataset(chosen, tuple(draw(st.permutations(sorted(declared)))))


def canonical(dataset):
    """Order of photos, of shapes within one, and numbers of parts carry no meaning; the order of classes does."""
    return Dataset(
        tuple(
            replace(
                photo,
                polygons=tuple(sorted(sorted(map(repr, unnumbered(own))) for own in group_parts(photo.polygons))),
                boxes=tuple(sorted(photo.boxes, key=repr)),
                context=json.dumps(photo.context, sort_keys=True),
            )
            for photo in sorted(dataset.photos, key=lambda photo: photo.image_id)
        ),
        dataset.labels,
    )


def unnumbered(polygons):
    return [replace(polygon, part_of=0) for polygon in polygons]


def write_images(folder, dataset):
    paths = []
    for photo in dataset.photos:
        path = folder / photo.image_id
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded_png((photo.width, photo.height)))
        paths.append(replace(photo, path=path))
    return Dataset(tuple(paths), dataset.labels)


def write_as(dataset, target, folder):
    folder.mkdir()
    target.write(dataset, folder)
    place_images({target.image_path(photo): photo.path for photo in dataset.photos}, folder, "copy")
    return folder


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(dataset=datasets())
def test_what_a_format_carries_comes_back_unchanged_and_the_rest_is_counted(name, dataset):
    target = FORMATS[name]
    with tempfile.TemporaryDirectory() as folder:
        dataset = write_images(Path(folder, "source"), dataset)
        narrowed, losses = narrow(dataset, target)
        assert (sum(losses.values()) == 0) == (canonical(narrowed) == canonical(dataset))
        out = write_as(narrowed, target, Path(folder, "out"))
        assert detect_format(out) is target or name == "folders"
        found, read_losses = load_dataset(out, target)
        assert canonical(found) == canonical(narrowed)
        assert not read_losses
        again, no_losses = narrow(found, target)
        assert (canonical(again), sum(no_losses.values())) == (canonical(found), 0)


def test_a_lossless_chain_of_formats_changes_nothing(tmp_path):
    photo = Photo(
        "a.png", 980, 551, boxes=(Box("car", (330.0, 321.0, 744.0, 386.0)), Box("dent", (0.1, 0.25, 3.0, 4.0)))
    )
    first = dataset = write_images(tmp_path / "images", Dataset((replace(photo, split="val"),), ("car", "dent")))
    for name in ("voc", "yolo", "csv", "coco", "via"):
        narrowed, losses = narrow(dataset, FORMATS[name])
        assert not +losses
        dataset, _ = load_dataset(write_as(narrowed, FORMATS[name], tmp_path / name), FORMATS[name])
        assert canonical(dataset) == canonical(first)


def test_the_documented_box_is_six_decimals_in_yolo_and_whole_pixels_again():
    text = encode_box((330.0, 321.0, 744.0, 386.0), (980, 551))
    assert text == "0.547959 0.641561 0.422449 0.117967"
    assert decode_box(text.split(), (980, 551)) == (330.0, 321.0, 744.0, 386.0)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["0.5", "0.5", "1", "1"], (0, 0, 640, 480)),
        (["0.500000", "0.5", "1.000001", "1"], (0, 0, 640, 480)),  # rounding alone leaves the photo
        (
            ["0.3333", "0.5", "0.1", "0.5"],
            (181.31, 120, 245.31, 360),
        ),  # a coarse text moves by 0.01 px at most
        (["5e-1", ".5", "+0.25", "0.5"], (240, 120, 400, 360)),
        (["nan", "0.5", "0.5", "0.5"], None),
        (["0.5", "inf", "0.5", "0.5"], None),
        (["0.5", "0.5", "0_1", "0.5"], None),
    ],
)
def test_yolo_numbers_are_read_as_the_shortest_pixels_within_their_rounding(texts, expected):
    assert decode_box(texts, (640, 480)) == expected


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_every_point_of_a_large_photo_survives_yolo(data):
    size_wh = data.draw(st.tuples(st.integers(1, 20_000), st.integers(1, 20_000)))
    points = tuple(data.draw(st.lists(st.tuples(*(coordinates(end) for end in size_wh)), min_size=3, max_size=4)))
    texts = encode_points(points, size_wh).split()
    assert tuple(decode_points(texts, size_wh)) == points
    assert all(len(text.split(".")[1]) >= 6 for text in texts)


@settings(max_examples=60, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=15,
    ),
    st.sampled_from([None, 0, 2]),
)
def test_located_json_is_what_the_standard_parser_reads(value, indent):
    assert parse_located(json.dumps(value, indent=indent)) == value


def test_located_json_knows_the_line_of_every_value():
    found = parse_located('\n[\n {"a": 1,\n  "b":\n [2,\n\n3], "a": 4}]')
    assert (found.line, found.lines) == (2, [3])
    record = found[0]
    assert (record.lines, record.repeated) == ({"a": 7, "b": 5}, ("a",))
    assert record["b"].lines == [5, 7]


def test_polygons_become_boxes_where_only_boxes_are_carried():
    triangle = Polygon("dent", ((1.0, 2.0), (5.0, 2.0), (3.0, 9.5)))
    narrowed, losses = narrow(Dataset((Photo("a.png", 10, 10, polygons=(triangle,)),), ("dent",)), FORMATS["voc"])
    assert narrowed.photos[0].boxes == (Box("dent", (1.0, 2.0, 5.0, 9.5)),)
    assert +losses == Counter({"polygons (their boxes are kept)": 1})


def test_parts_of_one_object_are_one_annotation_of_coco_and_one_box(tmp_path):
    left, right = ((1.0, 2.0), (5.0, 2.0), (3.0, 9.5)), ((20.0, 4.0), (24.0, 4.0), (24.0, 8.0), (20.0, 8.0))
    polygons = Polygon("dent", left, part_of=9), Polygon("dent", right), Polygon("dent", right, part_of=9)
    (tmp_path / "a.png").write_bytes(encoded_png((64, 48)))
    dataset = Dataset((Photo("a.png", 64, 48, polygons=polygons, path=tmp_path / "a.png"),), ("dent",))
    out = write_as(dataset, FORMATS["coco"], tmp_path / "coco")
    both, alone = json.loads((out / "annotations" / "instances.json").read_text())["annotations"]
    assert both["segmentation"] == [[1, 2, 5, 2, 3, 9.5], [20, 4, 24, 4, 24, 8, 20, 8]]
    assert (both["bbox"], both["area"]) == ([1, 2, 23, 7.5], 15 + 16)
    assert (alone["bbox"], alone["area"]) == ([20, 4, 4, 4], 16)
    found, losses = load_dataset(out, FORMATS["coco"])
    assert [[p.points for p in own] for own in group_parts(found.photos[0].polygons)] == [[left, right], [right]]
    assert not losses
    narrowed, losses = narrow(found, FORMATS["voc"])
    assert narrowed.photos[0].boxes == (Box("dent", (1.0, 2.0, 24.0, 9.5)), Box("dent", (20.0, 4.0, 24.0, 8.0)))
    assert +losses == Counter({"polygons (their boxes are kept)": 3})
    narrowed, losses = narrow(found, FORMATS["yolo"])
    assert len(group_parts(narrowed.photos[0].polygons)) == 3
    assert +losses == Counter({"objects in parts (each part becomes an object)": 1})


def test_a_crowd_of_coco_is_counted_and_no_object(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded_png((64, 48)))
    crowd = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 1}
    crowd["segmentation"] = {"counts": [0, 64 * 48], "size": [48, 64]}
    (tmp_path / "instances.json").write_text(
        json.dumps(
            {
                "images": [{"id": 1, "file_name": "a.png", "width": 64, "height": 48}],
                "annotations": [crowd, {**crowd, "id": 2, "iscrowd": 0, "segmentation": []}],
                "categories": [{"id": 1, "name": "dent"}],
            }
        )
    )
    dataset, losses = load_dataset(tmp_path, FORMATS["coco"])
    assert dataset.photos[0].boxes == (Box("dent", (1.0, 2.0, 4.0, 6.0)),)
    assert losses == Counter({"annotations of crowds, which are no object each": 1})


@pytest.mark.parametrize("name", ["voc", "yolo"])
def test_two_photos_that_would_share_an_annotation_are_refused(name, tmp_path):
    dataset = write_images(tmp_path / "images", Dataset((Photo("a.png", 1, 1), Photo("a.jpg", 1, 1)), ()))
    with pytest.raises(ValueError, match=r"a\.jpg and a\.png would share"):
        write_as(dataset, FORMATS[name], tmp_path / "out")


@pytest.mark.parametrize("label", ["train", "undamaged", "a/b", ".git"])
def test_a_label_that_cannot_name_a_folder_is_refused(label, tmp_path):
    dataset = write_images(tmp_path / "images", Dataset((Photo("a.png", 1, 1, labels=(label,)),), ()))
    with pytest.raises(ValueError, match="cannot name a folder"):
        write_as(dataset, FORMATS["folders"], tmp_path / "out")


def test_folders_of_labels_become_a_table(tmp_path):
    for name in ("minor/1.png", "severe/2.png", "undamaged/3.png"):
        (tmp_path / "source" / name).parent.mkdir(parents=True)
        (tmp_path / "source" / name).write_bytes(encoded_png((64, 48)))
    assert detect_format(tmp_path / "source").name == "folders"
    dataset, _ = load_dataset(tmp_path / "source", FORMATS["folders"])
    narrowed, losses = narrow(dataset, FORMATS["csv"])
    assert not +losses
    table = write_as(narrowed, FORMATS["csv"], tmp_path / "table") / "annotations.csv"
    assert table.read_text().splitlines() == [
        "image,width,height,damage_level,split,group,vehicle_id,labels,boxes",
        '1.png,64,48,,,,,"[""minor""]",',
        '2.png,64,48,,,,,"[""severe""]",',
        "3.png,64,48,0,,,,,",
    ]


def test_labels_separated_by_semicolons_are_read(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded_png((64, 48)))
    (tmp_path / "any.csv").write_text("image,labels\na.png,scratched; wet\n")
    assert load_dataset(tmp_path, FORMATS["csv"])[0].photos[0].labels == ("scratched", "wet")


def test_foreign_layouts_of_yolo_are_read(tmp_path):
    for layout in (("valid/images", "valid/labels"), ("images/val", "labels/val")):
        folder = tmp_path / layout[0].replace("/", "_")
        for name in layout:
            (folder / name).mkdir(parents=True)
        (folder / layout[0] / "a.png").write_bytes(encoded_png((64, 48)))
        (folder / layout[1] / "a.txt").write_text("1 0.5 0.5 0.25 0.25")
        (folder / "data.yaml").write_text("nc: 2\nnames: ['forklift', 'person']\n")
        dataset, _ = load_dataset(folder, detect_format(folder))
        assert dataset.photos[0].split == "val"
        assert dataset.photos[0].boxes == (Box("person", (24.0, 18.0, 40.0, 30.0)),)


def test_what_an_annotator_wrote_and_no_dataset_holds_is_counted_when_read(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded_png((64, 48)))
    circle = {"shape_attributes": {"name": "circle", "cx": 9, "cy": 9, "r": 3}, "region_attributes": {"class": "dent"}}
    rectangle = {"shape_attributes": {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4}}
    regions = [circle, {**rectangle, "region_attributes": {"class": {"dent": True}}}]
    entry = {"filename": "a.png", "size": 1, "regions": regions, "file_attributes": {}}
    (tmp_path / "via.json").write_text(json.dumps({"a.png1": entry}))
    dataset, losses = load_dataset(tmp_path, detect_format(tmp_path))
    assert dataset.photos[0].boxes == (Box("dent", (1.0, 2.0, 4.0, 6.0)),)
    assert losses == Counter({"regions that are a circle": 1})
