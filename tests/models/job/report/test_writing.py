"""The report of small finished jobs: its numbers are the steps', its page stands alone, it is always the same."""

import base64
import json
import re
import shutil
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

pytest.importorskip("torch", reason="the GAN needs vehicle-damage[train]")
pytest.importorskip("matplotlib", reason="plots need vehicle-damage[train]")

from models.data.photos import DataError
from models.job.promotion import load_decision
from models.job.report import write_report
from models.steps.step_folder import load_step
from tests.models.job.report.jobs import RATIOS, SEEDS, finish, make_generation

VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """Reads a page; every element is closed in its turn."""

    def __init__(self, text):
        super().__init__()
        self.open, self.images, self.text, self.tags = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


@pytest.fixture(scope="module")
def rich(tmp_path_factory):
    """Both mapping networks, transparency, measures, every arm; one arm finds far more."""
    root = tmp_path_factory.mktemp("rich")
    made = make_generation(root / "made", alpha="outline", mappings=("transformer", "mlp"))
    arms = {"repeat": 0.5, "real_crop_paste": 0.52, "gan_unscreened": 0.5, "gan_screened": 0.95, "rgba_blend": 0.6}
    return read(finish(made, root / "job", **arms))


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """One GAN, no transparency, no features; no arm is better."""
    root = tmp_path_factory.mktemp("plain")
    return read(finish(make_generation(root / "made", features=None), root / "job", repeat=0.5, gan_screened=0.55))


def read(job):
    """Write a job's report; returns its folder, the numbers and the page."""
    report = write_report(job)
    assert json.loads((job / "report.json").read_text()) == report
    return job, report, Page((job / "report.html").read_text())


def test_numbers_are_those_of_the_steps(rich):
    rich, report, _ = rich
    decision = load_decision(rich / "promotion")
    for name in ("promoted_arm", "reasons", "metric", "null_promotion_rate", "test_photos"):
        assert report["decision"][name] == decision[name]
    assert list(report["arms"]) == list(decision["arms"])
    for arm, told in decision["arms"].items():
        for name in ("ratio", "test_mean", "gain", "confusion", "over_controls"):
            assert report["arms"][arm][name] == told[name]
        assert report["arms"][arm]["p_adjusted"] == decision["p_adjusted"].get(arm)
    assert report["screening"] == load_step(rich / "screening", "screening").result
    assert report["class_name"] == "person"
    assert report["data"]["photos"] == {"train": 40, "val": 6, "test": 24}
    assert report["crops"]["crops"]["train"] == len(np.load(rich / "crops" / "canvases_train.npy"))
    assert set(report["extraction"]) == {"extraction", "extraction_alpha"}
    assert report["augmented"]["gan_screened"]["photos"] == round(40 * report["arms"]["gan_screened"]["ratio"])
    assert report["detector"]["seeds"] == list(SEEDS)
    assert (report["detector"]["cfg"], report["detector"]["input_px"]) == ("yolov5nu.yaml", 64)
    val = json.loads((rich / "evaluation" / "evaluation.json").read_text())["val"]
    expected = np.mean([val[f"baseline-0-seed{seed}"]["per_class"]["person"]["ap_50"] for seed in SEEDS])
    assert report["detector"]["baseline_val_ap_50"] == pytest.approx(expected)


def test_curves_hold_every_snapshot_of_both_mappings(rich):
    rich, report, _ = rich
    for kind in ("kid", "fid"):
        assert set(report[kind]) == {f"{kind}_20_mean2x2", f"{kind}_20_mean2x2_tight"}
        for measure, curves in report[kind].items():
            for mapping, folder in (("transformer", "gan"), ("mlp", "gan_mlp")):
                snapshots = json.loads((rich / folder / "curve.json").read_text())
                assert curves[mapping] == [{"images": own["images"], "value": own[measure]} for own in snapshots]
                last = report["generation"][mapping]
                for name in ("precision_20_mean2x2", "share_nearer_to_train_than_train"):
                    assert last[name] == snapshots[-1][name]


def test_page_stands_alone_and_every_picture_is_one(rich):
    rich, _, page = rich
    assert len(page.images) > 30
    for image in page.images:
        kind, data = image["src"].split(",", 1)
        assert kind == "data:image/png;base64"
        pixels = cv2.imdecode(np.frombuffer(base64.b64decode(data, validate=True), np.uint8), cv2.IMREAD_COLOR)
        height, width = pixels.shape[:2]
        assert int(image["width"]) % width == int(image["height"]) % height == 0
    text = (rich / "report.html").read_text()
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert not re.search(r'(?:src|href|action)="(?!data:|#)', text)
    assert str(rich) not in text


def test_promoted_arm_is_told_in_words_and_numbers(rich):
    _, report, page = rich
    gain = report["arms"]["gan_screened"]["gain"]
    assert report["decision"]["promoted_arm"] == "gan_screened"
    assert "Promoted gan_screened" in page.words
    assert f"changed ap_50 of person by {100 * gain['value']:+.2f} points on 24 test photos" in page.words
    assert f"{100 * gain['low']:+.2f} to {100 * gain['high']:+.2f} points, above 0" in page.words
    assert "The detector in service stays" not in page.words


def test_nothing_promoted_reads_as_a_result(plain):
    _, report, page = plain
    assert report["decision"]["promoted_arm"] is None
    assert "Kept the incumbent: no arm's gain of ap_50 of person is proven." in page.words
    assert "The detector in service stays" in page.words
    assert "points: it holds 0, so that this much can be luck." in page.words
    assert "replaces the one in service" not in page.words


def test_what_a_job_has_not_is_said_once_each(rich, plain):
    _, report, page = plain
    missing = (
        "No second mapping network was trained",
        "Nothing was measured: the job was given no network",
        "The GAN learned no transparency",
    )
    for sentence in missing:
        assert page.words.count(sentence) == 1
    assert report["kid"] == report["fid"] == {}
    assert list(report["generation"]) == ["transformer"]
    assert not [sentence for sentence in missing if sentence in rich[2].words]


def test_tables_hold_the_measures_as_they_are_read(rich):
    _, report, page = rich
    row = report["arms"]["rgba_blend"]["test_mean"]
    for name in ("precision", "recall", "ap_50", "ap_50_95", "true_positive_share", "missed_share"):
        assert f"{row[name]:.3f}" in page.words
    counts = np.array(report["arms"]["gan_screened"]["confusion"])
    found, annotated = int(counts[1, 1]), int(counts[:, 1].sum())
    assert f"{found} {found / annotated:.1%}" in page.words
    for rule, errors in report["screening"]["errors"].items():
        for name in ("false_reject", "false_accept"):
            rate = errors[name]
            assert f"{rate['value']:.1%} {rate['count']} of {rate['total']}" in page.words, (rule, name)
    assert all(f"{100 * ratio:g}" in page.words for ratio in RATIOS)


def test_report_is_the_same_the_second_time_and_elsewhere(rich, tmp_path):
    rich, *_ = rich
    names = ("report.json", "report.html")
    first = [(rich / name).read_bytes() for name in names]
    shutil.copytree(rich, tmp_path / "moved")
    for path in tmp_path.glob("moved/report.*"):
        path.unlink()
    write_report(tmp_path / "moved")
    assert [(tmp_path / "moved" / name).read_bytes() for name in names] == first
    assert not list(rich.glob(".*"))


@pytest.mark.parametrize(
    ("missing", "named"),
    [
        ("screening", "step screening"),
        ("promotion", "step promotion"),
        ("evaluation", "step evaluation"),
        ("augmented/repeat-20", "step augmented/repeat-20"),
    ],
)
def test_unfinished_job_is_refused_by_the_name_of_the_step(plain, tmp_path, missing, named):
    job = tmp_path / "job"
    shutil.copytree(plain[0], job, ignore=shutil.ignore_patterns("report.*"))
    shutil.rmtree(job / missing)
    with pytest.raises(DataError, match=f"^report: {named}: .*the step is not complete$"):
        write_report(job)
    assert not list(job.glob("*report.*"))


def test_training_that_is_under_way_is_no_second_mapping(plain, tmp_path):
    job = tmp_path / "job"
    shutil.copytree(plain[0], job)
    (job / "gan_mlp.work").mkdir()
    assert list(write_report(job)["generation"]) == ["transformer"]
