"""The image of the operations pages: it serves, and has nothing that runs a network."""

import json
import socket
import urllib.request
from pathlib import Path

import pytest

from tests.image.containers import run, run_in_image, start_container
from tests.service.world import World, answers, wait_until

pytestmark = [pytest.mark.container, pytest.mark.timeout(3600)]  # the first test builds the image


def test_the_image_holds_no_network_and_nothing_that_runs_one(review_image: str):
    config = json.loads(run("podman", "image", "inspect", review_image))[0]
    assert config["Size"] < 500e6, f"{config['Size'] / 1e6:.0f} MB"
    script = """
import importlib.util as u
from models.store import PRETRAINED_DIR
print([m for m in ("torch", "openvino", "pip") if u.find_spec(m)], list(PRETRAINED_DIR.rglob("*.bin")))
"""
    assert run_in_image(review_image, script).strip() == "[] []"


def test_the_pages_are_served_from_a_read_only_container(review_image: str, aws, tmp_path: Path):
    world = World(aws, tmp_path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environment = {
        **aws.environment,
        "VEHICLE_DAMAGE_LEDGER_URL": "sqlite:////data/ledger.sqlite3",
        "VEHICLE_DAMAGE_PHOTO_BUCKETS": world.photo_bucket,
    }
    with start_container(review_image, "ledger", "migrate", environment=environment, data=tmp_path) as migration:
        assert migration.wait() == 0, migration.log()
    command = ("review", "--host", "127.0.0.1", "--port", port)
    with start_container(review_image, *command, environment=environment, data=tmp_path) as container:
        wait_until(
            lambda: answers(f"http://127.0.0.1:{port}/healthz") or not container.is_running(), "the pages answer", 600
        )
        assert answers(f"http://127.0.0.1:{port}/healthz"), container.log()
        assert_page(port)
        assert container.stop(30) == 0, container.log()


def assert_page(port: str) -> None:
    """The first page is HTML."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=30) as answer:
        assert answer.headers.get_content_type() == "text/html"
        assert b"</html>" in answer.read()
