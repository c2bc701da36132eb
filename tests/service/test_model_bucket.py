"""A bucket keeps models as a folder does: conditional writes, every error named."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

import pytest
from botocore.stub import Stubber

from models.object_store import ConflictError, MissingObjectError, StoreError, StoreUnavailableError
from models.store import NETWORKS, ModelStore
from service.embedded import EmbeddedAws
from service.model_bucket import S3Store, open_model_bucket
from tests.models.test_store import FILES, card


@pytest.fixture
def objects(any_aws: EmbeddedAws) -> S3Store:
    bucket = any_aws.create_bucket(f"models-{uuid4().hex[:12]}")
    return S3Store(any_aws.client("s3"), bucket=bucket, prefix="fleet/")


def test_what_was_written_is_read_under_the_prefix(objects: S3Store, any_aws: EmbeddedAws):
    objects.write("gate/1/model.bin", b"weights", replaces=None)
    assert objects.read("gate/1/model.bin") == b"weights"
    bucket = objects.location.split("/")[2]
    found = any_aws.client("s3").get_object(Bucket=bucket, Key="fleet/gate/1/model.bin")
    assert found["Body"].read() == b"weights"


def test_a_missing_object_is_named(objects: S3Store):
    with pytest.raises(MissingObjectError, match=r"s3://models-.*/fleet/: cannot read promoted\.json"):
        objects.read("promoted.json")


@pytest.mark.parametrize("replaces", [None, b"other"])
def test_a_write_on_top_of_something_unread_is_a_conflict(objects: S3Store, replaces: bytes | None):
    objects.write("key", b"first", replaces=None)
    with pytest.raises(ConflictError, match="key: changed since it was read"):
        objects.write("key", b"second", replaces=replaces)
    assert objects.read("key") == b"first"
    with pytest.raises(ConflictError, match="vanished"):
        objects.write("absent", b"x", replaces=b"was there")


def test_what_is_still_as_it_was_read_is_replaced(objects: S3Store):
    objects.write("key", b"first", replaces=None)
    objects.write("key", b"second", replaces=b"first")
    assert objects.read("key") == b"second"


class OvertakenClient:
    """S3 where somebody else writes between our read and our write."""

    def __init__(self, real: object, overtake: Callable[[], None]) -> None:
        self._real, self._overtake = real, overtake
        self.get_object = real.get_object

    def put_object(self, **arguments: object) -> object:
        self._overtake()
        return self._real.put_object(**arguments)


def test_a_write_that_another_overtook_between_look_and_write_is_a_conflict(aws: EmbeddedAws):
    bucket, s3 = aws.create_bucket(f"models-{uuid4().hex[:12]}"), aws.client("s3")
    plain = S3Store(s3, bucket=bucket, prefix="")
    plain.write("key", b"first", replaces=None)
    rival = OvertakenClient(s3, lambda: s3.put_object(Bucket=bucket, Key="key", Body=b"rival"))
    with pytest.raises(ConflictError):
        S3Store(rival, bucket=bucket, prefix="").write("key", b"ours", replaces=b"first")
    assert plain.read("key") == b"rival"


def test_of_writers_that_read_the_same_exactly_one_succeeds(aws: EmbeddedAws):
    bucket = aws.create_bucket(f"models-{uuid4().hex[:12]}")
    stores = [S3Store(aws.client("s3"), bucket=bucket, prefix="") for _ in range(4)]
    start = Barrier(4)

    def write(number: int) -> bool:
        start.wait()
        try:
            stores[number].write("key", b"%d" % number, replaces=None)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        succeeded = [number for number, is_ours in enumerate(pool.map(write, range(4))) if is_ours]
    assert len(succeeded) == 1
    assert stores[0].read("key") == b"%d" % succeeded[0]


def test_a_model_store_in_a_bucket_promotes_and_rolls_back(objects: S3Store):
    store = ModelStore(objects)
    for network in NETWORKS:
        for version in ("one", "two"):
            store.add(card(network, version), FILES)
    store.promote(dict.fromkeys(NETWORKS, "one"))
    first = store.load_promoted()
    store.promote({"gate": "two"})
    assert store.load_promoted().digest != first.digest
    store.rollback()
    assert store.load_promoted() == first


def test_a_store_that_does_not_answer_is_named(aws_away: EmbeddedAws):
    client = aws_away.client("s3")
    store = S3Store(client, bucket="models", prefix="")
    for act in (lambda: store.read("k"), lambda: store.write("k", b"", replaces=None)):
        with pytest.raises(StoreUnavailableError, match=r"s3://models/: cannot .* k: "):
            act()


@pytest.mark.parametrize("url", ["s3://", "s3:///prefix", "models", "https://bucket/prefix"])
def test_what_is_no_url_of_a_bucket_is_refused(url: str):
    with pytest.raises(StoreError, match="expected s3://bucket/prefix"):
        open_model_bucket(url)


@pytest.mark.parametrize(
    ("url", "location"),
    [("s3://b", "s3://b/"), ("s3://b/", "s3://b/"), ("s3://b/x/y", "s3://b/x/y/"), ("s3://b/x/", "s3://b/x/")],
)
def test_a_url_names_bucket_and_prefix(url: str, location: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    assert open_model_bucket(url).location == location


@pytest.mark.parametrize(("status", "may_pass"), [(503, True), (500, True), (403, False), (400, False)])
def test_a_store_that_is_busy_may_answer_later_and_one_that_refuses_will_not(
    aws: EmbeddedAws, status: int, may_pass: bool
):
    client = aws.client("s3")
    store = S3Store(client, bucket="models", prefix="")
    with Stubber(client) as stub:
        for call in ("get_object", "put_object"):
            stub.add_client_error(call, "Code", http_status_code=status)
        for act in (lambda: store.read("k"), lambda: store.write("k", b"", replaces=None)):
            with pytest.raises(StoreError, match="Code") as told:
                act()
            assert isinstance(told.value, StoreUnavailableError) is may_pass
