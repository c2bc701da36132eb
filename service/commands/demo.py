"""demo: the whole main job on one machine: render, upload, enqueue, work the queue empty, show.

SQS and S3 are real protocols on loopback; the worker is the one that runs in production.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import cv2
import structlog

from models.renderer import render_photo
from service.assembly import build_worker, load_models
from service.embedded import EmbeddedAws, run_embedded_aws
from service.errors import SetupError
from service.ledger import open_ledger
from service.request import InspectionRequest, PhotoLocation
from service.result import InspectionResult
from service.review.overlay import draw_overlay, write_png
from service.review.page import build_page
from service.settings import Settings
from service.sqs import Queue
from service.stages.decode import decode_photo

_LOG: Final = structlog.get_logger()
_PHOTO_BUCKET: Final = "fleet-photos"
_RESULTS_BUCKET: Final = "inspections"
_VIEWS: Final = ("front", "rear", "left", "right")
_DAMAGES: Final = (("scratch",), (), ("dent",), (), ("scratch", "dent"), ("spacing",), (), ("scratch",))
_FIRST_DRIVE: Final = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
_JPEG_QUALITY: Final = 92


@dataclass(frozen=True)
class DemoPhoto:
    """One photo of the demo: its JPEG and the message that asks for it."""

    body: bytes
    request: InspectionRequest


def run_demo(settings: Settings, *, photos: int, out: Path) -> list[InspectionResult]:
    """Run the main job once and write what it found.

    Args:
        settings: sizes, times and policies; queue, buckets and ledger are the demo's own.
        photos: how many to render.
        out: folder for results/*.json, overlays/*.png and index.html.

    Returns:
        The results as the ledger has them, in the order the photos were taken.

    Raises:
        SetupError: the emulator does not start, or the folder cannot be written to.
    """
    for folder in ("results", "overlays"):
        try:
            (out / folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SetupError(f"{out}: {error.strerror}") from error
        for stale in (out / folder).iterdir():
            stale.unlink()
    models = load_models(settings)
    with run_embedded_aws() as aws:
        own = settings.model_copy(
            update={
                "queue_url": aws.create_queue("photos-to-inspect"),
                "photo_buckets": (aws.create_bucket(_PHOTO_BUCKET),),
                "results_bucket": aws.create_bucket(_RESULTS_BUCKET),
            }
        )
        demo_photos = render_demo_photos(photos)
        _ask(aws, own.queue_url, demo_photos)
        for stale in out.glob("ledger.sqlite3*"):
            stale.unlink()
        ledger = open_ledger(f"sqlite:///{out / 'ledger.sqlite3'}")
        build_worker(own, models, ledger, sqs=aws.client("sqs"), s3=aws.client("s3")).run(drain=True)
        results = ledger.fetch_results(limit=max(photos, 1))
        ledger.close()
    _write(out, demo_photos, results)
    return results


def demo_scenes(photos: int) -> list[dict[str, Any]]:
    """Arguments of render_photo for each photo: cars from four sides, about half of them damaged."""
    return [
        {
            "seed": number,
            "vehicle_seed": number // len(_VIEWS),
            "view": _VIEWS[number % len(_VIEWS)],
            "damages": _DAMAGES[number % len(_DAMAGES)],
            "is_close_up": False,
        }
        for number in range(photos)
    ]


def render_demo_photos(photos: int) -> list[DemoPhoto]:
    """Render the scenes and phrase their messages; the same number gives the same photos."""
    rendered = []
    for number, scene in enumerate(demo_scenes(photos)):
        image = render_photo(**scene).image
        options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        _, encoded = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
        vehicle_id = f"car-{scene['vehicle_seed'] + 1:03}"
        request = InspectionRequest(
            photo=PhotoLocation(bucket=_PHOTO_BUCKET, key=f"drives/{vehicle_id}/photo-{number + 1:04}.jpg"),
            vehicle_id=vehicle_id,
            view=scene["view"],
            taken_at=_FIRST_DRIVE + timedelta(minutes=number),
        )
        rendered.append(DemoPhoto(encoded.tobytes(), request))
    return rendered


def _ask(aws: EmbeddedAws, queue_url: str, demo_photos: Sequence[DemoPhoto]) -> None:
    s3 = aws.client("s3")
    for photo in demo_photos:
        location = photo.request.photo
        s3.put_object(Bucket=location.bucket, Key=location.key, Body=photo.body, ContentType="image/jpeg")
    bodies = [photo.request.model_dump_json(exclude_none=True) for photo in demo_photos]
    for sent in Queue(aws.client("sqs"), queue_url).send(bodies):
        _LOG.debug("sent", messages=sent)


def _write(out: Path, demo_photos: Sequence[DemoPhoto], results: Sequence[InspectionResult]) -> None:
    bodies = {photo.request.photo.key: photo.body for photo in demo_photos}
    for result in results:
        stem = Path(result.image_id).stem
        (out / "results" / f"{stem}.json").write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
        overlay = draw_overlay(decode_photo(bodies[result.photo.key]), result)
        write_png(out / "overlays" / f"{stem}.png", overlay)
    (out / "index.html").write_text(build_page(results), encoding="utf-8")
