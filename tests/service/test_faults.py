"""Worker processes that are killed, stopped and doubled: nothing is lost, nothing is there twice."""

import os
import signal
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from tests.service.world import World, wait_until


@pytest.fixture
def world(aws, tmp_path: Path) -> World:
    return World(aws, tmp_path, max_receive_count=5)


@pytest.fixture
def started(world: World):
    """Start worker processes that do not outlive the test."""
    running = []

    def start(*arguments: str, **more: object):
        running.append(world.start_process(*arguments, **more))
        return running[-1]

    yield start
    for process in running:
        process.end()


def test_drain_exits_zero_on_an_empty_queue(world: World, started):
    process = started("--drain")
    assert process.wait() == 0, process.log()
    assert process.events("stopped")


@pytest.mark.parametrize("stored_before_kill", [1, 7, 15])
def test_kill_in_the_middle_of_a_batch_loses_nothing_and_doubles_nothing(world: World, started, stored_before_kill):
    keys = world.ask_for_rendered(30)
    first = started(visibility_timeout_s=4, renewal_interval_s=1, batch_photos=3)
    wait_until(lambda: len(first.events("stored")) >= stored_before_kill, "some results are stored")
    first.process.send_signal(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    held = world.queue.depth()[1]
    assert held > 0, "it was killed while it held messages"
    assert len(world.results()) < len(keys)

    second = started("--drain", visibility_timeout_s=30)
    assert second.wait() == 0, second.log()
    results = world.results()
    assert Counter(r.photo.key for r in results) == Counter(keys)
    assert Counter(r.identity() for r in world.rows()) == Counter(r.identity() for r in results)
    assert world.depths() == (0, 0)


def test_two_workers_share_one_queue(world: World, started):
    keys = world.ask_for_rendered(60)
    pair = [started("--drain", max_in_flight_messages=10, batch_photos=4) for _ in range(2)]
    assert [process.wait() for process in pair] == [0, 0]
    shares = [len(process.events("stored")) for process in pair]
    assert sum(shares) == 60
    assert min(shares) >= 5, shares
    assert Counter(r.photo.key for r in world.results()) == Counter(keys)


def test_sigterm_ends_the_worker_with_its_work_stored_or_given_back(world: World, started):
    keys = world.ask_for_rendered(40)
    process = started(batch_photos=2)
    wait_until(lambda: process.events("stored"), "the first result is stored")
    process.process.send_signal(signal.SIGTERM)
    process.process.send_signal(signal.SIGTERM)
    assert process.wait() == 0, process.log()
    visible, hidden = world.queue.depth()
    assert hidden == 0
    assert visible == len(keys) - len(world.results()) > 0


def test_probes_and_metrics_tell_the_state_of_a_running_worker(world: World, started):
    world.ask_for_rendered(2)
    process = started()
    port = process.wait_until_started()

    def status(path: str) -> int:
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5).status
        except urllib.error.HTTPError as error:
            return error.code

    wait_until(lambda: status("/readyz") == 200, "ready")
    assert status("/healthz") == 200
    wait_until(lambda: process.metric("vehicle_damage_messages_total", outcome="deleted") == 2, "both deleted")
    assert process.metric("vehicle_damage_in_flight_messages") == 0
    assert process.metric("vehicle_damage_stage_seconds_count", stage="decode") == 2


def test_start_logs_every_setting_but_no_secret(world: World, started):
    process = started("--drain", ledger_url=f"sqlite:///{world.folder / 'secret-name.sqlite3'}")
    assert process.wait() == 0, process.log()
    (line,) = process.events("started")
    assert line["queue_url"] == world.queue_url
    assert len(line["model_set"]) == 16
    assert "secret-name" not in process.log()


def test_an_outage_of_the_queue_is_survived(world: World, started):
    process = started(receive_wait_s=0)
    process.wait_until_started()
    os.kill(world.aws.process_id, signal.SIGSTOP)
    try:
        wait_until(lambda: process.events("unavailable"), "the outage is noticed", 60)
    finally:
        os.kill(world.aws.process_id, signal.SIGCONT)
    keys = world.ask_for_rendered(3)
    wait_until(lambda: len(world.results()) == 3, "work goes on after the outage", 60)
    assert Counter(r.photo.key for r in world.results()) == Counter(keys)


def test_a_worker_that_is_told_to_end_while_it_loads_its_models_ends_at_once(world: World, started):
    store = world.folder / "models"
    store.mkdir()
    os.mkfifo(store / "promoted.json")  # whoever reads it waits
    process = started(model_store=str(store))
    held: list[int] = []

    def is_loading() -> bool:
        try:
            held.append(os.open(store / "promoted.json", os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    wait_until(is_loading, "the worker reads its models")
    process.process.terminate()
    assert process.wait() == 0, process.log()
    os.close(held[0])
    assert process.events("started") == []
