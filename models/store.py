"""Model versions: cards, files checked by sha256, and which versions serve.

Layout of a store, a bucket or a folder:

    promoted.json                     PromotedSets: what serves and what served before, each with its card's sha256
    <network>/<version>/card.json     ModelCard
    <network>/<version>/<file>        weights, listed with their sha256 in the card

Weights are data: OpenVINO IR or safetensors, never a pickled class. Promotion and rollback change promoted.json only,
which vouches for the cards, as they vouch for their files: no wrong byte ever serves.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

NETWORKS: Final[tuple[str, ...]] = ("localizer", "gate", "segmenter")
PROMOTED_KEY: Final = "promoted.json"
PRETRAINED_DIR: Final = Path(__file__).parent / "pretrained"
"""The promoted set that ships inside the package."""


class StoreError(Exception):
    """The store lacks something or holds something damaged; the message names it."""


class MissingObjectError(StoreError):
    """There is no such object."""


class ConflictError(StoreError):
    """Somebody else changed the object since it was read."""


class ObjectStore(Protocol):
    """The few things a model store needs of a bucket or a folder."""

    @property
    def location(self) -> str:
        """Where it is, for messages."""
        ...

    def read(self, key: str) -> bytes:
        """The object's bytes. Raises MissingObjectError when there is none, StoreError when it cannot be read."""
        ...

    def write(self, key: str, body: bytes, *, replaces: bytes | None) -> None:
        """Store body if the object is still what the caller read (None: absent); else raise ConflictError."""
        ...


class FolderStore:
    """ObjectStore on a local folder."""

    def __init__(self, root: Path) -> None:
        """Open a folder.

        Raises:
            StoreError: root is not a folder.
        """
        if not root.is_dir():
            raise StoreError(f"model folder: no such folder: {root}")
        self._root = root

    @property
    def location(self) -> str:
        """The folder's path."""
        return str(self._root)

    def read(self, key: str) -> bytes:
        """Read one file under the root.

        Raises:
            MissingObjectError: there is no such file.
            StoreError: it cannot be read.
        """
        try:
            return (self._root / key).read_bytes()
        except OSError as error:
            kind = MissingObjectError if isinstance(error, FileNotFoundError) else StoreError
            raise kind(f"model folder {self._root}: cannot read {key}: {error.strerror}") from error

    def write(self, key: str, body: bytes, *, replaces: bytes | None) -> None:
        """Write one file under the root, atomically, if it still holds what the caller read.

        Raises:
            ConflictError: it changed, appeared or vanished in between.
            StoreError: the folder cannot be written to.
        """
        try:
            self._write(self._root / key, key, body, replaces)
        except OSError as error:
            raise StoreError(f"model folder {self._root}: cannot write {key}: {error.strerror}") from error

    def _write(self, path: Path, key: str, body: bytes, replaces: bytes | None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with (self._root / ".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # released when the file closes, also when the process dies
            current = path.read_bytes() if path.exists() else None
            if current != replaces:
                raise ConflictError(f"{key}: changed since it was read")
            partial = path.with_name(path.name + ".partial")
            with partial.open("wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)


class ModelCard(BaseModel):
    """What one version of one network is, where it comes from and how good it measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(1, description="Version of this schema.")
    network: str = Field(description="localizer, gate or segmenter.")
    version: str = Field(description="Folder name of this version.")
    architecture: str = Field(description="Network family and encoder, as the field names them.")
    network_options: dict[str, Any] = Field(
        default_factory=dict, description="What rebuilds the torch network, by argument; left out: its default."
    )
    input_hw: tuple[int, int] = Field(description="Height and width of the network's input, pixels.")
    normalisation_mean: tuple[float, float, float] = Field(description="Per RGB channel, on the 0 to 1 scale.")
    normalisation_std: tuple[float, float, float] = Field(description="Per RGB channel, on the 0 to 1 scale.")
    classes: tuple[str, ...] = Field(description="What the output channels mean, in order.")
    thresholds: dict[str, float] = Field(description="Every threshold of pre- and post-processing, by name.")
    weights_format: str = Field(
        description='How the weights are stored, for example "openvino-fp16"; several joined by "+".'
    )
    dataset: dict[str, Any] = Field(description="Digest, sources with licences, counts, split rule.")
    metrics: dict[str, Any] = Field(description="Measured quality; each name states sample and protocol.")
    limits: tuple[str, ...] = Field((), description="What it is known to do badly.")
    commit: str = Field("", description="Commit of the code that trained it.")
    files: dict[str, str] = Field(description="File name to sha256, every file of the version but this card.")


class ServingVersion(BaseModel):
    """One promoted version and the digest of its card."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    version: str
    card_sha256: str


class PromotedSets(BaseModel):
    """What promoted.json holds: the serving set, and the one before, to which a rollback returns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    versions: dict[str, ServingVersion]
    previous: dict[str, ServingVersion] | None


@dataclass(frozen=True)
class ModelVersion:
    """One verified version: its card, its files' bytes, the digest of its card."""

    card: ModelCard
    files: Mapping[str, bytes]
    digest: str


@dataclass(frozen=True)
class ModelSet:
    """The versions that serve together."""

    versions: Mapping[str, ModelVersion]
    digest: str


def sha256_hex(body: bytes) -> str:
    """Digest bytes, 64 lower-case hex digits."""
    return hashlib.sha256(body).hexdigest()


class ModelStore:
    """Reads, adds, promotes and rolls back model versions in an ObjectStore."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    def load_version(self, network: str, version: str, *, card_sha256: str | None = None) -> ModelVersion:
        """Read one version and check every byte of it.

        Args:
            network: localizer, gate or segmenter.
            version: name of the version.
            card_sha256: what the card must be; None for a candidate, for which nobody vouches yet.

        Raises:
            StoreError: missing, not a card, a file whose sha256 differs, naming which.
        """
        prefix = f"{network}/{version}"
        card_bytes = self._objects.read(f"{prefix}/card.json")
        if card_sha256 is not None and sha256_hex(card_bytes) != card_sha256:
            raise StoreError(
                f"{self._objects.location}: {prefix}/card.json: sha256 {sha256_hex(card_bytes)[:12]}…, "
                f"{PROMOTED_KEY} says {card_sha256[:12]}…"
            )
        try:
            card = ModelCard.model_validate_json(card_bytes)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "card"
            raise StoreError(f"{self._objects.location}: {prefix}/card.json: {where}: {first['msg']}") from error
        if (card.network, card.version) != (network, version):
            raise StoreError(f"{self._objects.location}: {prefix}/card.json: describes {card.network}/{card.version}")
        files = {}
        for name, expected in card.files.items():
            body = self._objects.read(f"{prefix}/{name}")
            if (found := sha256_hex(body)) != expected:
                raise StoreError(
                    f"{self._objects.location}: {prefix}/{name}: sha256 {found[:12]}…, the card says {expected[:12]}…"
                )
            files[name] = body
        return ModelVersion(card, files, sha256_hex(card_bytes))

    def load_promoted(self) -> ModelSet:
        """Read the serving set and check every byte of it.

        Raises:
            StoreError: promoted.json or one of its versions is missing or damaged.
        """
        _, promoted = self._read_promoted()
        if missing := [network for network in NETWORKS if network not in promoted.versions]:
            raise StoreError(f"{self._objects.location}: {PROMOTED_KEY}: no version for {', '.join(missing)}")
        versions = self._load_set({network: promoted.versions[network] for network in NETWORKS})
        digests = json.dumps({network: version.digest for network, version in versions.items()}, sort_keys=True)
        return ModelSet(versions, sha256_hex(digests.encode())[:16])

    def add(self, card: ModelCard, files: Mapping[str, bytes]) -> None:
        """Store a candidate; the card goes last, so that an interrupted upload is no version.

        Args:
            card: its `files` must list exactly the given files with their sha256.
            files: file name to bytes.

        Raises:
            ValueError: card and files disagree.
            ConflictError: the version exists already.
        """
        if card.files != {name: sha256_hex(body) for name, body in files.items()}:
            raise ValueError("card.files: expected the sha256 of exactly the given files")
        prefix = f"{card.network}/{card.version}"
        for name, body in files.items():
            self._write_once(f"{prefix}/{name}", body)
        card_bytes = (card.model_dump_json(indent=2) + "\n").encode()
        self._objects.write(f"{prefix}/card.json", card_bytes, replaces=None)

    def promote(self, versions: Mapping[str, str]) -> None:
        """Make versions serve; networks not named keep theirs.

        Raises:
            StoreError: a named version is missing or damaged; the serving set stays.
            ConflictError: another promotion came first.
        """
        chosen = {
            network: ServingVersion(version=version, card_sha256=self.load_version(network, version).digest)
            for network, version in versions.items()
        }
        try:
            before, promoted = self._read_promoted()
        except MissingObjectError:
            self._write_promoted(PromotedSets(versions=chosen, previous=None), replaces=None)
        else:
            sets = PromotedSets(versions={**promoted.versions, **chosen}, previous=promoted.versions)
            self._write_promoted(sets, replaces=before)

    def rollback(self) -> None:
        """Make the previous serving set serve again.

        Raises:
            StoreError: there is no previous set, or it is damaged.
            ConflictError: another promotion came first.
        """
        before, promoted = self._read_promoted()
        if promoted.previous is None:
            raise StoreError(f"{self._objects.location}: {PROMOTED_KEY}: there is no previous set")
        self._load_set(promoted.previous)
        sets = PromotedSets(versions=promoted.previous, previous=promoted.versions)
        self._write_promoted(sets, replaces=before)

    def _load_set(self, serving: Mapping[str, ServingVersion]) -> dict[str, ModelVersion]:
        return {
            network: self.load_version(network, chosen.version, card_sha256=chosen.card_sha256)
            for network, chosen in serving.items()
        }

    def _write_once(self, key: str, body: bytes) -> None:
        """Write a file that an interrupted upload may have left there, byte for byte the same."""
        try:
            self._objects.write(key, body, replaces=None)
        except ConflictError:
            if self._objects.read(key) != body:
                raise

    def _read_promoted(self) -> tuple[bytes, PromotedSets]:
        body = self._objects.read(PROMOTED_KEY)
        try:
            return body, PromotedSets.model_validate_json(body)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "document"
            raise StoreError(f"{self._objects.location}: {PROMOTED_KEY}: {where}: {first['msg']}") from error

    def _write_promoted(self, sets: PromotedSets, *, replaces: bytes | None) -> None:
        self._objects.write(PROMOTED_KEY, (sets.model_dump_json(indent=2) + "\n").encode(), replaces=replaces)
