"""The pipeline on the shipped models: the stages in their order, their times, and what makes a finding another one."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from models.damage_mapper import FINDER_USES
from models.object_store import FolderStore
from models.predictors import RuntimeOptions
from models.renderer import render_photo
from models.store import PRETRAINED_DIR, ModelSet, ModelStore, ModelVersion
from service.errors import PhotoUnreadable, RuntimeExhausted
from service.pipeline import Decoded, Pipeline, PipelineOptions
from service.stages import STAGES
from tests import photos
from tests.models.tiny_networks import build_finder_version

THRESHOLDS_ONLY = ("threshold", "threshold", "threshold")
FOUND = np.array([[28, 28, 36, 36, 0.9, 2, 1, 1, 1, 1]])
"""A dent in the middle of every crop, input frame of 64 x 64; an eighth of the crop's longer side wide."""


@pytest.fixture(scope="module")
def models() -> ModelSet:
    return ModelStore(FolderStore(PRETRAINED_DIR)).load_promoted()


def build(models: ModelSet, **options) -> Pipeline:
    return Pipeline(models, PipelineOptions(**options))


def decoded(seed: int = 1, size_hw=(240, 320)) -> Decoded:
    return Decoded(render_photo(seed, size_hw=size_hw, view="left", is_close_up=False).image, 0.5, 1.0)


def test_a_photo_that_the_gate_keeps_meets_every_stage_in_order(models: ModelSet):
    (finding,) = build(models, gate_score_threshold=0.0).inspect([decoded()])
    assert not finding.is_let_go
    assert tuple(finding.timings_ms) == STAGES


def test_a_photo_that_the_gate_lets_go_ends_there(models: ModelSet):
    (finding,) = build(models, gate_score_threshold=1.0).inspect([decoded()])
    assert finding.is_let_go
    assert finding.regions == ()
    assert tuple(finding.timings_ms) == ("decode", "localize", "gate")


def test_photos_of_other_sizes_share_a_batch_and_keep_their_order(models: ModelSet):
    pipeline = build(models, policies=THRESHOLDS_ONLY)
    sizes = [(240, 320), (480, 640), (96, 96), (300, 200)]
    batch = [decoded(seed, size_hw) for seed, size_hw in enumerate(sizes)]
    together = pipeline.inspect(batch)
    assert [finding.size_hw for finding in together] == sizes
    for one, of_batch in zip(batch, together, strict=True):
        (alone,) = pipeline.inspect([one])
        assert alone.crop_xyxy == of_batch.crop_xyxy
        assert alone.gate_score == pytest.approx(of_batch.gate_score, abs=1e-3)


def test_an_empty_batch_has_no_findings(models: ModelSet):
    assert build(models).inspect([]) == []


def test_the_digest_tells_models_options_and_precision_apart(models: ModelSet):
    digests = {
        build(models).digest,
        build(models, policies=THRESHOLDS_ONLY).digest,
        build(models, gate_score_threshold=0.123).digest,
        build(models, crop_margin_ratio=0.2).digest,
        build(replace(models, digest="another")).digest,
        Pipeline(models, PipelineOptions(), RuntimeOptions(precision="bf16")).digest,
    }
    assert len(digests) == 6
    assert Pipeline(models, PipelineOptions(), RuntimeOptions(threads=1)).digest in digests
    assert build(models).digest == build(models).digest


def test_a_card_without_a_needed_threshold_is_refused_by_name(models: ModelSet):
    segmenter = models.versions["segmenter"]
    card = segmenter.card.model_copy(update={"thresholds": {"scratch_score_threshold": 0.5}})
    versions = {**models.versions, "segmenter": ModelVersion(card, segmenter.files, segmenter.digest)}
    with pytest.raises(ValueError, match="dent_score_threshold"):
        build(ModelSet(versions, models.digest))


def with_finder(models: ModelSet, *, small_px: float = 1000.0) -> ModelSet:
    finder = build_finder_version(FOUND, (64, 64), small_px=small_px)
    return ModelSet({**models.versions, "finder": finder}, models.digest)


def inspect(models: ModelSet, finder: str):
    options = {"gate_score_threshold": 0.0, "policies": THRESHOLDS_ONLY, "finder": finder}
    return build(models, **options).inspect([decoded(3, (480, 640))])[0]


def name_regions(finding) -> list[tuple]:
    return sorted((region.class_id, region.box_xyxy) for region in finding.regions)


def is_in_the_middle(box_xyxy, window_xyxy) -> bool:
    middle, wanted = (np.add(edges[:2], edges[2:]) / 2 for edges in (np.array(box_xyxy), np.array(window_xyxy)))
    return bool(np.abs(middle - wanted).max() <= 4)


def test_a_finder_instead_of_the_segmenter_says_all_that_is_found(models: ModelSet):
    finding = inspect(with_finder(models), "instead")
    (region,) = finding.regions
    assert region.class_id == 2
    assert region.score > 0.9
    assert is_in_the_middle(region.box_xyxy, finding.crop_xyxy)
    assert tuple(finding.timings_ms) == STAGES


def test_a_finder_beside_the_segmenter_adds_what_is_small(models: ModelSet):
    alone = inspect(models, "off")
    together = inspect(with_finder(models), "beside")
    assert any(is_in_the_middle(r.box_xyxy, together.crop_xyxy) for r in together.regions if r.class_id == 2)
    others = [found for found in name_regions(together) if found[0] != 2]
    assert others == [found for found in name_regions(alone) if found[0] != 2]
    assert name_regions(together) != name_regions(alone)
    assert name_regions(inspect(with_finder(models, small_px=2.0), "beside")) == name_regions(alone)


def test_a_finder_that_is_off_changes_nothing_and_is_not_loaded(models: ModelSet, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("models.predictors.load_finder", None)
    assert name_regions(inspect(with_finder(models), "off")) == name_regions(inspect(models, "off"))


def test_the_segmenter_is_not_loaded_where_the_finder_takes_its_place(
    models: ModelSet, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("models.predictors.load_segmenter", None)
    assert inspect(with_finder(models), "instead").regions


def test_the_use_of_the_finder_makes_a_finding_another_one(models: ModelSet):
    assert len({build(with_finder(models), finder=use).digest for use in FINDER_USES}) == 3


@pytest.mark.parametrize("use", ["beside", "instead"])
def test_a_finder_that_the_set_lacks_is_refused_at_start(models: ModelSet, use: str):
    with pytest.raises(ValueError, match=f"^finder: '{use}' needs a finder in the promoted set, found localizer, gate"):
        build(models, finder=use)


def test_an_unknown_use_of_the_finder_is_refused_by_name(models: ModelSet):
    with pytest.raises(ValueError, match=r"^finder: expected one of off, beside, instead, found 'on'$"):
        build(with_finder(models), finder="on")


def test_bytes_that_the_decoder_refuses_are_the_photos_fault(models: ModelSet):
    with pytest.raises(PhotoUnreadable):
        build(models).decode(b"\xff\xd8\xff\xe0 no picture \xff\xd9")


def test_decoding_keeps_the_pixels(models: ModelSet):
    body = photos.good_png((40, 50))
    expected = cv2.cvtColor(cv2.imdecode(np.frombuffer(body, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    found = build(models).decode(body)
    assert np.array_equal(found.image, expected)
    assert found.decode_ms > 0


def test_running_out_of_memory_is_worth_another_try(models: ModelSet, monkeypatch: pytest.MonkeyPatch):
    def exhaust(*_args, **_options):
        raise MemoryError

    monkeypatch.setattr("service.pipeline.segment_crops", exhaust)
    with pytest.raises(RuntimeExhausted, match="batch of 1"):
        build(models, gate_score_threshold=0.0).inspect([decoded()])
