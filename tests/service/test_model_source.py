"""Another promoted set takes the old one's place between two batches, or not at all."""

import json
from pathlib import Path

import numpy as np
import pytest
from structlog.testing import capture_logs

from models.object_store import FolderStore, StoreUnavailableError
from models.store import PROMOTED_KEY, ModelSet, ModelStore, sha256_hex
from models.structures import DAMAGE_CLASSES
from service.errors import SetupError
from service.metrics import REGISTRY
from service.model_source import ModelSource
from service.pipeline import Pipeline, PipelineOptions
from tests.models import tiny_networks
from tests.models.evaluation.stores import INPUT_HW, THRESHOLDS, write_promoted
from tests.models.tiny_networks import ops
from tests.service.world import wait_until


def build(models: ModelSet) -> Pipeline:
    return Pipeline(models, PipelineOptions(policies=("threshold",) * 3))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_promoted(tmp_path / "store")


@pytest.fixture
def store(root: Path) -> ModelStore:
    return ModelStore(FolderStore(root))


def add_segmenter(store: ModelStore, version: str, factor: float) -> None:
    """A segmenter whose maps are the photo's brightness times a factor."""
    x = tiny_networks.image_input(INPUT_HW)
    files = tiny_networks.to_files(ops.multiply(x, np.float32(factor)), x)
    card = tiny_networks.build_card("segmenter", INPUT_HW, DAMAGE_CLASSES, **THRESHOLDS["segmenter"])
    digests = {name: sha256_hex(body) for name, body in files.items()}
    store.add(card.model_copy(update={"version": version, "files": digests}), files)


def swaps(outcome: str) -> float:
    return REGISTRY.get_sample_value("vehicle_damage_model_swaps_total", {"outcome": outcome}) or 0.0


def test_nothing_is_loaded_while_the_same_set_is_promoted(store: ModelStore):
    source = ModelSource(store, build)
    first = source.pipeline
    assert not source.refresh()
    assert source.pipeline is first


def test_another_promoted_set_serves_after_the_next_look(store: ModelStore):
    source = ModelSource(store, build)
    first, before = source.pipeline, swaps("swapped")
    add_segmenter(store, "2", 0.5)
    store.promote({"segmenter": "2"})
    assert source.pipeline is first
    assert source.refresh()
    assert source.pipeline.versions["segmenter"] == "2"
    assert source.pipeline.digest != first.digest
    assert source.pipeline.stored_set == store.read_promoted_digest()
    assert swaps("swapped") == before + 1


def test_prometheus_is_told_one_set_and_it_is_the_one_that_serves(store: ModelStore):
    source = ModelSource(store, build)
    add_segmenter(store, "2", 0.5)
    store.promote({"segmenter": "2"})
    source.refresh()
    (family,) = (f for f in REGISTRY.collect() if f.name == "vehicle_damage_model_set_info")
    assert [s.labels for s in family.samples] == [
        {
            "model_set": source.pipeline.digest,
            "stored_set": store.read_promoted_digest(),
            "versions": "gate/1,localizer/1,segmenter/2",
        }
    ]


@pytest.mark.parametrize("factor", [float("nan"), 3.0], ids=["nan", "outside [0, 1]"])
def test_a_network_that_breaks_its_contract_never_serves(store: ModelStore, factor: float):
    source = ModelSource(store, build)
    first, before = source.pipeline, swaps("refused")
    add_segmenter(store, "bad", factor)
    store.promote({"segmenter": "bad"})
    with capture_logs() as logs:
        assert not source.refresh()
    assert source.pipeline is first
    assert swaps("refused") == before + 1
    (refused,) = (line for line in logs if line["event"] == "models_refused")
    assert refused["error"] == "ContractError"
    assert "segmenter probs" in refused["reason"]


def test_a_wrong_byte_never_serves_and_a_mended_store_does(store: ModelStore, root: Path):
    source = ModelSource(store, build)
    add_segmenter(store, "2", 0.5)
    store.promote({"segmenter": "2"})
    weights = root / "segmenter" / "2" / "model.bin"
    good = weights.read_bytes()
    weights.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    assert not source.refresh()
    weights.write_bytes(good)
    looks = next(look for look in range(1, 30) if source.refresh())
    assert 2 <= looks <= 12  # not at every look, since each loads every byte; but soon


def test_after_a_rollback_of_a_bad_set_a_good_one_is_taken_at_once(store: ModelStore):
    source = ModelSource(store, build)
    add_segmenter(store, "bad", float("nan"))
    add_segmenter(store, "good", 0.5)
    store.promote({"segmenter": "bad"})
    assert not source.refresh()
    store.rollback()
    assert not source.refresh()
    store.promote({"segmenter": "good"})
    assert source.refresh()


def test_an_unreadable_store_leaves_the_serving_set(store: ModelStore, root: Path):
    source = ModelSource(store, build)
    first = source.pipeline
    promoted = root / PROMOTED_KEY
    body = promoted.read_bytes()
    for damage in (b"", b"{", json.dumps({"versions": {}}).encode()):
        promoted.write_bytes(damage)
        assert not source.refresh()
    promoted.unlink()
    assert not source.refresh()
    promoted.write_bytes(body)
    assert not source.refresh()
    assert source.pipeline is first


def test_a_pinned_source_serves_its_set_whatever_is_promoted(store: ModelStore):
    pinned = store.read_promoted_digest()
    add_segmenter(store, "2", 0.5)
    store.promote({"segmenter": "2"})
    source = ModelSource(store, build, pinned=pinned)
    source.start(0.01)
    assert source._thread is None
    assert source.pipeline.versions["segmenter"] == "1"
    source.close()


def test_a_source_looks_by_itself_until_it_is_closed(store: ModelStore):
    source = ModelSource(store, build)
    source.start(0.05)
    add_segmenter(store, "2", 0.5)
    store.promote({"segmenter": "2"})
    wait_until(lambda: source.pipeline.versions["segmenter"] == "2", "swap")
    source.close()
    store.rollback()
    assert source.pipeline.versions["segmenter"] == "2"


@pytest.mark.parametrize("pinned", ["0123456789abcdef", "nonsense"])
def test_a_pin_on_a_set_that_never_was_is_refused_at_start(store: ModelStore, pinned: str):
    with pytest.raises(SetupError, match=pinned):
        ModelSource(store, build, pinned=pinned)


def test_a_damaged_promoted_set_is_refused_at_start(store: ModelStore, root: Path):
    (root / "gate" / "1" / "model.bin").write_bytes(b"wrong")
    with pytest.raises(SetupError, match=r"models: .*gate/1/model\.bin"):
        ModelSource(store, build)


class Away(FolderStore):
    """A store that can be away."""

    is_away = False

    def read(self, key: str) -> bytes:
        if self.is_away and key != PROMOTED_KEY:
            raise StoreUnavailableError(f"{self.location}: cannot read {key}: SlowDown")
        return super().read(key)


def test_a_store_that_is_away_for_a_moment_refuses_nothing(store: ModelStore, root: Path):
    objects = Away(root)
    source = ModelSource(ModelStore(objects), build)
    add_segmenter(store, "2", 0.5)
    store.promote({"segmenter": "2"})
    before, objects.is_away = swaps("refused"), True
    assert not source.refresh()
    assert swaps("refused") == before
    objects.is_away = False
    assert source.refresh()


def test_a_card_without_a_threshold_never_serves(store: ModelStore):
    source = ModelSource(store, build)
    first = store.load_promoted().versions["localizer"]
    store.add(first.card.model_copy(update={"version": "2", "thresholds": {}}), first.files)
    store.promote({"localizer": "2"})
    before = swaps("refused")
    assert not source.refresh()
    assert swaps("refused") == before + 1
    with pytest.raises(SetupError, match=r"localizer/card\.json: thresholds: expected score_threshold"):
        ModelSource(store, build)
