"""Tiny model stores: real cards and files, no networks."""

from pathlib import Path

from models.object_store import FolderStore
from models.store import NETWORKS, ModelCard, ModelStore, sha256_hex


def make_store(folder: Path, *versions: str) -> tuple[ModelStore, list[str]]:
    """A store whose last version is promoted, and the digest of each version's set in the order of promotion."""
    folder.mkdir(parents=True, exist_ok=True)
    store = ModelStore(FolderStore(folder))
    return store, [promote(store, version) for version in versions]


def promote(store: ModelStore, version: str) -> str:
    """Add a version of every network, promote it, and return the set's digest."""
    for network in NETWORKS:
        weights = f"{network} {version}".encode()
        card = ModelCard(
            network=network,
            version=version,
            architecture="none",
            input_hw=(32, 32),
            normalisation_mean=(0, 0, 0),
            normalisation_std=(1, 1, 1),
            classes=("a",),
            thresholds={},
            weights_format="none",
            dataset={},
            metrics={},
            files={"weights": sha256_hex(weights)},
        )
        store.add(card, {"weights": weights})
    store.promote(dict.fromkeys(NETWORKS, version))
    return store.read_promoted_digest()
