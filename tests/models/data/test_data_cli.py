"""The commands `data convert` and `data check`, in one process."""

import json

import pytest
from typer.testing import CliRunner

from models.cli import app
from models.data.formats import FORMATS, Box, load_dataset
from models.data.photos import load_photos
from tests.models.tiny_data import write_folder


def run(*arguments):
    return CliRunner().invoke(app, ["data", *(str(a) for a in arguments)])


def test_check_says_in_one_line_what_is_there(tmp_path):
    done = run("check", write_folder(tmp_path / "d"))
    assert done.exit_code == 0, done.output
    assert done.stdout == (
        "ok: seed; 6 photos (4 damaged 2 undamaged); 4 polygons; 6 boxes; classes scratch, dent, spacing, car; "
        "splits train 6\n"
    )
    assert done.stderr == ""


def test_check_lists_every_fault_and_exits_2(tmp_path):
    folder = write_folder(tmp_path / "d")
    path = folder / "annotations.json"
    records = json.loads(path.read_text())
    records[0]["damage_level"] = 0
    records[3]["regions"][0]["class_name"] = 9
    path.write_text(json.dumps(records, indent=1))
    done = run("check", folder)
    assert done.exit_code == 2
    assert done.stdout == ""
    first, second = done.stderr.splitlines()
    assert first == f"{path}:2: 0.jpg: damage_level: 0 contradicts 1 damaged region"
    assert second.startswith(f"{path}:") and "3.jpg: regions[0]: unknown class" in second


def test_convert_and_back_loses_nothing_that_was_not_counted(tmp_path):
    source = write_folder(tmp_path / "d")
    out = run("convert", source, tmp_path / "coco", "--to", "coco")
    assert out.exit_code == 0, out.output
    assert out.stdout == f"converted 6 photos from seed to coco: {tmp_path / 'coco'}\n"
    assert out.stderr == "lost, coco cannot carry it: 6 photos' damage_level; 6 photos' vehicle_id\n"
    back = run("convert", tmp_path / "coco", tmp_path / "seed", "--to", "seed")
    assert (back.exit_code, back.stderr) == (0, "")
    before, after = (json.loads((folder / "annotations.json").read_text()) for folder in (source, tmp_path / "seed"))
    for old, new in zip(before, after, strict=True):
        assert new["regions"] == old["regions"]
        assert (new["split"], new["car_box_xyxy"]) == (old["split"], old["car_box_xyxy"])
        assert new["damage_level"] is None


def test_a_converted_folder_trains_again_where_the_format_carries_the_level(tmp_path):
    source = write_folder(tmp_path / "d", rendered=False)
    assert run("convert", source, tmp_path / "via", "--to", "via").stderr == ""
    assert run("convert", tmp_path / "via", tmp_path / "seed", "--to", "seed").stderr == ""
    old, new = load_photos([source]), load_photos([tmp_path / "seed"])
    assert [(p.image_id, p.polygons, p.damage_level, p.car_box_xyxy) for p in new] == [
        (p.image_id, p.polygons, p.damage_level, p.car_box_xyxy) for p in old
    ]


def test_polygons_can_be_asked_to_become_boxes(tmp_path):
    source = write_folder(tmp_path / "d")
    kept = run("convert", source, tmp_path / "a", "--to", "yolo")
    assert "6 boxes (polygons and boxes do not mix" in kept.stderr
    done = run("convert", source, tmp_path / "b", "--to", "yolo", "--polygons", "boxes", "--rename", "dent=bump")
    assert "4 polygons (their boxes are kept)" in done.stderr
    photos = load_dataset(tmp_path / "b", FORMATS["yolo"])[0].photos
    assert photos[1].boxes == (Box("car", (20.0, 30.0, 110.0, 80.0)), Box("bump", (40.0, 40.0, 60.0, 50.0)))


def test_boxes_can_be_asked_to_become_outlines_of_their_corners(tmp_path):
    done = run("convert", write_folder(tmp_path / "d"), tmp_path / "a", "--to", "yolo", "--polygons", "corners")
    assert "6 boxes (outlines of their corners are kept)" in done.stderr
    assert "do not mix" not in done.stderr
    photo = load_dataset(tmp_path / "a", FORMATS["yolo"])[0].photos[1]
    assert photo.boxes == ()
    cars = [polygon.points for polygon in photo.polygons if polygon.label == "car"]
    assert cars == [((20.0, 30.0), (110.0, 30.0), (110.0, 80.0), (20.0, 80.0))]


@pytest.mark.parametrize("mode", ["copy", "link", "none"])
def test_images_are_copied_linked_or_left(tmp_path, mode):
    source = write_folder(tmp_path / "d")
    assert run("convert", source, tmp_path / "out", "--to", "voc", "--images", mode).exit_code == 0
    image = tmp_path / "out" / "JPEGImages" / "0.jpg"
    assert image.exists() == (mode != "none")
    if mode != "none":
        assert image.read_bytes() == (source / "images" / "0.jpg").read_bytes()
        assert image.samefile(source / "images" / "0.jpg") == (mode == "link")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--to", "pdf"], "format: expected one of seed, voc, yolo, coco, via, folders, csv, found 'pdf'"),
        (["--to", "voc", "--from", "excel"], "found 'excel'"),
        (["--to", "voc", "--images", "move"], "images: expected one of copy, link, none"),
        (["--to", "voc", "--polygons", "drop"], "polygons: expected one of keep, boxes, corners"),
        (["--to", "voc", "--rename", "dent"], "rename: expected OLD=NEW"),
        (["--to", "voc", "--rename", "hole=dent"], "rename: no class 'hole'"),
    ],
)
def test_a_wrong_option_is_told_in_one_line_and_nothing_is_written(tmp_path, options, words):
    done = run("convert", write_folder(tmp_path / "d"), tmp_path / "out", *options)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: ") and words in done.stderr and done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_a_faulty_source_is_refused_whole(tmp_path):
    source = write_folder(tmp_path / "d")
    (source / "images" / "5.jpg").unlink()
    done = run("convert", source, tmp_path / "out", "--to", "yolo")
    assert done.exit_code == 2
    assert done.stderr == f"{source / 'annotations.json'}:1: 5.jpg: missing image 5.jpg\n"
    assert [path.name for path in tmp_path.iterdir()] == ["d"]


def test_a_folder_that_holds_something_is_never_written_into(tmp_path):
    source = write_folder(tmp_path / "d")
    out = write_folder(tmp_path / "out")
    before = sorted(out.rglob("*"))
    done = run("convert", source, out, "--to", "yolo")
    assert done.exit_code == 2 and "expected a new or empty folder" in done.stderr
    assert sorted(out.rglob("*")) == before


def test_a_write_that_fails_halfway_leaves_nothing(tmp_path):
    source = write_folder(tmp_path / "d", rendered=False)
    path = source / "annotations.json"
    records = [{**record, "labels": ["train"]} for record in json.loads(path.read_text())]
    path.write_text(json.dumps(records))
    done = run("convert", source, tmp_path / "out", "--to", "folders")
    assert done.exit_code == 2 and "label 'train' cannot name a folder" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["d"]


def test_a_broken_json_that_could_be_anything_is_told_with_its_line(tmp_path):
    (tmp_path / "export.json").write_text('{"images": [\n}')
    done = run("check", tmp_path)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"{tmp_path / 'export.json'}:2: not JSON: ")
