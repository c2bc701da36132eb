"""Photos on disk are uploaded, then asked for."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.commands.enqueue import enqueue_photos
from service.embedded import EmbeddedAws
from service.errors import SetupError, StorageUnavailable
from service.request import InspectionRequest, parse_message
from service.sqs import Queue
from tests import photos


@pytest.fixture
def queue(aws: EmbeddedAws, make_queue: Callable[..., str]) -> Queue:
    return Queue(aws.client("sqs"), make_queue())


@pytest.fixture
def bucket(make_bucket: Callable[[], str]) -> str:
    return make_bucket()


def write_photos(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(photos.good_jpeg())
    return [folder / name for name in names]


def enqueue(paths: list[Path], aws: EmbeddedAws, queue: Queue, bucket: str, **said: Any) -> list[int]:
    options = {"prefix": "", "vehicle_id": None, "view": None, "taken_at": None, "s3": aws.client("s3"), **said}
    return list(enqueue_photos(paths, messages=queue, bucket=bucket, **options))


def requests_in(queue: Queue, count: int) -> list[InspectionRequest]:
    found: list[InspectionRequest] = []
    while len(found) < count:
        for message in queue.receive(10, wait_s=1, visibility_timeout_s=60):
            found += parse_message(message.body)
    return found


def test_each_photo_is_uploaded_and_asked_for_once(aws: EmbeddedAws, queue: Queue, bucket: str, tmp_path: Path):
    paths = write_photos(tmp_path, *(f"photo {i:02} ü+.jpg" for i in range(23)))

    progress = enqueue(
        paths, aws, queue, bucket, prefix="drive 7/", vehicle_id="car-1", view="left", taken_at="2026-01-05T08:00:00Z"
    )

    assert progress == [10, 20, 23]
    requests = requests_in(queue, 23)
    assert {r.photo.key for r in requests} == {f"drive 7/{path.name}" for path in paths}
    assert {(r.vehicle_id, r.view, r.taken_at) for r in requests} == {
        ("car-1", "left", datetime(2026, 1, 5, 8, tzinfo=UTC))
    }
    stored = aws.client("s3").get_object(Bucket=bucket, Key=requests[0].photo.key)
    assert (stored["Body"].read(), stored["ContentType"]) == (photos.good_jpeg(), "image/jpeg")


@pytest.mark.parametrize(
    ("name", "content_type"),
    [("a.JPG", "image/jpeg"), ("a.png", "image/png"), ("a.webp", "image/webp"), ("a", "application/octet-stream")],
)
def test_the_content_type_follows_the_name(aws, queue, bucket, tmp_path: Path, name: str, content_type: str):
    enqueue(write_photos(tmp_path, name), aws, queue, bucket)
    assert aws.client("s3").head_object(Bucket=bucket, Key=name)["ContentType"] == content_type


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"view": "roof"}, "^view: .*found 'roof'"),
        ({"taken_at": "2026-01-05T08:00:00"}, "^taken_at: "),
        ({"taken_at": "yesterday"}, "^taken_at: "),
        ({"vehicle_id": ""}, "^vehicle_id: "),
        ({"prefix": "p" * 1024}, "^key: "),
    ],
)
def test_what_no_request_can_say_is_refused_before_anything_is_uploaded(
    aws, queue, bucket, tmp_path: Path, said: dict[str, str], words: str
):
    with pytest.raises(SetupError, match=words):
        enqueue(write_photos(tmp_path, "a.jpg"), aws, queue, bucket, **said)
    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket=bucket)
    assert queue.depth() == (0, 0)


def test_a_missing_file_is_named_before_anything_is_uploaded(aws, queue, bucket, tmp_path: Path):
    paths = [*write_photos(tmp_path, "a.jpg"), tmp_path / "never.jpg"]
    with pytest.raises(SetupError, match=r"never\.jpg: no such file"):
        enqueue(paths, aws, queue, bucket)
    assert "Contents" not in aws.client("s3").list_objects_v2(Bucket=bucket)


def test_two_files_of_one_name_are_refused_since_one_would_replace_the_other(aws, queue, bucket, tmp_path: Path):
    paths = write_photos(tmp_path, "monday/front.jpg", "tuesday/front.jpg")
    with pytest.raises(SetupError, match=r"tuesday/front\.jpg: .*monday/front\.jpg has the same name"):
        enqueue(paths, aws, queue, bucket)


def test_nothing_is_asked_for_that_could_not_be_uploaded(aws, queue, bucket, tmp_path: Path, aws_away: EmbeddedAws):
    away = aws_away.client("s3")
    paths = write_photos(tmp_path, "a.jpg")
    with pytest.raises(StorageUnavailable, match=rf"s3://{bucket}/a\.jpg"):
        enqueue(paths, aws, queue, bucket, s3=away)
    with pytest.raises(StorageUnavailable):
        enqueue(paths, aws, queue, "never-created-bucket")
    assert queue.depth() == (0, 0)


def test_no_photos_send_nothing(aws, queue, bucket):
    assert enqueue([], aws, queue, bucket) == []
