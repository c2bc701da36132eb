"""review: the operations pages as a server."""

from typing import Any, Final

import structlog

from service.assembly import build_limits
from service.errors import PhotoUnreadable, SetupError
from service.ledger_pages import open_ledger_pages
from service.photo import PhotoStorage
from service.review.app import build_app
from service.review.drawing import PhotoArtist
from service.review.server import bind_port, serve
from service.settings import ENV_PREFIX, Settings
from service.stages.decode import DecodeError, decode_photo

_LOG: Final = structlog.get_logger()


def run_review(settings: Settings, *, s3: Any, host: str, port: int) -> None:
    """Serve the pages until SIGTERM.

    Args:
        settings: ledger, photo buckets, limits of photos and the grace after SIGTERM.
        s3: boto3 S3 client.
        host: address to bind.
        port: port to bind; 0 takes any free one.

    Raises:
        SetupError: no photo bucket is set, no ledger of our version there, or the port is taken.
    """
    if not settings.photo_buckets:
        raise SetupError(f"{ENV_PREFIX}PHOTO_BUCKETS: not set, and the review needs it")
    limits = build_limits(settings)
    storage = PhotoStorage(s3, buckets=settings.photo_buckets, max_bytes=limits.max_bytes)
    ledger = open_ledger_pages(settings.ledger_url)
    try:
        bound = bind_port(host, port)
        _LOG.info("started", host=host, port=bound.getsockname()[1], photo_buckets=settings.photo_buckets)
        serve(build_app(ledger, PhotoArtist(storage, limits, _decode)), bound, grace_s=settings.shutdown_grace_s)
    finally:
        ledger.close()


def _decode(body: bytes) -> Any:
    try:
        return decode_photo(body)
    except DecodeError as error:
        raise PhotoUnreadable(f"photo: {error}") from error
