"""The chart's two scripts, run as its pods run them, against real SQS and S3."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, make_url, text

from service.embedded import EmbeddedAws
from service.ledger_engine import open_engine
from service.ledger_schema import migrate
from service.sqs import Queue
from tests.charts.chart import CHART_DIR


def run_script(aws: EmbeddedAws, name: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("VEHICLE_DAMAGE_", "AWS_"))}
    return subprocess.run(
        [sys.executable, str(CHART_DIR / "scripts" / name), *arguments],
        env={**environment, **aws.environment, **{f"VEHICLE_DAMAGE_{key}": value for key, value in settings.items()}},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_prepare_makes_the_queue_its_dead_letter_queue_and_the_buckets(aws: EmbeddedAws, tmp_path: Path) -> None:
    queue, bucket, ready = f"photos-{uuid4().hex[:8]}", f"photos-{uuid4().hex[:8]}", tmp_path / "ready"
    arguments = ("--queue", queue, "--bucket", bucket, "--ready-file", str(ready), "--visibility-timeout=90", "--once")
    for _ in range(2):  # the second time, everything is there
        done = run_script(aws, "prepare.py", *arguments)
        assert done.returncode == 0, done.stderr
        assert ready.exists()
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    assert Queue(sqs, url).dead_letter_queue().url.endswith(f"/{queue}-dead")
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "90"
    aws.client("s3").head_bucket(Bucket=bucket)


@pytest.fixture
def installed(make_queue: Callable[..., str], make_bucket: Callable[[], str]) -> dict[str, str]:
    """The settings of a worker whose queue and buckets exist."""
    return {"QUEUE_URL": make_queue(), "PHOTO_BUCKETS": make_bucket(), "RESULTS_BUCKET": make_bucket()}


def test_the_check_passes_where_a_worker_could_work_and_takes_no_message(
    aws: EmbeddedAws, installed: dict[str, str]
) -> None:
    sqs = aws.client("sqs")
    sqs.send_message(QueueUrl=installed["QUEUE_URL"], MessageBody="{}")
    done = run_script(aws, "check.py", **installed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["ok"] * 5
    assert Queue(sqs, installed["QUEUE_URL"]).depth() == (1, 0)


def test_the_check_names_everything_that_is_missing(
    aws: EmbeddedAws, installed: dict[str, str], tmp_path: Path
) -> None:
    wrong = {"PHOTO_BUCKETS": "no-such-bucket", "MODEL_STORE": str(tmp_path), "LEDGER_URL": "mysql://ledger"}
    done = run_script(aws, "check.py", "--review=http://127.0.0.1:1", **(installed | wrong))
    assert done.returncode == 1
    for word in ("bucket no-such-bucket", "models: ", "ledger: ", "review http://127.0.0.1:1: "):
        assert f"WRONG {word}" in done.stdout
    assert "ok    queue" in done.stdout


@pytest.fixture
def empty_database(postgres_url: str) -> str:
    """URL of a database without tables."""
    name = f"check_{uuid4().hex[:8]}"
    server = create_engine(postgres_url, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    server.dispose()
    return make_url(postgres_url).set(database=name).render_as_string(hide_password=False)


def test_the_check_asks_for_the_migration(aws: EmbeddedAws, installed: dict[str, str], empty_database: str) -> None:
    before = run_script(aws, "check.py", **installed, LEDGER_URL=empty_database)
    assert before.returncode == 1
    assert "vehicle-damage ledger migrate" in before.stdout
    migrate(open_engine(empty_database))
    after = run_script(aws, "check.py", **installed, LEDGER_URL=empty_database)
    assert after.returncode == 0, after.stdout + after.stderr
