import json

import pytest
import typer
from typer.testing import CliRunner

from models.data.photos import load_photos
from models.data.preparation_cli import register
from tests.models.tiny_data import write_folder

app = typer.Typer()
register(app)


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def edit_records(folder, change):
    path = folder / "annotations.json"
    records = json.loads(path.read_text())
    change(records)
    path.write_text(json.dumps(records))


def test_split_folder_keeps_cars_together_and_can_be_loaded(tmp_path):
    data = write_folder(tmp_path / "data")  # three cars, two photos each, all look alike to a hash but for noise
    finished = run("split", data, "--ratios", "1:1:1", "--seed", 3, "--max-bits", 0, "--out", tmp_path / "out")
    assert finished.exit_code == 0, finished.output
    photos = load_photos([tmp_path / "out"])
    assert len({(p.group, p.split) for p in photos}) == 3
    assert {p.split for p in photos} == {"train", "val", "test"}
    report = json.loads((tmp_path / "out" / "split.json").read_text())
    assert [part["photos"] for part in report["splits"].values()] == [2, 2, 2]
    again = run("split", data, "--ratios", "1:1:1", "--seed", 3, "--max-bits", 0, "--out", tmp_path / "again")
    assert again.exit_code == 0
    assert [p.split for p in load_photos([tmp_path / "again"])] == [p.split for p in photos]


def test_records_keep_every_other_key(tmp_path):
    data = write_folder(tmp_path / "data")
    edit_records(data, lambda records: records[0].update(weather="rain"))
    assert run("split", data, "--ratios", "1:1", "--max-bits", 0, "--out", tmp_path / "out").exit_code == 0
    record = json.loads((tmp_path / "out" / "annotations.json").read_text())[0]
    assert record == json.loads((data / "annotations.json").read_text())[0] | {"split": record["split"]}


def copy_photo(data):
    """Photos 0 and 5 become one picture of different cars."""
    (data / "images" / "5.jpg").write_bytes((data / "images" / "0.jpg").read_bytes())


def test_photos_that_look_alike_stay_in_one_split(tmp_path):
    data = write_folder(tmp_path / "data")
    copy_photo(data)
    for seed in range(4):
        out = tmp_path / f"out{seed}"
        assert run("split", data, "--ratios", "1:1", "--seed", seed, "--max-bits", 0, "--out", out).exit_code == 0
        photos = load_photos([out])
        assert photos[0].split == photos[5].split


def test_only_one_of_the_photos_that_look_alike_can_be_kept(tmp_path):
    data, out = write_folder(tmp_path / "data"), tmp_path / "out"
    copy_photo(data)
    finished = run("split", data, "--ratios", "1:1", "--max-bits", 0, "--drop-duplicates", "--out", out)
    assert "1 near duplicates, 1 dropped" in finished.output
    assert [p.image_id for p in load_photos([out])] == ["0.jpg", "1.jpg", "2.jpg", "3.jpg", "4.jpg"]
    assert not (out / "images" / "5.jpg").exists()


def test_agreed_folder_holds_what_both_raters_say(tmp_path):
    a, b, c = (write_folder(tmp_path / name) for name in "abc")
    edit_records(b, lambda records: records[0].update(damage_level=0, regions=[]))
    finished = run("agree", a, b, "--out", tmp_path / "discard")
    assert finished.exit_code == 0, finished.output
    assert [p.image_id for p in load_photos([tmp_path / "discard"])] == ["1.jpg", "2.jpg", "3.jpg", "4.jpg", "5.jpg"]
    report = json.loads((tmp_path / "discard" / "agreement.json").read_text())
    assert report["discarded"] == ["0.jpg"]
    assert report["kappa_damage_level"] == pytest.approx((5 / 6 - 0.5) / 0.5)
    assert run("agree", a, b, "--policy", "neutral", "--out", tmp_path / "neutral").exit_code == 0
    neutral = json.loads((tmp_path / "neutral" / "neutral.json").read_text())
    assert [(r["image_id"], r["damage_level"]) for r in neutral] == [("0.jpg", None)]
    by_third = ["--third", c / "annotations.json", "--policy", "third", "--out", tmp_path / "third"]
    assert run("agree", a, b, *by_third).exit_code == 0
    assert [p.damage_level for p in load_photos([tmp_path / "third"])] == [1, 1, 1, 1, 0, 0]


def test_agreement_of_files_alone_writes_no_images(tmp_path):
    a, b = (write_folder(tmp_path / name) / "annotations.json" for name in "ab")
    finished = run("agree", a, b, "--out", tmp_path / "out")
    assert finished.exit_code == 0, finished.output
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "agreement.json",
        "annotations.json",
        "manifest.json",
    ]


TABLE = "view,weather,found\n" + "front,sun,1\n" * 8 + "front,rain,0\n" * 2 + "rear,sun,1\n" * 3 + "rear,,0\n" * 7


def test_slices_of_every_column_are_compared(tmp_path):
    (tmp_path / "t.csv").write_text(TABLE)
    finished = run("slices", tmp_path / "t.csv", "--outcome", "found", "--json")
    assert finished.exit_code == 0, finished.output
    rows = {(r["column"], r["label"]): r for r in map(json.loads, finished.output.splitlines())}
    assert set(rows) == {
        ("view", "front"),
        ("view", "rear"),
        ("weather", "sun"),
        ("weather", "rain"),
        ("weather", "(none)"),
    }
    assert (rows["view", "front"]["rate"], rows["view", "front"]["complement_rate"]) == (0.8, 0.3)
    assert rows["weather", "sun"]["is_apart"]


def test_chosen_column_is_told_as_text(tmp_path):
    (tmp_path / "t.csv").write_text(TABLE)
    finished = run("slices", tmp_path / "t.csv", "--outcome", "found", "--by", "view")
    lines = finished.output.splitlines()
    assert len(lines) == 3
    assert lines[1].startswith("view=front  10  0.800  0.300")


def test_lone_slice_has_no_complement_and_is_valid_json(tmp_path):
    (tmp_path / "t.csv").write_text("view,outcome\nrear,1\n")
    told = json.loads(run("slices", tmp_path / "t.csv", "--json").output)
    assert told["complement_rate"] is told["probability_below"] is None


def test_manifest_is_written_and_a_changed_folder_noticed(tmp_path):
    data = write_folder(tmp_path / "data")
    written = run("manifest", data)
    assert written.exit_code == 0
    assert "7 files, train 6" in written.output
    verified = run("manifest", data, "--verify")
    assert verified.exit_code == 0
    assert verified.output.replace("unchanged", "wrote") == written.output
    (data / "images" / "2.jpg").unlink()
    changed = run("manifest", data, "--verify")
    assert changed.exit_code == 2
    assert "2.jpg: missing" in changed.stderr


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["split", "nowhere", "--out", "o"], "nowhere"),
        (["split", "DATA", "--out", "DATA"], "out: expected a new"),
        (["split", "DATA", "--out", "o", "--ratios", "8-1-1"], "ratios"),
        (["split", "DATA", "--out", "o", "--max-bits", "63"], "at least 3 groups"),
        (["agree", "DATA", "nowhere", "--out", "o"], "nowhere"),
        (["agree", "DATA", "DATA", "--out", "o", "--policy", "vote"], "policy"),
        (["agree", "DATA", "DATA", "--out", "o", "--policy", "third"], "third"),
        (["slices", "nowhere.csv"], "nowhere.csv"),
        (["slices", "t.csv", "--outcome", "seen"], "seen"),
        (["slices", "t.csv", "--outcome", "found", "--by", "place"], "place"),
        (["slices", "t.csv", "--outcome", "view"], "row 1: view"),
        (["slices", "ragged.csv"], "row 1"),
        (["slices", "header.csv"], "at least one row"),
        (["slices", "one.csv"], "column of groups"),
        (["manifest", "nowhere"], "nowhere"),
        (["manifest", "DATA", "--verify"], "manifest.json"),
    ],
)
def test_mistake_is_told_by_name(arguments, named, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = write_folder(tmp_path / "data")
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / "ragged.csv").write_text("a,outcome\n1\n")
    (tmp_path / "header.csv").write_text("a,outcome\n")
    (tmp_path / "one.csv").write_text("outcome\n1\n")
    finished = run(*[data if a == "DATA" else a for a in arguments])
    assert finished.exit_code == 2, finished.output
    assert finished.stderr.startswith("error: ")
    assert named in finished.stderr
    assert not (tmp_path / "o").exists()


def test_every_command_shows_an_example():
    assert len(app.registered_commands) == 4
    for command in app.registered_commands:
        assert "Example: vehicle-damage models data " in (command.callback.__doc__ or "")
