import json
import re

import cv2
import numpy as np
import pytest

from models.data.photos import DataError, load_photos
from models.evaluation.definitions import DEFINITIONS, define_measure
from models.evaluation.overlays import choose_worst
from models.evaluation.page import build_page
from models.evaluation.path import PathOptions, Predictors
from models.evaluation.report import LOGIT_SHIFTS, NOMINAL_ROW, Judged, judge_photos, shift_thresholds, split_samples
from models.evaluation.run import EvaluationOptions, load_judged, require_libraries, run_evaluation
from models.object_store import FolderStore
from models.store import ModelStore
from tests.models.evaluation.outcomes import judged, photo, region
from tests.models.evaluation.stores import write_promoted
from tests.models.tiny_data import write_folder


@pytest.fixture(name="evaluated", scope="module")
def _evaluated(tmp_path_factory):
    """A whole evaluation of real and rendered tiny photos: (report, folder)."""
    root = tmp_path_factory.mktemp("evaluation")
    data = (write_folder(root / "a", split="val"), write_folder(root / "b", rendered=False, split="val"))
    options = EvaluationOptions(
        data=data,
        out=root / "out",
        models=write_promoted(root / "store"),
        split="val",
        path=PathOptions(),
        gate_score_threshold=0.52617,  # lets one damaged photo of four go
        finder="off",
        gate_recall=0.9,
        overlays=2,
    )
    return run_evaluation(options), root / "out"


def leaves(sections):
    for name, value in sections.items():
        if isinstance(value, dict):
            yield from leaves(value)
        else:
            yield name


def test_every_measure_of_a_report_is_defined(evaluated):
    report, _ = evaluated
    names = {
        name
        for sample in ("real", "rendered")
        for section, own in report[sample].items()
        if section != "slices"
        for name in (leaves(own) if isinstance(own, dict) else [section])
    }
    assert len(names) > 40
    for name in names:
        assert define_measure(name)
    with pytest.raises(KeyError):
        define_measure("mAP")


def test_every_definition_belongs_to_a_measure(evaluated):
    report, _ = evaluated
    names = {name for sample in ("real", "rendered") for name in [*leaves(report[sample]), *report[sample]]}
    for pattern, _ in DEFINITIONS:
        assert any(re.fullmatch(pattern, name) for name in names), pattern


def test_written_report_is_the_returned_one_and_strict_json(evaluated):
    report, out = evaluated
    written = json.loads((out / "report.json").read_text(), parse_constant=pytest.fail)
    assert written == json.loads(json.dumps(report))
    assert written["rendered"]["localizer"]["iou50_rate"] == 1.0
    assert written["rendered"]["end_to_end"]["damaged_photos"] == 4


def test_page_holds_everything_and_fetches_nothing(evaluated):
    report, out = evaluated
    page = (out / "report.html").read_text()
    assert page.count("<svg") == 2 + 2 * 2 + 1
    assert not re.search(r"<(script|link|img|iframe)\b", page)
    assert not re.search(r"url\((?!#)|@import|(?:src|href)=[\"']http", page)
    assert f"{report['real']['end_to_end']['recall']:.3f}" in page
    assert "iou_seed_convention" in page
    assert not re.search(r"\$[a-z_]+", page)


def test_page_of_the_same_report_is_the_same_text(evaluated):
    report, out = evaluated
    assert build_page(report) == (out / "report.html").read_text()


def test_page_escapes_what_it_is_given(evaluated):
    report, _ = evaluated
    page = build_page({**report, "data": ["<b>&"]})
    assert "&lt;b&gt;&amp;" in page
    assert "<b>&" not in page


def test_page_of_one_sample_without_damage_says_that_nothing_allows_it(evaluated):
    report, _ = evaluated
    bare = {"localizer": {}, "gate": {"across_sources": {}, "within_source": {}}, "segmentation": {}, "slices": {}}
    bare["end_to_end"] = {"damaged_photos": 0, "undamaged_photos": 3}
    page = build_page({k: v for k, v in report.items() if k != "rendered"} | {"real": bare})
    assert page.count("Nothing in these photos allows it.") == 3


def test_overlays_are_written_only_of_the_worst(evaluated):
    _, out = evaluated
    names = sorted(path.name for path in (out / "overlays").iterdir())
    assert names == ["false_negative_01_0.png", "false_negative_02_0.png"]
    drawn = cv2.imread(str(out / "overlays" / names[0]))
    assert drawn.shape == (96, 128, 3)
    assert (drawn == (40, 50, 230)).all(axis=2).any()  # predicted, BGR


def test_worst_are_the_largest_misses_and_the_loudest_accusations():
    row = len(LOGIT_SHIFTS)
    found = judged(of=photo("found"), score=0.9, hits=[True] * row, regions=[1] * row, annotated=[region(area_px2=900)])
    small = judged(of=photo("small"), score=0.9, hits=[False] * row, regions=[0] * row, annotated=[region(area_px2=4)])
    gated = judged(of=photo("gated"), score=0.1, hits=[True] * row, regions=[1] * row, annotated=[region(area_px2=50)])
    accused = [
        judged(of=photo(f"u{n}", damaged=False), score=0.9, hits=[False] * row, regions=[n] * row) for n in range(3)
    ]
    every = Judged([found, small, gated, *accused], [], np.zeros(0), np.zeros((row, 3)), ("threshold",))
    options = PathOptions(policies=("threshold",) * 3)
    worst = choose_worst(every, options, count=2, gate_score_threshold=0.5)
    assert [j.photo.image_id for j in worst["false_negative"]] == ["gated", "small"]
    assert [j.photo.image_id for j in worst["false_positive"]] == ["u2", "u1"]


def test_real_and_rendered_photos_are_judged_apart(tmp_path):
    predictors = Predictors.load(ModelStore(FolderStore(write_promoted(tmp_path / "s"))).load_promoted().versions)
    photos = load_photos([write_folder(tmp_path / "a"), write_folder(tmp_path / "b", rendered=False)])
    samples = split_samples(judge_photos(photos, predictors, PathOptions()))
    assert {name: len(own.judgements) for name, own in samples.items()} == {"real": 6, "rendered": 6}
    for name, own in samples.items():
        assert len(own.windows) == len(own.window_scores) == 10
        assert all(w.photo.is_rendered == (name == "rendered") for w in own.windows)


def test_rows_scale_the_odds_around_the_cards_thresholds():
    rows = shift_thresholds(np.array([0.5, 0.8, 0.9]))
    assert rows[NOMINAL_ROW] == pytest.approx([0.5, 0.8, 0.9])
    assert (np.diff(rows, axis=0) > 0).all()
    assert rows[NOMINAL_ROW + 1, 1] == pytest.approx(4 * np.e / (1 + 4 * np.e))
    assert shift_thresholds(np.array([0.999] * 3)).max() <= 0.998


def test_missing_library_is_named_before_anything_is_read(monkeypatch):
    require_libraries()
    monkeypatch.setattr("models.evaluation.run.find_spec", lambda name: None if name == "scipy" else object())
    with pytest.raises(ValueError, match="scipy is not installed"):
        require_libraries()


@pytest.mark.parametrize("fault", ["damage", "split", "folder"])
def test_data_that_allows_no_judgement_is_refused(tmp_path, fault):
    folder = write_folder(tmp_path / "data", split="val")
    if fault == "damage":
        path = folder / "annotations.json"
        path.write_text(json.dumps([r for r in json.loads(path.read_text()) if not r["damage_level"]]))
    options = EvaluationOptions(
        data=(tmp_path / "nowhere" if fault == "folder" else folder,),
        out=tmp_path / "out",
        models=tmp_path,
        split="train" if fault == "split" else "val",
        path=PathOptions(),
        gate_score_threshold=None,
        finder="off",
        gate_recall=0.9,
        overlays=0,
    )
    expected = {"damage": "no photo of split 'val' has an annotated damage", "split": "'train'", "folder": "nowhere"}
    with pytest.raises(DataError, match=expected[fault]):
        run_evaluation(options)
    assert not (tmp_path / "out").exists()


def test_folder_without_val_is_judged_whole(tmp_path):
    split = write_folder(tmp_path / "split", split="val")
    whole = write_folder(tmp_path / "whole", split="train")
    judged = load_judged([split, whole])
    assert {photo.folder for photo in judged} == {"split", "whole"}
    assert len(judged) == 2 * len(load_photos([split]))
    records = json.loads((split / "annotations.json").read_text())
    records[0]["split"] = "train"
    (split / "annotations.json").write_text(json.dumps(records))
    assert len(load_judged([split, whole])) == len(judged) - 1
