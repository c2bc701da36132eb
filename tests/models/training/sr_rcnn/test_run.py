"""The whole comparison as its users run it; what comes of it."""

import json
import shutil

import pytest

torch = pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

from models.training.sr_rcnn.photos import load_detection_data  # noqa: E402
from models.training.sr_rcnn.run import count_sizes  # noqa: E402
from models.training.sr_rcnn.trained import load_detector  # noqa: E402
from tests.models.training.sr_rcnn.tiny_coco import run  # noqa: E402

VARIANTS = ["mask-rcnn", "sr-rcnn", "sr-rcnn-without-generator", "sr-rcnn-size-gate", "sr-rcnn-small"]


def test_report_holds_every_variant_with_cocos_six_measures(finished):
    here, done = finished
    report = json.loads((here / "out" / "report.json").read_text())
    assert list(report["variants"]) == VARIANTS
    for variant in VARIANTS:
        for kind in ("box", "mask"):
            own = report["variants"][variant][kind]
            assert list(own) == ["AP", "AP50", "AP75", "AP_S", "AP_M", "AP_L"]
            assert len(own["AP_S"]["by_seed"]) == 2
            assert own["AP_L"]["value"] is None  # no judged object is large
            assert ("minus_mask_rcnn" in own["AP"]) == (variant != "mask-rcnn")
    assert report["judged_sizes"] == {"small": 1, "medium": 1, "large": 0}
    assert list(report["cost"]["variants"]) == VARIANTS
    assert report["cost"]["variants"]["mask-rcnn"]["ratio"] == 1
    assert report["s_per_iteration"]["sr-rcnn"] > 0
    gate = report["size_gate"]
    assert [len(own) for own in gate["by_seed"]] == [len(gate["sides_px"])] * 2
    for seed, told in enumerate(gate["by_seed"], 1):
        own = load_detector(here / "out" / f"sr-rcnn-seed{seed}").network.gate
        assert told[2] == pytest.approx(float(own(torch.tensor([[5.0, 1, 5 + 32, 1 + 32]]))), abs=1e-4)
        assert told != [0.5] * len(told)  # two steps were taken
    assert report["classes"] == ["scratch", "dent"]
    assert report["options"]["seeds"] == [1, 2]
    assert report["small_objects"] in done.stdout


def test_same_command_goes_on_and_ends_with_the_same_report(finished, tmp_path):
    here, _ = finished
    shutil.copytree(here / "out", tmp_path / "out")
    before = (tmp_path / "out" / "report.json").read_text()
    (tmp_path / "out" / "report.json").unlink()
    shutil.rmtree(tmp_path / "out" / "sr-rcnn-seed2")
    stopped = run(here / "coco", tmp_path / "out", "--max-minutes", 1e-6)
    assert stopped.exit_code == 0, stopped.output
    assert "stopped by max_minutes after step 1 of 6; the same command goes on" in stopped.stderr  # the base is done
    assert not (tmp_path / "out" / "report.json").exists()
    done = run(here / "coco", tmp_path / "out")
    assert done.exit_code == 0, done.output
    after = json.loads((tmp_path / "out" / "report.json").read_text())
    expected = json.loads(before)
    assert after.pop("s_per_iteration").keys() == expected.pop("s_per_iteration").keys()
    assert after == expected


def test_one_base_is_trained_first_and_every_detector_goes_on_from_it(finished):
    here, _ = finished
    lines = [json.loads(line) for line in (here / "out" / "base" / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2]
    assert load_detector(here / "out" / "base").step == 2
    report = json.loads((here / "out" / "report.json").read_text())
    assert report["options"]["base_iterations"] == 2


def test_sizes_are_counted_in_the_photos_pixels(finished):
    here, _ = finished
    assert count_sizes(load_detection_data([here / "coco"]).train) == {"small": 3, "medium": 2, "large": 0}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--classes", "rust"], "classes: no category rust; the categories are scratch, dent, car"),
        (["--share", "0"], "share: expected above 0, to 1, found 0.0"),
        (["--backbone", "vgg"], "backbone: expected one of resnet18"),
        (["--jitter", "64,x"], "jitter: expected whole numbers joined by commas"),
        (["--encoder-weights", "nowhere.pth"], "nowhere.pth"),
        (["--batch-size", "3"], "batch_size: a resumed run keeps its options: started with 2, found 3"),
    ],
)
def test_mistake_is_one_line_that_names_it(arguments, told, finished, tmp_path):
    here, _ = finished
    out = here / "out" if "--batch-size" in arguments else tmp_path / "out"
    done = run(here / "coco", out, *arguments)
    assert done.exit_code == 2, done.output
    assert done.stderr.startswith("error: ")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()
