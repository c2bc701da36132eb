"""Commands as a person runs them: real processes, real exit codes, one clear line when something is wrong."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import typer

from models.store import PRETRAINED_DIR
from service import cli
from service.commands.reference import describe_metrics, describe_settings
from service.result import InspectionResult
from tests import photos
from tests.service.world import World, rendered_jpeg

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def world(aws, tmp_path: Path) -> World:
    return World(aws, tmp_path)


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service.cli", *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def run_in(world: World, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run(
        *arguments,
        **{
            **world.aws.environment,
            "VEHICLE_DAMAGE_QUEUE_URL": world.queue_url,
            "VEHICLE_DAMAGE_PHOTO_BUCKETS": world.photo_bucket,
            "VEHICLE_DAMAGE_RESULTS_BUCKET": world.results_bucket,
            "VEHICLE_DAMAGE_LEDGER_URL": world.ledger_url,
            "VEHICLE_DAMAGE_HTTP_PORT": "0",
            "VEHICLE_DAMAGE_RECEIVE_WAIT_S": "1",
            **environment,
        },
    )


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"VEHICLE_DAMAGE_QUEUE_URL": ""}, "VEHICLE_DAMAGE_QUEUE_URL"),
        ({"VEHICLE_DAMAGE_PHOTO_BUCKETS": ""}, "VEHICLE_DAMAGE_PHOTO_BUCKETS"),
        ({"VEHICLE_DAMAGE_RESULTS_BUCKET": ""}, "VEHICLE_DAMAGE_RESULTS_BUCKET"),
        ({"VEHICLE_DAMAGE_BATCH_PHOTOS": "many"}, "VEHICLE_DAMAGE_BATCH_PHOTOS"),
        ({"VEHICLE_DAMAGE_SCRATCH_POLICY": "magic"}, "VEHICLE_DAMAGE_SCRATCH_POLICY"),
        ({"VEHICLE_DAMAGE_RENEWAL_INTERVAL_S": "100"}, "VEHICLE_DAMAGE_RENEWAL_INTERVAL_S"),
        ({"VEHICLE_DAMAGE_RESULTS_BUCKET": "no-such-bucket"}, "bucket no-such-bucket: there is no such bucket"),
        ({"VEHICLE_DAMAGE_PHOTO_BUCKETS": "no-such-bucket"}, "bucket no-such-bucket: there is no such bucket"),
        ({"VEHICLE_DAMAGE_MODEL_STORE": "/nonexistent/models"}, "/nonexistent/models"),
        ({"VEHICLE_DAMAGE_LEDGER_URL": "sqlite:////nonexistent/l.sqlite3"}, "ledger sqlite:////nonexistent"),
        ({"VEHICLE_DAMAGE_LEDGER_URL": "nonsense"}, "ledger: expected"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "queue http"),
    ],
)
def test_a_worker_that_cannot_start_says_why_in_one_line_and_exits_2(world: World, environment, words):
    done = run_in(world, "worker", "--drain", **environment)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_worker_without_its_queue_exits_2_naming_it(world: World):
    done = run_in(world, "worker", "--drain", VEHICLE_DAMAGE_QUEUE_URL=world.queue_url + "-gone")
    assert done.returncode == 2
    assert done.stderr.strip() == f"vehicle-damage: queue {world.queue_url}-gone: there is no such queue"


def test_photos_enqueued_from_disk_are_inspected_and_listed_by_vehicle(world: World, tmp_path: Path):
    folder = tmp_path / "drive"
    folder.mkdir()
    for i in range(12):
        (folder / f"{i}.jpg").write_bytes(rendered_jpeg(i % 4))
    asked = run_in(
        world, "enqueue", str(folder), "--bucket", world.photo_bucket, "--queue-url", world.queue_url,
        "--vehicle-id", "car-7", "--view", "left", "--taken-at", "2026-05-06T07:08:09Z", "--prefix", "d/",
    )  # fmt: skip
    assert asked.returncode == 0, asked.stderr
    assert "12 photos enqueued" in asked.stdout
    worked = run_in(world, "worker", "--drain")
    assert worked.returncode == 0, worked.stderr
    results = world.results()
    assert {r.photo.key for r in results} == {f"d/{i}.jpg" for i in range(12)}
    assert {(r.vehicle_id, r.view) for r in results} == {("car-7", "left")}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--bucket", "no-such-bucket"], "bucket no-such-bucket"),
        (["--view", "above"], "view"),
        (["--taken-at", "yesterday"], "taken_at"),
    ],
)
def test_enqueue_refuses_what_no_worker_would_take(world: World, tmp_path: Path, options, words):
    photo = tmp_path / "a.jpg"
    photo.write_bytes(rendered_jpeg(0))
    given = options if "--bucket" in options else ["--bucket", world.photo_bucket, *options]
    done = run_in(world, "enqueue", str(photo), *given)
    assert done.returncode == 2
    assert words in done.stderr
    assert world.depths() == (0, 0)


def test_inspect_prints_one_schema_valid_line_a_photo_and_overlays_that_open(tmp_path: Path):
    for i in range(3):
        (tmp_path / f"{i}.jpg").write_bytes(rendered_jpeg(i))
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "0.jpg").write_bytes(rendered_jpeg(0))
    done = run("inspect", "--json", "--overlay", str(tmp_path / "overlays"), str(tmp_path))
    assert done.returncode == 0, done.stderr
    results = [InspectionResult.model_validate_json(line) for line in done.stdout.splitlines()]
    assert [r.image_id for r in results] == ["0.jpg", "1.jpg", "2.jpg", "0.jpg"]
    overlays = sorted((tmp_path / "overlays").iterdir())
    assert [path.name for path in overlays] == ["0-2.png", "0.png", "1.png", "2.png"]
    assert all(cv2.imread(str(path)).shape == (240, 320, 3) for path in overlays)
    first = json.loads(done.stdout.splitlines()[0])
    assert list(first)[:3] == ["image_id", "damage_level", "regions"] or {"image_id", "damage_level", "regions"} <= set(
        first
    )


def test_inspect_rejects_what_is_no_photo_and_exits_1(tmp_path: Path):
    (tmp_path / "page.jpg").write_bytes(photos.unreadable()["html.jpg"])
    (tmp_path / "good.jpg").write_bytes(rendered_jpeg(0))
    done = run("inspect", "--json", str(tmp_path / "page.jpg"), str(tmp_path / "good.jpg"), str(tmp_path / "gone.jpg"))
    assert done.returncode == 1
    page, good, gone = (InspectionResult.model_validate_json(line) for line in done.stdout.splitlines())
    assert (page.status, page.error) == ("rejected", "PhotoUnreadable")
    assert good.status in ("inspected", "undamaged")
    assert (gone.status, gone.error) == ("rejected", "PhotoMissing")


def test_inspect_without_models_exits_2_naming_the_folder(tmp_path: Path):
    (tmp_path / "good.jpg").write_bytes(rendered_jpeg(0))
    done = run("inspect", str(tmp_path / "good.jpg"), "--models", str(tmp_path / "nowhere"))
    assert done.returncode == 2
    assert str(tmp_path / "nowhere") in done.stderr


def test_a_damaged_model_file_never_serves(tmp_path: Path):
    models = tmp_path / "models"
    shutil.copytree(PRETRAINED_DIR, models)
    weights = next(models.glob("gate/*/*.bin"))
    body = bytearray(weights.read_bytes())
    body[len(body) // 2] ^= 1
    weights.write_bytes(bytes(body))
    (tmp_path / "good.jpg").write_bytes(rendered_jpeg(0))
    done = run("inspect", str(tmp_path / "good.jpg"), "--models", str(models))
    assert done.returncode == 2
    assert "gate" in done.stderr
    assert "sha256" in done.stderr


def test_dead_letters_are_listed_with_their_reason_and_sent_back(world: World):
    dead = world.queue.dead_letter_queue()
    body = world.message("some.jpg")
    for _ in dead.send([body]):
        pass
    listed = run_in(world, "dead-letters", "list", "--json")
    assert listed.returncode == 0, listed.stderr
    (letter,) = (json.loads(line) for line in listed.stdout.splitlines())
    assert letter["body"] == body
    assert letter["photos"] == [f"s3://{world.photo_bucket}/some.jpg"]
    assert world.depths() == (0, 1)
    sent = run_in(world, "dead-letters", "requeue")
    assert sent.stdout.strip() == "1 messages sent back"
    assert world.depths() == (1, 0)


def every_command(group, path=()):
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from every_command(command, (*path, name))
        else:
            yield (*path, name), command


def test_every_command_has_help_with_an_example():
    commands = list(every_command(typer.main.get_command(cli.app)))
    assert len(commands) >= 7
    for path, command in commands:
        assert "Example: vehicle-damage" in command.help or "vehicle-damage worker" in command.help, path


def test_the_readme_holds_the_reference_tables_as_the_code_has_them():
    readme = README.read_text(encoding="utf-8")
    assert describe_settings() in readme
    assert describe_metrics() in readme


def test_the_readme_names_every_command():
    readme = README.read_text(encoding="utf-8")
    for path, _ in every_command(typer.main.get_command(cli.app)):
        assert "vehicle-damage " + " ".join(path) in readme, path
