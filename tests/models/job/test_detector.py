import re

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="detectors need vehicle-damage[train]")

from models.data.manifest import verify_manifest  # noqa: E402
from models.data.photos import DataError  # noqa: E402
from models.job import augmented  # noqa: E402
from models.job.augmented import AugmentedOptions, paste_instances  # noqa: E402
from models.job.dataset import copy_dataset, load_dataset_step  # noqa: E402
from models.job.detector import DetectorOptions, annotations_of, load_detections, train_detector  # noqa: E402
from models.job.placement import PlacementOptions, draw_places  # noqa: E402
from models.steps.step_folder import run_step  # noqa: E402
from tests.models.job.scenes import write_yolo  # noqa: E402
from tests.models.job.test_augmented import blocks  # noqa: E402

TINY = DetectorOptions(cfg="yolov8n.yaml", epochs=1, batch_size=8, input_px=64, seed=3)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("dataset")
    copy_dataset(write_yolo(root / "source", train=16, val=4, test=3), "person", root / "dataset")
    return root / "dataset"


@pytest.fixture(scope="module")
def baseline(dataset):
    out = dataset.parent / "baseline"
    return train_detector(dataset, None, out, TINY)


def test_detections_of_val_and_test_are_written_in_the_datasets_order(dataset, baseline):
    data = load_dataset_step(dataset)
    for split in ("val", "test"):
        seen = load_detections(baseline.folder, split)
        assert len(seen) == len(data.choose(split)) == len(annotations_of(data.choose(split)))
        for photo, pred in zip(data.choose(split), seen, strict=True):
            assert pred.boxes_xyxy.shape == (len(pred.scores), 4)
            assert (pred.boxes_xyxy <= [*photo.size_hw[::-1]] * 2).all()
            assert set(pred.class_ids.tolist()) <= {0, 1}
    assert {"overall", "per_class"} == set(baseline.result["val"])
    assert "test" not in baseline.result
    assert set(baseline.result["val"]["per_class"]) == {"truck", "person"}


def test_same_seed_sees_the_same_and_another_does_not(dataset, baseline, tmp_path):
    again = train_detector(dataset, None, tmp_path / "again", TINY)
    other = train_detector(dataset, None, tmp_path / "other", DetectorOptions(**{**vars(TINY), "seed": 4}))
    first, second, third = (load_detections(done.folder, "test") for done in (baseline, again, other))
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a.scores, b.scores)
        assert np.array_equal(a.boxes_xyxy, b.boxes_xyxy)
    assert any(not np.array_equal(a.scores, c.scores) for a, c in zip(first, third, strict=True))


def test_training_leaves_its_inputs_alone(dataset, baseline):
    verify_manifest(dataset)


def test_added_photos_are_trained_on(dataset, baseline, tmp_path, monkeypatch):
    draw_places(dataset, tmp_path / "placement", PlacementOptions(count=8))
    for name in ("extraction", "screening"):
        run_step(tmp_path / name, name, {"mode": "alpha"}, {}, lambda folder, scratch: {})
    monkeypatch.setattr(augmented, "load_cutouts", lambda folder, source: blocks((255, 0, 0)))
    done = paste_instances(
        dataset, *(tmp_path / name for name in ("placement", "extraction", "screening", "added")),
        AugmentedOptions("gan_unscreened", 8),
    )  # fmt: skip
    arm = train_detector(dataset, done.folder, tmp_path / "arm", TINY)
    verify_manifest(done.folder)
    seen = zip(load_detections(arm.folder, "test"), load_detections(baseline.folder, "test"), strict=True)
    assert any(not np.array_equal(a.scores, b.scores) for a, b in seen)


def test_unknown_cfg_is_refused_by_name(dataset, tmp_path):
    for cfg in ("yolov99z.yaml", "yolov8n-cls.yaml", "yolov5n"):
        words = re.escape(f"or a detector that ultralytics knows, such as yolov5su.yaml, found {cfg!r}")
        with pytest.raises(DataError, match=f"^cfg: expected one of .*sr-rcnn.*, {words}$"):
            train_detector(dataset, None, tmp_path / "out", DetectorOptions(cfg=cfg))
    with pytest.raises(DataError, match="expected the folder of step detector, found dataset"):
        train_detector(dataset, None, tmp_path / "out", TINY, start=dataset)
    assert list(tmp_path.iterdir()) == []


def test_detector_goes_on_from_the_one_it_starts_from(dataset, baseline, tmp_path):
    still = DetectorOptions(**{**vars(TINY), "epochs": 1, "seed": 9})
    warm = train_detector(dataset, None, tmp_path / "warm", still, start=baseline.folder)
    cold = train_detector(dataset, None, tmp_path / "cold", still)

    def first_filter(folder):
        saved = torch.load(folder / "weights.pt", weights_only=False)
        return next(iter((saved["ema"] or saved["model"]).float().state_dict().values()))

    start = first_filter(baseline.folder)
    assert (first_filter(warm.folder) - start).abs().mean() < 0.2 * (first_filter(cold.folder) - start).abs().mean()
    with pytest.raises(DataError, match="inputs: start: made with"):
        train_detector(dataset, None, tmp_path / "warm", still)


def test_weights_and_start_exclude_each_other_and_weights_must_be_there(dataset, baseline, tmp_path):
    given = DetectorOptions(**{**vars(TINY), "weights": baseline.folder / "weights.pt"})
    with pytest.raises(ValueError, match="start, weights: expected one of them, found both"):
        train_detector(dataset, None, tmp_path / "out", given, start=baseline.folder)
    missing = DetectorOptions(**{**vars(TINY), "weights": tmp_path / "none.pt"})
    with pytest.raises(DataError, match=r"weights: no such file: .*none\.pt"):
        train_detector(dataset, None, tmp_path / "out", missing)
    assert list(tmp_path.iterdir()) == []


def test_path_that_ultralytics_would_rewrite_is_refused(dataset, tmp_path):
    with pytest.raises(DataError, match=r"out: ultralytics takes u\.yaml for a network"):
        train_detector(dataset, None, tmp_path / "yolov5nu.yaml", TINY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "value"), [("epochs", 0), ("batch_size", 0), ("input_px", 100)])
def test_option_that_cannot_be_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"^{name}: expected .*found {value}"):
        DetectorOptions(**{name: value})
