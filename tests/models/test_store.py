"""A model store serves what was promoted, every byte of it checked, or nothing."""

import json
import pickle
import re
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from models.object_store import ConflictError, FolderStore, StoreError
from models.runtime.openvino_runtime import OpenVinoRuntime
from models.store import NETWORKS, OPTIONAL_NETWORKS, PROMOTED_KEY, ModelCard, ModelStore, sha256_hex

FILES = {"model.xml": b"<net/>", "model.bin": bytes(range(64))}


def card(network: str, version: str, files: Mapping[str, bytes] = FILES, **changes: Any) -> ModelCard:
    fitting = {
        "network": network,
        "version": version,
        "architecture": "tiny",
        "input_hw": (8, 8),
        "normalisation_mean": (0.5, 0.5, 0.5),
        "normalisation_std": (0.5, 0.5, 0.5),
        "classes": ("damage",),
        "thresholds": {"score_threshold": 0.25},
        "weights_format": "openvino-fp16",
        "dataset": {"digest": "ab"},
        "metrics": {},
        "files": {name: sha256_hex(body) for name, body in files.items()},
    }
    return ModelCard(**{**fitting, **changes})


UNKNOWN = {"version": "x", "card_sha256": "0"}


@pytest.fixture
def objects(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path)


@pytest.fixture
def store(objects: FolderStore) -> ModelStore:
    """Two versions of every network; the first serves."""
    filled = ModelStore(objects)
    for network in NETWORKS:
        for version in ("one", "two"):
            filled.add(card(network, version), FILES)
    filled.promote(dict.fromkeys(NETWORKS, "one"))
    return filled


def serving(store: ModelStore) -> dict[str, str]:
    return {name: version.card.version for name, version in store.load_promoted().versions.items()}


def test_what_was_promoted_is_loaded_with_its_files(store: ModelStore):
    loaded = store.load_promoted()
    assert set(loaded.versions) == set(NETWORKS)
    assert {tuple(version.files.items()) for version in loaded.versions.values()} == {tuple(FILES.items())}


def test_the_sets_digest_changes_with_any_version_and_with_nothing_else(store: ModelStore):
    first = store.load_promoted().digest
    assert store.load_promoted().digest == first
    store.promote({"gate": "two"})
    second = store.load_promoted().digest
    assert second != first
    store.rollback()
    assert store.load_promoted().digest == first


# a wrong byte --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("name", FILES)
def test_a_wrong_byte_in_any_file_is_refused_and_named(store: ModelStore, tmp_path: Path, network: str, name: str):
    path = tmp_path / network / "one" / name
    for at in range(len(FILES[name])):
        damaged = bytearray(FILES[name])
        damaged[at] ^= 0x01
        path.write_bytes(bytes(damaged))
        with pytest.raises(StoreError, match=rf"{network}/one/{name}: sha256"):
            store.load_promoted()


@pytest.mark.parametrize("change", [lambda body: body[:-1], lambda body: body + b"\x00", lambda _: b""])
def test_a_file_of_another_length_is_refused(store: ModelStore, tmp_path: Path, change: Callable[[bytes], bytes]):
    path = tmp_path / "gate" / "one" / "model.bin"
    path.write_bytes(change(FILES["model.bin"]))
    with pytest.raises(StoreError, match=r"gate/one/model\.bin: sha256"):
        store.load_promoted()


@pytest.mark.parametrize("name", ["model.xml", "card.json"])
def test_a_missing_file_is_named(store: ModelStore, tmp_path: Path, name: str):
    (tmp_path / "gate" / "one" / name).unlink()
    with pytest.raises(StoreError, match=rf"gate/one/{name}"):
        store.load_promoted()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda text: text[:-5], "gate/one/card.json"),
        (lambda _: "", "gate/one/card.json"),
        (lambda _: "[]", "gate/one/card.json"),
        (lambda text: text.replace('"thresholds"', '"treshholds"'), "gate/one/card.json: thresholds"),
        (lambda text: text.replace('"architecture": "tiny"', '"architecture": 5'), "gate/one/card.json: architecture"),
        (lambda text: text.replace('"version": "one"', '"version": "two"'), "describes gate/two"),
        (lambda text: text.replace('"network": "gate"', '"network": "segmenter"'), "describes segmenter/one"),
        (lambda text: text.replace(sha256_hex(FILES["model.bin"]), "0" * 64), "gate/one/model.bin: sha256"),
    ],
)
def test_a_damaged_card_is_refused_and_named(
    store: ModelStore, tmp_path: Path, spoil: Callable[[str], str], words: str
):
    path = tmp_path / "gate" / "one" / "card.json"
    path.write_text(spoil(path.read_text()))
    with pytest.raises(StoreError) as refusal:
        store.load_version("gate", "one")
    assert words in str(refusal.value)


def test_a_wrong_byte_in_a_cards_threshold_is_refused(store: ModelStore, tmp_path: Path):
    path = tmp_path / "gate" / "one" / "card.json"
    path.write_text(path.read_text().replace('"score_threshold": 0.25', '"score_threshold": 0.35'))
    with pytest.raises(StoreError):
        store.load_promoted()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "Invalid JSON"),
        ("{}", "versions: Field required"),
        ('{"versions": {}}', "previous: Field required"),
        ("[]", "document"),
        ('{"versions": [], "previous": null}', "versions: Input should be"),
        ('{"versions": {"gate": "one"}, "previous": null}', r"versions\.gate"),
        ('{"versions": {"gate": {"version": "one"}}, "previous": null}', r"versions\.gate\.card_sha256"),
        ('{"versions": {"gate": {"version": 1, "card_sha256": ""}}, "previous": null}', r"versions\.gate\.version"),
        ('{"versions": {}, "previous": {"gate": null}}', r"previous\.gate"),
        ('{"versions": {}, "previous": null}', "no version for localizer, gate, segmenter"),
        (json.dumps({"versions": dict.fromkeys(NETWORKS, UNKNOWN), "previous": None}), "cannot read"),
    ],
)
def test_a_damaged_list_of_promoted_versions_is_refused(store: ModelStore, tmp_path: Path, body: str, words: str):
    (tmp_path / PROMOTED_KEY).write_text(body)
    with pytest.raises(StoreError, match=words):
        store.load_promoted()


def test_a_damaged_list_of_promoted_versions_is_not_overwritten(store: ModelStore, tmp_path: Path):
    (tmp_path / PROMOTED_KEY).write_text("{}")
    with pytest.raises(StoreError):
        store.promote({"gate": "two"})
    assert (tmp_path / PROMOTED_KEY).read_text() == "{}"


def test_a_store_in_which_nothing_was_promoted_says_so(objects: FolderStore):
    with pytest.raises(StoreError, match=r"cannot read promoted\.json"):
        ModelStore(objects).load_promoted()


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(StoreError, match=r"no such folder: .*never"):
        FolderStore(tmp_path / "never")
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="no such folder"):
        FolderStore(tmp_path / "file")


# never a pickle ------------------------------------------------------------------------------------------------------


class Exploit:
    """Unpickling it leaves a trace."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self):
        return Path.touch, (self._trace,)


def test_a_pickle_among_the_files_is_bytes_and_never_run(objects: FolderStore, tmp_path: Path):
    trace = tmp_path / "it ran"
    poison = pickle.dumps(Exploit(trace))
    files = {"model.xml": poison, "model.bin": poison, "weights.pt": poison}
    store = ModelStore(objects)
    store.add(card("gate", "evil", files), files)

    version = store.load_version("gate", "evil")

    assert dict(version.files) == files
    with pytest.raises(RuntimeError):
        OpenVinoRuntime(version.files["model.xml"], version.files["model.bin"])
    assert not trace.exists()
    pickle.loads(poison)
    assert trace.exists()


# add -----------------------------------------------------------------------------------------------------------------


class DyingStore:
    """A folder whose writer dies after some writes."""

    def __init__(self, real: FolderStore, writes: int) -> None:
        self._real, self._writes = real, writes
        self.location, self.read = real.location, real.read

    def write(self, key: str, body: bytes, *, replaces: bytes | None) -> None:
        if self._writes == 0:
            raise KeyboardInterrupt
        self._writes -= 1
        self._real.write(key, body, replaces=replaces)


@pytest.mark.parametrize("writes", range(len(FILES) + 1))
def test_an_interrupted_upload_is_no_version(store: ModelStore, objects: FolderStore, writes: int):
    with pytest.raises(KeyboardInterrupt):
        ModelStore(DyingStore(objects, writes)).add(card("gate", "three"), FILES)
    with pytest.raises(StoreError, match="gate/three"):
        store.promote({"gate": "three"})
    assert serving(store)["gate"] == "one"


def test_a_version_is_never_replaced(store: ModelStore):
    with pytest.raises(ConflictError):
        store.add(card("gate", "one"), FILES)


@pytest.mark.parametrize(
    "files", [{}, {"model.xml": b"<net/>"}, {**FILES, "extra": b""}, {**FILES, "model.bin": b"other bytes"}]
)
def test_a_card_that_does_not_list_exactly_its_files_is_refused(store: ModelStore, files: dict[str, bytes]):
    with pytest.raises(ValueError, match=r"card\.files"):
        store.add(card("gate", "three"), files)
    with pytest.raises(StoreError):
        store.load_version("gate", "three")


# promote and roll back -----------------------------------------------------------------------------------------------


def test_a_promotion_changes_the_networks_it_names_and_no_other(store: ModelStore):
    store.promote({"gate": "two"})
    assert serving(store) == {"localizer": "one", "gate": "two", "segmenter": "one"}


def test_a_rollback_brings_the_set_before_back_and_another_undoes_it(store: ModelStore):
    store.promote({"gate": "two", "segmenter": "two"})
    store.rollback()
    assert serving(store) == dict.fromkeys(NETWORKS, "one")
    store.rollback()
    assert serving(store) == {"localizer": "one", "gate": "two", "segmenter": "two"}


def test_a_promotion_that_is_repeated_keeps_the_set_before(store: ModelStore):
    before = serving(store)
    for _ in range(2):
        store.promote({"gate": "two"})
    store.rollback()
    assert serving(store) == before


def test_the_first_promotion_cannot_be_rolled_back(store: ModelStore):
    with pytest.raises(StoreError, match="there is no previous set"):
        store.rollback()
    assert serving(store) == dict.fromkeys(NETWORKS, "one")


def test_a_damaged_version_is_never_promoted_nor_rolled_back_to(store: ModelStore, tmp_path: Path):
    store.promote({"gate": "two"})
    (tmp_path / "gate" / "one" / "model.bin").write_bytes(b"")
    with pytest.raises(StoreError, match="gate/one"):
        store.rollback()
    with pytest.raises(StoreError, match="gate/one"):
        store.promote({"gate": "one"})
    assert serving(store)["gate"] == "two"


class RacingStore:
    """A folder in which somebody else promotes between our read and our write."""

    def __init__(self, real: FolderStore, rival: Callable[[], None]) -> None:
        self._real, self._rival = real, rival
        self.location, self.read = real.location, real.read

    def write(self, key: str, body: bytes, *, replaces: bytes | None) -> None:
        rival, self._rival = self._rival, lambda: None
        rival()
        self._real.write(key, body, replaces=replaces)


@pytest.mark.parametrize("act", [lambda store: store.promote({"gate": "two"}), lambda store: store.rollback()])
def test_a_promotion_that_another_overtook_is_refused_and_the_others_stands(
    store: ModelStore, objects: FolderStore, act: Callable[[ModelStore], None]
):
    store.promote({"localizer": "two"})
    racing = ModelStore(RacingStore(objects, lambda: store.promote({"segmenter": "two"})))
    with pytest.raises(ConflictError):
        act(racing)
    assert serving(store) == {"localizer": "two", "gate": "one", "segmenter": "two"}


def test_of_writers_that_read_the_same_exactly_one_succeeds(objects: FolderStore, tmp_path: Path):
    objects.write("key", b"before", replaces=None)
    start = threading.Barrier(8)

    def write(number: int) -> bool:
        start.wait()
        try:
            FolderStore(tmp_path).write("key", f"after {number}".encode(), replaces=b"before")
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        succeeded = [number for number, is_ours in enumerate(pool.map(write, range(8))) if is_ours]
    assert objects.read("key") == f"after {succeeded[0]}".encode()
    assert len(succeeded) == 1


@pytest.mark.parametrize("replaces", [None, b"other"])
def test_a_write_on_top_of_something_unread_is_a_conflict(objects: FolderStore, replaces: bytes | None):
    objects.write("folder/key", b"first", replaces=None)
    with pytest.raises(ConflictError, match="folder/key: changed since it was read"):
        objects.write("folder/key", b"second", replaces=replaces)
    assert objects.read("folder/key") == b"first"
    with pytest.raises(ConflictError):
        objects.write("absent", b"x", replaces=b"was there")


def test_the_list_of_promoted_versions_is_plain_json_that_vouches_for_the_cards(store: ModelStore, tmp_path: Path):
    store.promote({"gate": "two"})
    document = json.loads((tmp_path / PROMOTED_KEY).read_text())
    for name, gate in (("versions", "two"), ("previous", "one")):
        expected = {"gate": gate, "localizer": "one", "segmenter": "one"}
        assert {network: chosen["version"] for network, chosen in document[name].items()} == expected
        for network, chosen in document[name].items():
            body = (tmp_path / network / chosen["version"] / "card.json").read_bytes()
            assert chosen["card_sha256"] == sha256_hex(body)


def test_an_interrupted_upload_can_be_repeated_with_the_same_bytes(objects: FolderStore):
    objects.write("gate/three/model.bin", FILES["model.bin"], replaces=None)
    ModelStore(objects).add(card("gate", "three"), FILES)
    assert ModelStore(objects).load_version("gate", "three").files["model.bin"] == FILES["model.bin"]


def test_an_interrupted_upload_is_not_completed_with_other_bytes(objects: FolderStore):
    objects.write("gate/three/model.bin", b"other", replaces=None)
    with pytest.raises(ConflictError, match=r"gate/three/model\.bin"):
        ModelStore(objects).add(card("gate", "three"), FILES)
    assert objects.read("gate/three/model.bin") == b"other"


def test_a_set_that_once_served_is_loaded_by_its_digest_after_many_promotions(store: ModelStore):
    digests = [store.read_promoted_digest()]
    for network in NETWORKS:
        store.promote({network: "two"})
        digests.append(store.read_promoted_digest())
    assert len(set(digests)) == 4
    for digest, seconds in zip(digests, range(4), strict=True):
        loaded = store.load_set(digest)
        assert loaded.digest == digest
        assert sum(version.card.version == "two" for version in loaded.versions.values()) == seconds
    assert store.load_promoted().digest == store.read_promoted_digest() == digests[-1]


def test_a_set_that_once_served_is_promoted_by_its_digest(store: ModelStore):
    first = store.read_promoted_digest()
    store.promote({"gate": "two"})
    store.promote({"localizer": "two"})
    store.promote_set(first)
    assert serving(store) == dict.fromkeys(NETWORKS, "one")
    store.rollback()
    assert serving(store) == {"localizer": "two", "gate": "two", "segmenter": "one"}


def test_promoting_the_set_that_serves_changes_nothing(store: ModelStore, tmp_path: Path):
    store.promote({"gate": "two"})
    before = (tmp_path / PROMOTED_KEY).read_bytes()
    store.promote_set(store.read_promoted_digest())
    assert (tmp_path / PROMOTED_KEY).read_bytes() == before


@pytest.mark.parametrize("digest", ["0123456789abcdef", "../promoted", "0123456789ABCDEF"])
def test_a_set_that_was_never_promoted_is_refused_by_its_name(store: ModelStore, digest: str):
    for act in (store.load_set, store.promote_set):
        with pytest.raises(StoreError, match=re.escape(digest)):
            act(digest)
    assert serving(store) == dict.fromkeys(NETWORKS, "one")


def test_a_record_that_names_other_versions_than_its_digest_says_is_refused(store: ModelStore, tmp_path: Path):
    first = store.read_promoted_digest()
    for network in NETWORKS:
        store.promote({network: "two"})
    record = tmp_path / "sets" / f"{first}.json"
    record.write_bytes((tmp_path / "sets" / f"{store.read_promoted_digest()}.json").read_bytes())
    with pytest.raises(StoreError, match="another set"):
        store.load_set(first)
    record.write_bytes(b"{")
    with pytest.raises(StoreError, match=first):
        store.load_set(first)


def test_an_optional_network_is_served_where_there_is_one(store: ModelStore):
    without = store.read_promoted_digest()
    (network,) = OPTIONAL_NETWORKS
    store.add(card(network, "one"), FILES)
    store.promote({network: "one"})
    assert set(store.load_promoted().versions) == {*NETWORKS, network}
    assert store.read_promoted_digest() != without
    store.rollback()
    assert set(store.load_promoted().versions) == set(NETWORKS)


def test_a_set_takes_the_place_of_the_one_it_is_meant_to_replace_or_of_none(store: ModelStore):
    first = store.read_promoted_digest()
    store.promote({"gate": "two"})
    second = store.read_promoted_digest()
    store.promote({"localizer": "two"})
    with pytest.raises(ConflictError, match=f"expected set {second}"):
        store.promote_set(first, instead_of=second)
    assert serving(store) == {"localizer": "two", "gate": "two", "segmenter": "one"}
    store.promote_set(first, instead_of=store.read_promoted_digest())
    assert store.read_promoted_digest() == first
