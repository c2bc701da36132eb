from pathlib import Path

import numpy as np
import pytest

from models.data.photos import DataError, load_photos
from models.evaluation.path import (
    PathOptions,
    Predictors,
    keep_patches,
    predict_photos,
    refine_at_thresholds,
    to_photo_frame,
)
from models.mask_policies import build_mask_policy
from models.object_store import FolderStore
from models.store import ModelSet, ModelStore
from models.structures import CropWindow
from service.pipeline import Pipeline, PipelineOptions
from service.settings import Settings
from tests.models.evaluation.stores import write_promoted
from tests.models.tiny_data import write_folder
from tests.models.tiny_networks import build_finder_version


def test_defaults_are_the_services():
    ours, theirs, settings = PathOptions(), PipelineOptions(), Settings()
    assert ours.policies == theirs.policies == (settings.scratch_policy, settings.dent_policy, settings.spacing_policy)
    assert ours.crop_margin_ratio == theirs.crop_margin_ratio == settings.crop_margin_ratio
    assert ours.min_region_area_px2 == theirs.min_region_area_px2 == settings.min_region_area_px2


@pytest.mark.parametrize(
    ("policies", "finder", "expected"),
    [
        (("crf", "threshold", "crf"), "off", 12),  # the four damaged photos show a bright stroke in every channel
        (("threshold", "crf", "threshold"), "off", 12),
        (("threshold", "threshold", "threshold"), "beside", 14),  # a finder sees a dent in the middle of all six
        (("threshold", "threshold", "threshold"), "instead", 6),
    ],
)
def test_path_finds_what_serving_finds(tmp_path, policies, finder, expected):
    folder = write_folder(tmp_path / "data", split="val")
    models = ModelStore(FolderStore(write_promoted(tmp_path / "store"))).load_promoted()
    dent = np.array([[20, 20, 44, 44, 0.9, 2, 1, 1, 1, 1]])
    models = ModelSet({**models.versions, "finder": build_finder_version(dent, (64, 64), small_px=1000)}, models.digest)
    pipeline = Pipeline(models, PipelineOptions(gate_score_threshold=0.0, policies=policies, finder=finder))
    options, predictors = PathOptions(policies=policies), Predictors.load(models.versions, finder=finder)
    photos = load_photos([folder])
    findings = pipeline.inspect([pipeline.decode(photo.path.read_bytes()) for photo in photos])
    regions = 0
    for prediction, finding in zip(predict_photos(photos, predictors, options, batch_photos=4), findings, strict=True):
        assert prediction.window.xyxy == finding.crop_xyxy
        assert prediction.gate_score == pytest.approx(finding.gate_score, abs=1e-5)
        for channel, policy in enumerate(policies):
            own = slice(channel, channel + 1)
            thresholds = predictors.class_thresholds[None, own]
            mask = refine_at_thresholds(prediction.probs[own], prediction.crop, policy, thresholds)[0, 0]
            kept, centres = keep_patches(mask, min_area_px2=options.min_region_area_px2)
            theirs = [region for region in finding.regions if region.class_id == channel + 1]
            assert len(centres) == len(theirs)
            laid = to_photo_frame(kept, prediction.window, finding.size_hw)
            assert laid.sum() == sum(region.area_px2 for region in theirs)
            regions += len(theirs)
    assert regions == expected


@pytest.mark.parametrize("policy", ["threshold", "crf"])
def test_many_thresholds_at_once_are_what_each_gives_alone(policy):
    rng = np.random.default_rng(5)
    image = np.full((40, 50, 3), 90, np.uint8)
    image[10:20, 5:40] = 200
    image = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
    probs = np.full((2, 40, 50), 0.05, np.float32)
    probs[0, 9:22, 4:42], probs[1, 25:30, 25:30] = 0.7, 0.9
    probs = np.clip(probs + rng.normal(0, 0.05, probs.shape), 0, 1).astype(np.float32)
    thresholds = np.array([[0.3, 0.5], [0.6, 0.8], [0.9, 0.3]])
    together = refine_at_thresholds(probs, image, policy, thresholds)
    for row, own in enumerate(thresholds):
        for channel, threshold in enumerate(own):
            alone = build_mask_policy(policy, score_threshold=float(threshold)).refine(probs[channel][None], image)[0]
            assert (together[row, channel] != alone).sum() <= 2
    assert together.any()
    assert not together.all()


def test_small_patches_are_dropped_and_the_others_have_centres():
    mask = np.zeros((8, 8), bool)
    mask[0, 0] = mask[4:6, 4:7] = True
    kept, centres = keep_patches(mask, min_area_px2=2)
    assert kept.sum() == 6
    assert centres.tolist() == [[5.0, 4.5]]
    assert len(keep_patches(np.zeros((3, 3), bool), min_area_px2=1)[1]) == 0


def test_half_size_crop_is_laid_into_its_window():
    laid = to_photo_frame(np.array([[True, False], [False, False]]), CropWindow(2, 4, 6, 8), (10, 12))
    assert np.argwhere(laid).tolist() == [[4, 2], [4, 3], [5, 2], [5, 3]]


def test_photo_of_another_size_than_annotated_is_refused(tmp_path):
    folder = write_folder(tmp_path / "data", split="val")
    path = folder / "annotations.json"
    path.write_text(path.read_text().replace('"width": 128', '"width": 127'))
    predictors = Predictors.load(ModelStore(FolderStore(write_promoted(tmp_path / "s"))).load_promoted().versions)
    with pytest.raises(DataError, match=r"0\.jpg: annotated as 127x96 pixels, found 128x96"):
        list(predict_photos(load_photos([folder]), predictors, PathOptions()))


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"policies": ("crf", "otsu", "crf")}, "dent_policy"),
        ({"crop_margin_ratio": -0.1}, "crop_margin_ratio"),
        ({"min_region_area_px2": 0}, "min_region_area_px2"),
    ],
)
def test_options_that_no_service_accepts_are_refused(options, named):
    with pytest.raises(ValueError, match=named):
        PathOptions(**options)


def test_missing_photo_is_named(tmp_path):
    folder = write_folder(tmp_path / "data", split="val")
    photos = load_photos([folder])
    (folder / "images" / "3.jpg").unlink()
    predictors = Predictors.load(ModelStore(FolderStore(write_promoted(tmp_path / "s"))).load_promoted().versions)
    with pytest.raises(DataError, match=str(Path("images") / "3.jpg")):
        list(predict_photos(photos, predictors, PathOptions()))
