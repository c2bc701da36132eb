"""enqueue: photos on disk are uploaded and asked for."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import ValidationError

from service.errors import SetupError, StorageUnavailable
from service.request import InspectionRequest, PhotoLocation
from service.sqs import MAX_BATCH, Queue

_CONTENT_TYPES: Final = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}


def enqueue_photos(
    paths: Sequence[Path],
    *,
    s3: Any,
    messages: Queue,
    bucket: str,
    prefix: str,
    vehicle_id: str | None,
    view: str | None,
    taken_at: str | None,
) -> Iterator[int]:
    """Upload photos and send one message each; a message is sent only after its photo lies there.

    Args:
        paths: files; their names become the keys, after prefix.
        s3: boto3 S3 client.
        messages: where to ask.
        bucket: where to upload.
        prefix: start of every key.
        vehicle_id: said of every photo.
        view: said of every photo.
        taken_at: said of every photo, RFC 3339.

    Yields:
        How many messages have been sent so far, after each batch.

    Raises:
        SetupError: a file that is missing, two files of one name, an unknown view, a time without zone.
        StorageUnavailable: S3 does not take a photo.
        QueueUnavailable: SQS does not take a message.
    """
    requests = _build_requests(paths, bucket=bucket, prefix=prefix, vehicle_id=vehicle_id, view=view, taken_at=taken_at)
    sent = 0
    for start in range(0, len(paths), MAX_BATCH):
        batch = requests[start : start + MAX_BATCH]
        for path, request in zip(paths[start : start + MAX_BATCH], batch, strict=True):
            _upload(s3, path, request.photo)
        for count in messages.send([request.model_dump_json(exclude_none=True) for request in batch]):
            yield sent + count
        sent += len(batch)


def _build_requests(paths: Sequence[Path], *, bucket: str, prefix: str, **said: Any) -> list[InspectionRequest]:
    by_key: dict[str, Path] = {}
    requests = []
    for path in paths:
        if not path.is_file():
            raise SetupError(f"{path}: no such file")
        key = prefix + path.name
        if key in by_key:
            raise SetupError(f"{path}: {by_key[key]} has the same name, so both would become {key}; give --prefix")
        by_key[key] = path
        try:
            requests.append(InspectionRequest(photo=PhotoLocation(bucket=bucket, key=key), **said))
        except ValidationError as error:
            first = error.errors()[0]
            raise SetupError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}, found {first['input']!r}") from error
    return requests


def _upload(s3: Any, path: Path, photo: PhotoLocation) -> None:
    extra = {"ContentType": _CONTENT_TYPES.get(path.suffix.lower(), "application/octet-stream")}
    try:
        s3.upload_file(str(path), photo.bucket, photo.key, ExtraArgs=extra)
    except (ClientError, BotoCoreError, S3UploadFailedError) as error:
        raise StorageUnavailable(f"s3://{photo.bucket}/{photo.key}: {error}") from error
