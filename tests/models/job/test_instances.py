import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the GAN needs vehicle-damage[train]")

from models.data.photos import DataError  # noqa: E402
from models.evaluation.generation.network import TorchFeatures  # noqa: E402
from models.job import instances  # noqa: E402
from models.job.crops import CropsOptions, cut_crops, load_crops  # noqa: E402
from models.job.dataset import copy_dataset  # noqa: E402
from models.job.generation import generate_pixels, over_black  # noqa: E402
from models.job.instances import generate_instances, judge_pixels, load_instances, train_instances  # noqa: E402
from models.training.errors import TrainingStopped  # noqa: E402
from models.training.gan import GanOptions, loop  # noqa: E402
from tests.models.job.scenes import write_yolo  # noqa: E402
from tests.models.job.test_crops import write_persons  # noqa: E402
from tests.models.training.small_runs import StopAfter  # noqa: E402

OPTIONS = GanOptions(
    canvas_px=16, images=32, batch_size=4, channel_base=32, channel_max=4, snapshot_images=16, device="cpu",
    progress=False,
)  # fmt: skip
COARSE = TorchFeatures(
    lambda x: torch.nn.functional.adaptive_avg_pool2d(x.float(), 2).flatten(1),
    name="mean2x2", weights_sha256="0" * 64, input_px=16,
)  # fmt: skip


@pytest.fixture(scope="module")
def crops(tmp_path_factory):
    root = tmp_path_factory.mktemp("crops")
    copy_dataset(write_yolo(root / "source", train=40), "person", root / "dataset")
    cut_crops(root / "dataset", root / "crops", CropsOptions(canvas_px=16))
    return root / "crops"


def test_gan_is_trained_measured_and_asked_for_instances(crops, tmp_path):
    done = train_instances(crops, tmp_path / "gan", OPTIONS, features=COARSE, measured_images=20)
    curve = json.loads((tmp_path / "gan" / "curve.json").read_text())
    assert [point["images"] for point in curve] == [16, 32]
    assert curve == done.result["snapshots"]
    measures = {f"{name}_20_mean2x2" for name in ("kid", "fid", "precision", "recall")}
    assert measures | {"kid_20_mean2x2_tight", "fid_20_mean2x2_tight", "fid_is_singular", "images"} == set(curve[0])
    assert "share_nearer_to_train_than_train" in curve[1]
    sheet = cv2.imread(str(tmp_path / "gan" / "samples" / "000000032.png"))
    assert sheet.shape == (128, 128, 3)
    generate_instances(tmp_path / "gan", crops, tmp_path / "instances", count=70, seed=5)
    made = load_instances(tmp_path / "instances")
    assert made.images.shape == (70, 16, 16, 3)
    assert made.critic_logits.shape == (70,)
    assert len(np.unique(made.images.reshape(70, -1), axis=0)) == 70


def test_interrupted_training_ends_as_an_unbroken_one(crops, tmp_path, monkeypatch):
    whole = train_instances(crops, tmp_path / "whole", OPTIONS, features=COARSE, measured_images=20)
    with monkeypatch.context() as patch:
        patch.setattr(loop, "StopRequest", type("StopSoon", (StopAfter,), {"steps": 5}))
        with pytest.raises(TrainingStopped):
            train_instances(crops, tmp_path / "broken", OPTIONS, features=COARSE, measured_images=20)
    assert not (tmp_path / "broken").exists()
    resumed = train_instances(crops, tmp_path / "broken", OPTIONS, features=COARSE, measured_images=20)
    assert resumed.result["snapshots"] == whole.result["snapshots"]
    for name in ("000000016.png", "000000032.png"):
        assert (tmp_path / "broken/samples" / name).read_bytes() == (tmp_path / "whole/samples" / name).read_bytes()
    assert not (tmp_path / "broken.work").exists()


def test_crops_of_another_size_are_refused(crops, tmp_path):
    with pytest.raises(DataError, match="canvas_px: the crops are of 16 pixels, found 32"):
        train_instances(crops, tmp_path / "gan", replace(OPTIONS, canvas_px=32))


@pytest.fixture(scope="module")
def rgba(tmp_path_factory):
    root = tmp_path_factory.mktemp("rgba")
    copy_dataset(write_persons(root / "source"), "person", root / "dataset")
    cut_crops(root / "dataset", root / "crops", CropsOptions(canvas_px=16, alpha="outline"))
    return root / "crops"


def test_alpha_is_learned_from_crops_that_have_it(rgba, tmp_path):
    seen = []

    class Watching:
        name, weights_sha256 = COARSE.name, COARSE.weights_sha256

        def compute_features(self, images):
            seen.append(images)
            return COARSE.compute_features(images)

    options = replace(OPTIONS, is_rgba=True, images=16)
    train_instances(rgba, tmp_path / "gan", options, features=Watching(), measured_images=20)
    crops = load_crops(rgba)
    for images, split in zip((seen[0], seen[2]), ("val", "train"), strict=True):
        np.testing.assert_array_equal(images, over_black(crops.canvases[split]))  # on black, as what is generated
    assert all(images.shape[3] == 3 for images in seen)
    generate_instances(tmp_path / "gan", rgba, tmp_path / "instances", count=10, seed=5)
    made = load_instances(tmp_path / "instances")
    assert made.images.shape == (10, 16, 16, 4)
    assert len(np.unique(made.images[..., 3])) > 20


@pytest.mark.parametrize(("name", "is_rgba", "channels"), [("crops", True, 3), ("rgba", False, 4)])
def test_crops_of_other_channels_are_refused(request, tmp_path, name, is_rgba, channels):
    folder = request.getfixturevalue(name)
    with pytest.raises(DataError, match=f"^is_rgba: the crops have {channels} channels, found {is_rgba}"):
        train_instances(folder, tmp_path / "gan", replace(OPTIONS, is_rgba=is_rgba))
    assert not (tmp_path / "gan").exists()


def test_same_seed_gives_the_same_images_whatever_their_number():
    generator = loop.build_state(OPTIONS, torch.device("cpu")).averaged
    few, many = (generate_pixels(generator, count, seed=3) for count in (70, 130))
    assert (few == many[:70]).all()
    assert (generate_pixels(generator, 70, seed=4) != few).any()


def test_critic_judges_every_image_in_a_full_batch():
    class Spread(torch.nn.Module):
        def forward(self, images):
            return images.mean((1, 2, 3)) + 1000 * len(images)

    pixels = np.arange(70, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    logits = judge_pixels(Spread(), pixels)
    np.testing.assert_allclose(logits, 64_000 + np.arange(70) / 255 * 2 - 1, atol=0.01)


def test_snapshot_that_val_liked_best_generates(crops, tmp_path, monkeypatch):
    kids = iter((0.3, 0.1, 0.2))
    monkeypatch.setattr(instances, "measure_generator", lambda *given, **options: {"kid_20_mean2x2_tight": next(kids)})
    options = replace(OPTIONS, images=48)
    done = train_instances(crops, tmp_path / "gan", options, features=COARSE, measured_images=20)
    assert done.result["chosen_images"] == 32
    saved = torch.load(tmp_path / "gan" / "chosen.pt", weights_only=True)
    assert (saved["images"], saved["kid"]) == (32, 0.1)
    last = loop.load_networks(tmp_path / "gan")[0].generator
    generate_instances(tmp_path / "gan", crops, tmp_path / "instances", count=6, seed=2)
    made = load_instances(tmp_path / "instances").images
    assert (made != generate_pixels(last, 6, seed=2)).any()
    last.load_state_dict(saved["generator"])
    np.testing.assert_array_equal(made, generate_pixels(last, 6, seed=2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "^count: expected 1 or more, found 0"),
        ({"seed": -1}, "^seed: expected 0 or more, found -1"),
        ({"psi": float("nan")}, "^psi: expected a number, found nan"),
    ],
)
def test_generation_that_cannot_be_is_refused_by_name(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        generate_instances(tmp_path, tmp_path, tmp_path / "out", **{"count": 1, "seed": 0, **change})
