"""A real Prometheus scrapes real workers: every panel has data, every rule is evaluated, what should fire does."""

import json
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from models.object_store import FolderStore
from models.store import PRETRAINED_DIR, PROMOTED_KEY, ModelCard, ModelStore
from service.ledger_schema import INSPECTIONS
from service.monitoring.alerts import ALERTS
from service.monitoring.grafana import build_dashboard
from service.monitoring.panels import WINDOW
from service.monitoring.recordings import RECORDINGS
from tests.service.monitoring.cluster import Prometheus, run_kubernetes_exporter, run_prometheus
from tests.service.monitoring.documents import find_tool, list_selectors
from tests.service.world import WorkerProcess, World, wait_until

HALVES = {"edges": [0.5], "shares": [0.5, 0.5], "photos": 100}
TARGETS = [
    (panel["title"], target["expr"]) for panel in build_dashboard()["panels"] for target in panel.get("targets", [])
]


def copy_store(folder: Path) -> Path:
    """The shipped set with a gate whose card has a reference."""
    shutil.copytree(PRETRAINED_DIR, folder)
    store = ModelStore(FolderStore(folder))
    gate = store.load_promoted().versions["gate"]
    reference = {"gate_score": HALVES, "brightness": HALVES}
    card = ModelCard.model_validate({**gate.card.model_dump(), "version": "referenced", "reference": reference})
    store.add(card, gate.files)
    store.promote({"gate": "referenced"})
    return folder


def promote_damaged_set(folder: Path) -> None:
    """Make promoted.json name a gate whose card is not there."""
    path = folder / PROMOTED_KEY
    promoted = json.loads(path.read_text(encoding="utf-8"))
    promoted["versions"]["gate"] = {"version": "gone", "card_sha256": "0" * 64}
    path.write_text(json.dumps(promoted), encoding="utf-8")


def ask_for_everything(world: World, workers: Sequence[WorkerProcess]) -> None:
    """Photos with and without damage, one twice, one that is none, and a ledger that lacks its table for a while."""
    with closing(sqlite3.connect(world.folder / "ledger.sqlite3", isolation_level=None)) as ledger:
        ledger.execute(f"ALTER TABLE {INSPECTIONS.name} RENAME TO away")
        keys = world.ask_for_rendered(24)
        world.send([world.message(keys[0]), world.message(world.put("no-photo.jpg", b"<html>"))])
        wait_until(
            lambda: all(worker.metric("vehicle_damage_failures_total") for worker in workers), "both fail to write rows"
        )
        ledger.execute(f"ALTER TABLE away RENAME TO {INSPECTIONS.name}")


@pytest.fixture(scope="module")
def scraped(aws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Two workers of different model sets at work on everything that can happen to a photo."""
    find_tool("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    world = World(aws, folder, max_receive_count=20)
    store = copy_store(folder / "store")
    options = {
        "model_store": str(store),
        "model_refresh_s": 1,
        "queue_count_interval_s": 1,
        "renewal_interval_s": 0.5,
        "visibility_timeout_s": 20,
        "max_in_flight_messages": 10,
        "batch_photos": 2,
        "drift_window_photos": 10,
    }
    workers: list[WorkerProcess] = []
    try:
        workers.append(world.start_process(**options))
        workers.append(world.start_process(**options, gate_score_threshold=0.3))
        ports = [worker.wait_until_started() for worker in workers]
        with run_kubernetes_exporter() as exporter, run_prometheus(folder, ports, exporter) as running:
            wait_until(lambda: len(running.ask("query", query="vehicle_damage_ready == 1")["result"]) == 2, "scrapes")
            ask_for_everything(world, workers)
            wait_until(lambda: len(world.rows()) >= 25 and world.depths() == (0, 0), "every photo has its result")
            promote_damaged_set(store)
            yield running
    finally:
        for worker in workers:
            worker.end()


def test_every_query_of_the_dashboard_returns_data(scraped: Prometheus):
    missing: set[str] = set()

    def is_complete() -> bool:
        missing.clear()
        for title, expr in TARGETS:
            asked = expr.replace(WINDOW, "30s").replace("$namespace", ".*").replace("$job", ".*")
            if not scraped.values(asked):
                missing.add(f"{title}: {expr}")
        return not missing

    try:
        wait_until(is_complete, "every panel has data", 60)
    except AssertionError:
        assert not missing
        raise


def test_every_recording_and_every_series_of_an_alert_returns_data(scraped: Prometheus):
    wanted = {recording.name for recording in RECORDINGS}
    wanted |= {selector for alert in ALERTS for selector in list_selectors(alert.expr)}
    missing: set[str] = set()

    def is_complete() -> bool:
        missing.clear()
        missing.update(selector for selector in wanted if not scraped.values(selector))
        return not missing

    try:
        wait_until(is_complete, "every series has data", 60)
    except AssertionError:
        assert not missing
        raise


def test_every_rule_is_evaluated_without_error(scraped: Prometheus):
    wait_until(
        lambda: all(rule["health"] == "ok" for group in scraped.ask("rules")["groups"] for rule in group["rules"]),
        "every rule is healthy",
        30,
    )
    rules = [rule["name"] for group in scraped.ask("rules")["groups"] for rule in group["rules"]]
    assert {*rules} == {*(recording.name for recording in RECORDINGS), *(alert.full_name for alert in ALERTS)}


def test_a_refused_model_set_and_a_failed_job_fire_within_seconds_and_nothing_else_does(scraped: Prometheus):
    expected = {"VehicleDamageModelSwapsRefused", "VehicleDamageJobFailed"}
    wait_until(lambda: expected <= scraped.firing(), "both fire", 60)
    assert scraped.firing() == expected


def test_two_model_sets_are_told_apart(scraped: Prometheus):
    shown = scraped.ask("query", query="namespace_job_model_set:vehicle_damage_workers:count")["result"]
    assert len({series["metric"]["model_set"] for series in shown}) == 2
    assert {series["value"][1] for series in shown} == {"1"}
