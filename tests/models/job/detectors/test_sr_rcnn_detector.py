"""SR-RCNN and Mask R-CNN of a few channels as detectors of the step, on photos of 96 x 128 pixels shown at 48 x 64."""

import json
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="detectors need vehicle-damage[train]")

from torchvision.models import resnet18  # noqa: E402

from models.data.manifest import verify_manifest  # noqa: E402
from models.data.photos import DataError, load_image  # noqa: E402
from models.evaluation.proof.arms import BASELINE  # noqa: E402
from models.job.dataset import copy_dataset, load_dataset_step  # noqa: E402
from models.job.detector import load_detections, train_detector  # noqa: E402
from models.job.detectors import sr_rcnn_detector  # noqa: E402
from models.job.detectors.options import LOWEST_SCORE, MAX_DETECTIONS, NMS_IOU, DetectorOptions  # noqa: E402
from models.job.detectors.sr_rcnn_detector import SrRcnnFamily  # noqa: E402
from models.sr_rcnn.detector import SrRcnn  # noqa: E402
from models.steps.step_folder import scratch_of  # noqa: E402
from models.training.errors import TrainingError, TrainingStopped  # noqa: E402
from models.training.sr_rcnn import loop  # noqa: E402
from models.training.sr_rcnn.trained import load_detector  # noqa: E402
from tests.models.job.detectors.test_outlined_photos import paste  # noqa: E402
from tests.models.job.detectors.tiny_arms import train_alone  # noqa: E402
from tests.models.job.scenes import write_yolo  # noqa: E402
from tests.models.job.test_augmented import blocks  # noqa: E402
from tests.models.training.small_runs import StopAfter  # noqa: E402

TINY = DetectorOptions(cfg="sr-rcnn-tiny", epochs=1, batch_size=2, input_px=64, seed=3)
STEPS = 3


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = tmp_path_factory.mktemp("dataset")
    copy_dataset(write_yolo(root / "source", train=2 * STEPS, val=2, test=2), "person", root / "dataset")
    return root / "dataset"


@pytest.fixture(scope="module")
def baseline(dataset):
    return train_detector(dataset, None, dataset.parent / "baseline", TINY)


@pytest.fixture
def steps(monkeypatch):
    """Batches that were met, by a training that learns nothing."""
    met = []
    monkeypatch.setattr(loop, "take_step", lambda state, batch, *_: met.append(batch) or {})
    return met


def read_weights(folder):
    return torch.load(folder / "weights.pt", weights_only=True)


def test_detections_are_torchvisions_in_its_order_and_the_photos_frame(dataset, baseline):
    data = load_dataset_step(dataset)
    detector = load_detector(baseline.folder / "weights.pt")
    network = detector.network
    assert isinstance(network, SrRcnn)
    assert (detector.class_names, detector.seed, detector.step) == (data.class_names, 3, STEPS)
    heads = network.roi_heads
    heads.score_thresh, heads.nms_thresh, heads.detections_per_img = LOWEST_SCORE, NMS_IOU, MAX_DETECTIONS
    for split in ("val", "test"):
        photos, seen = data.choose(split), load_detections(baseline.folder, split)
        assert len(seen) == len(photos)
        for photo, pred in zip(photos, seen, strict=True):
            image = torch.from_numpy(load_image(photo.path)).permute(2, 0, 1).float() / 255
            with torch.inference_mode():
                batch, _ = network.transform([image])
                features = network.backbone(batch.tensors)
                proposals, _ = network.rpn(batch, features)
                (found,), _ = heads(features, proposals, batch.image_sizes)
            assert batch.image_sizes == [(48, 64)]
            assert len(pred.scores) == len(found["scores"]) > 1
            assert np.allclose(pred.boxes_xyxy, 2 * found["boxes"].numpy(), atol=1e-3)
            assert np.array_equal(pred.scores, found["scores"].numpy())
            assert np.array_equal(pred.class_ids, found["labels"].numpy() - 1)
            assert (np.diff(pred.scores) <= 0).all()


def test_step_tells_arm_and_val_and_leaves_its_input_alone(dataset, baseline):
    verify_manifest(dataset)
    assert (baseline.result["arm"], baseline.result["added_photos"]) == (BASELINE, 0)
    assert set(baseline.result["val"]["per_class"]) == {"truck", "person"}
    told = {"cfg", "weights", "epochs", "batch_size", "input_px", "seed", "device"}
    assert set(baseline.options) == told  # the same for every family
    assert not scratch_of(baseline.folder).exists()


def test_lines_of_the_training_are_not_on_stdout(dataset, tmp_path, steps, capsys):
    train_alone(load_dataset_step(dataset), tmp_path, TINY)
    told = capsys.readouterr()
    assert told.out == ""
    assert '"step": 3' in told.err
    assert len(steps) == STEPS


def test_losses_fall(tmp_path):
    copy_dataset(write_yolo(tmp_path / "source", train=4, val=1, test=1), "person", tmp_path / "dataset")
    data = load_dataset_step(tmp_path / "dataset")
    train_alone(data, tmp_path, replace(TINY, cfg="mask-rcnn-tiny", batch_size=4, epochs=40))
    lines = (tmp_path / "scratch" / "run" / "log.jsonl").read_text().splitlines()
    first, last = (json.loads(line) for line in lines)  # means of 20 steps each
    for name in ("detector_class", "detector_rpn_objectness"):
        assert last[name] < 0.5 * first[name]


def test_same_seed_gives_the_same_bytes_and_another_does_not(dataset, baseline, tmp_path):
    again = train_detector(dataset, None, tmp_path / "again", TINY)
    assert again.digest == baseline.digest  # of every file
    other = train_detector(dataset, None, tmp_path / "other", replace(TINY, seed=4))
    name = "roi_heads.box_head.fc6.weight"
    assert not torch.equal(read_weights(other.folder)["network"][name], read_weights(again.folder)["network"][name])


@pytest.mark.parametrize("is_asked", [True, False])
def test_interrupted_training_ends_with_the_same_bytes(is_asked, dataset, baseline, tmp_path, monkeypatch):
    taken, take_step = [], loop.take_step

    def take_or_die(*given):
        if not is_asked and len(taken) == 2:
            raise KeyboardInterrupt
        taken.append(1)
        return take_step(*given)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "take_step", take_or_die)
        if is_asked:
            patch.setattr(StopAfter, "steps", 2)
            patch.setattr(sr_rcnn_detector, "StopRequest", StopAfter)
        with pytest.raises(TrainingStopped if is_asked else KeyboardInterrupt):
            train_detector(dataset, None, tmp_path / "out", TINY)
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr(loop, "take_step", lambda *given: taken.append(1) or take_step(*given))
    done = train_detector(dataset, None, tmp_path / "out", TINY)
    assert len(taken) == (STEPS if is_asked else 2 + STEPS)  # killed without a checkpoint it starts anew
    assert done.digest == baseline.digest
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_detector_goes_on_from_the_one_it_starts_from(dataset, baseline, tmp_path, steps):
    still = replace(TINY, seed=9)
    warm = train_detector(dataset, None, tmp_path / "warm", still, start=baseline.folder)
    cold = train_detector(dataset, None, tmp_path / "cold", still)
    assert len(steps) == 2 * STEPS
    start, after, anew = (read_weights(done.folder)["network"] for done in (baseline, warm, cold))
    assert all(torch.equal(value, after[name]) for name, value in start.items())
    assert not torch.equal(anew["backbone.body.conv1.weight"], start["backbone.body.conv1.weight"])
    assert read_weights(warm.folder)["options"]["seed"] == 9
    assert np.array_equal(
        load_detections(warm.folder, "val")[0].scores, load_detections(baseline.folder, "val")[0].scores
    )


def test_start_that_does_not_fit_is_refused(dataset, baseline, tmp_path):
    other = replace(TINY, cfg="mask-rcnn-tiny")
    with pytest.raises(DataError, match=r"^start: expected a detector of cfg mask-rcnn-tiny, found sr-rcnn-tiny$"):
        train_detector(dataset, None, tmp_path / "out", other, start=baseline.folder)
    data = replace(load_dataset_step(dataset), class_names=("person", "truck"))
    with pytest.raises(DataError, match=r"^start: expected a detector of person, truck, found one of truck, person$"):
        train_alone(data, tmp_path / "alone", TINY, start=baseline.folder / "weights.pt")
    assert not (tmp_path / "out").exists()


def test_backbone_starts_from_the_weights_and_a_detector_after_it_has_its_norm(dataset, tmp_path, steps):
    torch.save(resnet18(weights=None).state_dict(), tmp_path / "resnet18.pth")
    given = replace(TINY, cfg="mask-rcnn-tiny", weights=tmp_path / "resnet18.pth")
    first = train_detector(dataset, None, tmp_path / "first", given)
    expected = torch.load(tmp_path / "resnet18.pth", weights_only=True)["layer4.1.conv2.weight"]
    second = train_detector(dataset, None, tmp_path / "second", replace(given, weights=None), start=first.folder)
    for done in (first, second):
        assert torch.equal(read_weights(done.folder)["network"]["backbone.body.layer4.1.conv2.weight"], expected)
        assert read_weights(done.folder)["options"]["detector"]["norm"] == "frozen"
    torch.save({"conv1.weight": torch.zeros(1)}, tmp_path / "resnet18.pth")
    with pytest.raises(TrainingError, match="encoder_weights: expected the encoder's names and shapes"):
        train_detector(dataset, None, tmp_path / "third", given)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "resnet18.pth", "second"]


def test_added_photos_are_trained_on(tmp_path, steps):
    copy_dataset(write_yolo(tmp_path / "source", train=4, val=2, test=2), "person", tmp_path / "dataset")
    arm = paste(tmp_path, "gan_unscreened", blocks((255, 0, 0)), count=4)
    done = train_detector(tmp_path / "dataset", arm, tmp_path / "arm", replace(TINY, cfg="mask-rcnn-tiny"))
    verify_manifest(arm)
    assert (done.result["arm"], done.result["added_photos"]) == ("gan_unscreened", 4)
    images = [image for images, _ in steps for image in images]
    assert len(images) == 8
    red = [bool(((image[0] > 0.9) & (image[1:] < 0.3).all(dim=0)).any()) for image in images]
    assert sum(red) == 4


@pytest.mark.parametrize("cfg", ["mask-rcnn-tiny", "sr-rcnn-tiny"])
def test_photo_without_objects_can_be_a_batch(cfg, tmp_path):
    source = write_yolo(tmp_path / "source", train=2, val=1, test=1)
    (source / "labels" / "train" / "train001.txt").write_text("")
    copy_dataset(source, "person", tmp_path / "dataset")
    data = load_dataset_step(tmp_path / "dataset")
    weights = train_alone(data, tmp_path, replace(TINY, cfg=cfg, batch_size=1))
    assert load_detector(weights).step == 2


def test_unknown_device_is_refused(dataset, tmp_path):
    with pytest.raises(DataError, match=r"^device: expected cpu or the number of a GPU, found 'gpu'$"):
        train_detector(dataset, None, tmp_path / "out", replace(TINY, device="gpu"))
    assert list(tmp_path.iterdir()) == []


def test_family_works_in_any_place(tmp_path):
    SrRcnnFamily().check_out(tmp_path / "yolov5nu.yaml")
