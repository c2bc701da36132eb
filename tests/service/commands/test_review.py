"""The pages as an operator runs them: they start or say why not, and end when they are told to."""

import hashlib
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from service.commands.ledger import migrate_ledger
from service.commands.review import run_review
from service.embedded import EmbeddedAws
from service.errors import SetupError
from service.ledger import open_ledger
from service.request import PhotoLocation
from service.review.links import build_link
from service.review.server import bind_port
from service.settings import Settings
from tests.service.review.site import Site
from tests.service.samples import result
from tests.service.world import DEADLINE_S, rendered_jpeg, wait_until


@pytest.fixture
def ledger_url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
    migrate_ledger(url)
    return url


@pytest.fixture
def open_site(aws: EmbeddedAws, tmp_path: Path) -> Iterator[Callable[..., Site]]:
    """Start sites of the test's own; each is ended with the test."""
    sites: list[Site] = []

    def start(**chosen: str) -> Site:
        sites.append(Site(aws, tmp_path, **chosen))
        return sites[-1]

    yield start
    for site in sites:
        site.end()


class HeldStorage:
    """S3 as far as one photo goes: says when it was asked, and answers when it is told to."""

    def __init__(self, body: bytes) -> None:
        self.is_asked, self.may_answer = threading.Event(), threading.Event()
        held = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                held.is_asked.set()
                held.may_answer.wait(DEADLINE_S)
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self.may_answer.set()
        self._server.shutdown()
        self._server.server_close()


def test_sigterm_ends_what_is_being_answered_and_exits_0(
    ledger_url: str, open_site: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
):
    body = rendered_jpeg(1)
    made = result("a.jpg", photo_sha256=hashlib.sha256(body).hexdigest(), crop_xyxy=None)
    ledger = open_ledger(ledger_url)
    ledger.record_results([made])
    ledger.close()
    with closing(HeldStorage(body)) as storage, ThreadPoolExecutor(1) as pool:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", storage.url)
        site = open_site(ledger_url=ledger_url, photo_bucket="fleet-photos", SHUTDOWN_GRACE_S="60")
        asked = pool.submit(site.ask, build_link("photos", made.identity()))
        assert storage.is_asked.wait(DEADLINE_S)
        site.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_refused(site.port), "no new reader is let in")
        assert site.process.poll() is None
        storage.may_answer.set()
        assert asked.result(DEADLINE_S).status == 200
        assert site.process.wait(DEADLINE_S) == 0
    assert site.events("stopped")[0]["signal"] == "SIGTERM"


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionRefusedError:
        return True
    return False


def test_an_idle_reader_does_not_hold_up_the_end(
    make_bucket: Callable[[], str], ledger_url: str, open_site: Callable[..., Site]
):
    site = open_site(ledger_url=ledger_url, photo_bucket=make_bucket(), SHUTDOWN_GRACE_S="10")
    with socket.create_connection(("127.0.0.1", site.port)) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        assert site.ask("/healthz").status == 200
        site.process.send_signal(signal.SIGTERM)
        assert site.process.wait(DEADLINE_S) == 0


def test_the_pages_show_a_ledger_in_postgresql(
    aws: EmbeddedAws, make_bucket: Callable[[], str], postgres_url: str, open_site: Callable[..., Site]
):
    name = f"review_{uuid4().hex[:12]}"
    engine = create_engine(make_url(postgres_url), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
        url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        bucket, body = make_bucket(), rendered_jpeg(1)
        aws.client("s3").put_object(Bucket=bucket, Key="a.jpg", Body=body)
        photo = PhotoLocation(bucket=bucket, key="a.jpg")
        made = result("a.jpg", photo=photo, photo_sha256=hashlib.sha256(body).hexdigest(), crop_xyxy=None)
        ledger = open_ledger(url)
        ledger.record_results([made, *(result(f"{n}.jpg") for n in range(30))])
        ledger.close()
        site = open_site(ledger_url=url, photo_bucket=bucket)
        assert site.ask("/readyz").status == 200
        first = site.ask("/?found=scratch").outline
        assert len(first.values("img", "src")) == 24
        (older,) = (said["href"] for tag, said in first.tags if tag == "a" and said.get("rel") == "next")
        assert len(site.ask(older).outline.values("img", "src")) == 7
        assert len(site.ask("/vehicles/car-007").outline.values("img", "src")) == 31
        assert site.ask(build_link("inspections", made.identity())).status == 200
        assert site.ask(build_link("photos", made.identity())).status == 200
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(
            text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name}
        )
        away = site.ask("/")
        assert (away.status, away.headers["retry-after"]) == (503, "5")
        assert "the ledger does not answer" in away.outline.text
        assert site.ask("/readyz").status == 503
        assert site.ask("/healthz").status == 200
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
        assert site.ask("/readyz").status == 200
    engine.dispose()


def test_storage_that_does_not_answer_is_said_in_the_photos_place(
    closed_port: int,
    make_bucket: Callable[[], str],
    ledger_url: str,
    open_site: Callable[..., Site],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{closed_port}")
    bucket = make_bucket()
    made = result("a.jpg", photo=PhotoLocation(bucket=bucket, key="a.jpg"))
    ledger = open_ledger(ledger_url)
    ledger.record_results([made])
    ledger.close()
    site = open_site(ledger_url=ledger_url, photo_bucket=bucket)
    assert site.ask(build_link("inspections", made.identity())).status == 200
    photo = site.ask(build_link("photos", made.identity()))
    assert (photo.status, photo.headers["content-type"]) == (503, "image/svg+xml")
    assert site.events("photo not shown")[0]["status"] == 503


def test_a_site_that_cannot_start_says_why(ledger_url: str, tmp_path: Path):
    ready = {"photo_buckets": ("fleet-photos",), "ledger_url": ledger_url}
    with bind_port("127.0.0.1", 0) as taken:
        for more, port, words in [
            ({"photo_buckets": ()}, 0, r"^VEHICLE_DAMAGE_PHOTO_BUCKETS: not set, and the review needs it$"),
            ({"ledger_url": f"sqlite:///{tmp_path / 'none.sqlite3'}"}, 0, r"run vehicle-damage ledger migrate$"),
            ({"ledger_url": "nonsense"}, 0, r"^ledger: expected"),
            ({}, taken.getsockname()[1], rf"^http port 127\.0\.0\.1:{taken.getsockname()[1]}: "),
        ]:
            with pytest.raises(SetupError, match=words):
                run_review(Settings(**{**ready, **more}), s3=None, host="127.0.0.1", port=port)
    with pytest.raises(SetupError, match=r"^http port no-such-host\.invalid:0: "):
        run_review(Settings(**ready), s3=None, host="no-such-host.invalid", port=0)


def test_the_pages_load_no_network_and_no_torch():
    names = "('torch', 'openvino', 'service.sqs')"
    code = f"import sys, service.review.server, service.review.app; print([n for n in {names} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
