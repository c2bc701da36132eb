"""Model versions: cards, files checked by sha256, and which versions serve.

Layout of a store, a bucket or a folder:

    promoted.json                     PromotedSets: what serves and what served before, each with its card's sha256
    sets/<digest>.json                RecordedSet: every set that ever served, so that a pod may be pinned to it
    <network>/<version>/card.json     ModelCard
    <network>/<version>/<file>        weights, listed with their sha256 in the card

Weights are data: OpenVINO IR or safetensors, never a pickled class. Promotion and rollback change promoted.json only,
which vouches for the cards, as they vouch for their files: no wrong byte ever serves.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.object_store import ConflictError, MissingObjectError, ObjectStore, StoreError

NETWORKS: Final[tuple[str, ...]] = ("localizer", "gate", "segmenter")
"""Without each of them nothing serves."""
OPTIONAL_NETWORKS: Final[tuple[str, ...]] = ("finder",)
"""What a set may have beside them."""
PROMOTED_KEY: Final = "promoted.json"
PRETRAINED_DIR: Final = Path(__file__).parent / "pretrained"
"""The promoted set that ships inside the package."""


class ModelCard(BaseModel):
    """What one version of one network is, where it comes from and how good it measured."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = Field(1, description="Version of this schema.")
    network: str = Field(description="localizer, gate, segmenter or finder.")
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
    reference: dict[str, Any] = Field(
        default_factory=dict, description="Histograms of the training photos that drift is measured against."
    )
    limits: tuple[str, ...] = Field((), description="What it is known to do badly.")
    commit: str = Field("", description="Commit of the code that trained it.")
    files: dict[str, str] = Field(description="File name to sha256, every file of the version but this card.")

    def require_thresholds(self, *names: str) -> tuple[float, ...]:
        """The thresholds of these names.

        Raises:
            ValueError: names what is missing and what there is.
        """
        if missing := [name for name in names if name not in self.thresholds]:
            found = ", ".join(self.thresholds) or "none"
            raise ValueError(f"{self.network}/card.json: thresholds: expected {', '.join(missing)}, found {found}")
        return tuple(self.thresholds[name] for name in names)


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


class RecordedSet(BaseModel):
    """What sets/<digest>.json holds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    versions: dict[str, ServingVersion]


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


def digest_set(versions: Mapping[str, ServingVersion]) -> str:
    """Digest of a set: 16 hex digits that change with any card, and so with any file."""
    digests = json.dumps({network: chosen.card_sha256 for network, chosen in versions.items()}, sort_keys=True)
    return sha256_hex(digests.encode())[:16]


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
        return self._load_complete(self._read_promoted()[1].versions, PROMOTED_KEY)

    def load_set(self, digest: str) -> ModelSet:
        """Read a set that serves or once served, and check every byte of it.

        Args:
            digest: as ModelSet.digest.

        Raises:
            StoreError: no such set was ever promoted here, or it is damaged.
        """
        return self._load_complete(self._find_set(digest), f"set {digest}")

    def read_promoted_digest(self) -> str:
        """Digest of the serving set, without loading it.

        Raises:
            StoreError: promoted.json is missing or damaged.
        """
        return digest_set(self._read_promoted()[1].versions)

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
        """Make versions serve; networks not named keep theirs. Nothing changes if they serve already.

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
            versions = {**promoted.versions, **chosen}
            if versions != promoted.versions:  # else the set to go back to would be lost
                self._replace(promoted, before, versions)

    def promote_set(self, digest: str, *, instead_of: str | None = None) -> None:
        """Make a set that once served serve again; nothing changes if it does already.

        Args:
            digest: of the set, as ModelSet.digest.
            instead_of: digest of the set that has to be the promoted one; None: any.

        Raises:
            StoreError: no such set was ever promoted here, or it is damaged; the serving set stays.
            ConflictError: another promotion came first.
        """
        before, promoted = self._read_promoted()
        if instead_of not in (None, digest_set(promoted.versions)):
            raise ConflictError(f"{PROMOTED_KEY}: expected set {instead_of}, found {digest_set(promoted.versions)}")
        if digest_set(promoted.versions) == digest:
            return
        versions = self._find_set(digest)
        self._load_set(versions)
        self._replace(promoted, before, versions)

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
        self._replace(promoted, before, promoted.previous)

    def _replace(self, promoted: PromotedSets, before: bytes, versions: Mapping[str, ServingVersion]) -> None:
        """Change promoted.json, after the sets that it names are recorded."""
        for recorded in (promoted.versions, versions):
            body = RecordedSet(versions=dict(sorted(recorded.items()))).model_dump_json(indent=2) + "\n"
            self._write_once(_set_key(digest_set(recorded)), body.encode())
        self._write_promoted(PromotedSets(versions=dict(versions), previous=promoted.versions), replaces=before)

    def _find_set(self, digest: str) -> Mapping[str, ServingVersion]:
        """The versions of a set, from promoted.json or from the records."""
        _, promoted = self._read_promoted()
        for versions in (promoted.versions, promoted.previous):
            if versions is not None and digest_set(versions) == digest:
                return versions
        if not re.fullmatch(r"[0-9a-f]{16}", digest):
            raise StoreError(f"{self._objects.location}: set: expected 16 hex digits, found {digest!r}")
        key = _set_key(digest)
        try:
            recorded = RecordedSet.model_validate_json(self._objects.read(key))
        except MissingObjectError as error:
            raise StoreError(f"{self._objects.location}: no set {digest} was ever promoted here") from error
        except ValidationError as error:
            raise StoreError(f"{self._objects.location}: {key}: {error.errors()[0]['msg']}") from error
        if digest_set(recorded.versions) != digest:
            raise StoreError(f"{self._objects.location}: {key}: its versions are those of another set")
        return recorded.versions

    def _load_complete(self, serving: Mapping[str, ServingVersion], named: str) -> ModelSet:
        if missing := [network for network in NETWORKS if network not in serving]:
            raise StoreError(f"{self._objects.location}: {named}: no version for {', '.join(missing)}")
        known = {n: serving[n] for n in (*NETWORKS, *OPTIONAL_NETWORKS) if n in serving}
        return ModelSet(self._load_set(known), digest_set(serving))

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


def _set_key(digest: str) -> str:
    return f"sets/{digest}.json"
