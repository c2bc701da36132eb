"""Every command of vehicle-damage; the only place that wires parts together."""

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import structlog
import typer
from rich import box
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from models.cli import app as models_app
from service.assembly import build_limits, build_worker, load_models
from service.aws import build_client, check_bucket
from service.commands.capacity import capacity
from service.commands.dead_letters import list_dead_letters, requeue_dead_letters
from service.commands.demo import run_demo
from service.commands.enqueue import enqueue_photos
from service.commands.inspection import inspect_files, list_photos
from service.commands.jobs import jobs_app
from service.commands.ledger import migrate_ledger
from service.commands.reference import REFERENCES
from service.commands.rollout import register as register_rollout
from service.errors import DamageServiceError, SetupError
from service.ledger import open_ledger
from service.logs import configure_logs
from service.pipeline import Pipeline
from service.probes import ProbeServer
from service.queue_watch import QueueWatch
from service.result import InspectionResult
from service.review.overlay import draw_overlay, write_png
from service.review.page import count_regions
from service.settings import Settings, load_settings
from service.sqs import Queue
from service.stages import STAGES

_LOG: Final = structlog.get_logger()
_EXIT_SETUP: Final = 2
_PIPE_COLUMNS: Final = 160

app = typer.Typer(
    help="Finds damage on photographed vehicles.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
dead_letters_app = typer.Typer(help="What failed too often, why, and the way back.", no_args_is_help=True)
app.add_typer(dead_letters_app, name="dead-letters")
ledger_app = typer.Typer(help="The ledger's tables.", no_args_is_help=True)
app.add_typer(ledger_app, name="ledger")
app.add_typer(models_app, name="models")
app.add_typer(jobs_app, name="jobs")
register_rollout(app)
app.command()(capacity)

QueueUrl = Annotated[str, typer.Option(help="SQS queue; else VEHICLE_DAMAGE_QUEUE_URL.")]
ModelStoreUrl = Annotated[str | None, typer.Option("--models", help="Model store; else VEHICLE_DAMAGE_MODEL_STORE.")]


@app.command()
def demo(
    photos: Annotated[int, typer.Option(min=1, max=100_000, help="How many photos to render.")] = 24,
    out: Annotated[Path, typer.Option(help="Folder for results, overlays and index.html.")] = Path("demo"),
) -> None:
    """Render photos of cars, upload and enqueue them, work the queue empty and show what was found.

    Exits 0 only if every photo has its result. Example: vehicle-damage demo --photos 24 --out demo
    """
    settings = load_settings(log_level="warning", log_format="console", receive_wait_s=1)
    configure_logs(level=settings.log_level, form=settings.log_format)
    results = run_demo(settings, photos=photos, out=out)
    _print_table(_tabulate(results))
    typer.echo(f"{len(results)} of {photos} photos have their result; open {out / 'index.html'}")
    if len(results) != photos or any(result.status == "rejected" for result in results):
        raise typer.Exit(1)


@app.command()
def inspect(
    photos: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a photo.")] = False,
    overlay: Annotated[Path | None, typer.Option(help="Folder for an overlay PNG a photo.")] = None,
    models: ModelStoreUrl = None,
) -> None:
    """Inspect photos on disk, without a queue.

    Exits 1 if any photo was rejected. Example: vehicle-damage inspect --json --overlay overlays photo.jpg
    """
    settings = load_settings(log_format="console", **({} if models is None else {"model_store": models}))
    configure_logs(level=settings.log_level, form=settings.log_format)
    paths = list_photos(photos)
    if overlay is not None:
        _make_folder(overlay)
    pipeline = load_models(settings).pipeline
    is_any_rejected, names = False, {""}
    for inspected in inspect_files(paths, pipeline, build_limits(settings), batch_photos=settings.batch_photos):
        result = inspected.result
        typer.echo(result.to_json_line() if as_json else _summarise(result))
        is_any_rejected |= result.status == "rejected"
        if overlay is not None and inspected.image is not None:
            write_png(overlay / f"{_name_apart(inspected.path.stem, names)}.png", draw_overlay(inspected.image, result))
    if is_any_rejected:
        raise typer.Exit(1)


@app.command()
def enqueue(
    paths: Annotated[list[Path], typer.Argument(help="Photos, or folders of photos.")],
    bucket: Annotated[str, typer.Option(help="Bucket to upload to.")],
    queue_url: QueueUrl = "",
    prefix: Annotated[str, typer.Option(help="Start of every key.")] = "",
    vehicle_id: Annotated[str | None, typer.Option(help="The car on every photo.")] = None,
    view: Annotated[str | None, typer.Option(help="The side on every photo: front, rear, left, right, …")] = None,
    taken_at: Annotated[str | None, typer.Option(help="When every photo was taken, RFC 3339.")] = None,
) -> None:
    """Upload photos and ask for their inspection.

    Example: vehicle-damage enqueue drive/*.jpg --bucket fleet-photos --queue-url URL --vehicle-id car-001
    """
    settings = load_settings(log_format="console")
    configure_logs(level=settings.log_level, form=settings.log_format)
    s3 = build_client("s3", connections=10)
    messages = _open_queue(queue_url or settings.queue_url)
    check_bucket(s3, bucket)
    photos = list_photos(paths)
    with Progress(console=Console(stderr=True)) as progress:
        bar = progress.add_task("enqueue", total=len(photos))
        for sent in enqueue_photos(
            photos,
            s3=s3,
            messages=messages,
            bucket=bucket,
            prefix=prefix,
            vehicle_id=vehicle_id,
            view=view,
            taken_at=taken_at,
        ):
            progress.update(bar, completed=sent)
    typer.echo(f"{len(photos)} photos enqueued")


@app.command()
def worker(
    drain: Annotated[bool, typer.Option("--drain", help="Exit 0 when the queue is empty and all is settled.")] = False,
) -> None:
    """Consume the queue until SIGTERM; every variable is in the README's settings.

    Example: VEHICLE_DAMAGE_QUEUE_URL=… VEHICLE_DAMAGE_PHOTO_BUCKETS=… VEHICLE_DAMAGE_RESULTS_BUCKET=… \
vehicle-damage worker --drain
    """
    settings = load_settings()
    settings.require_worker()
    configure_logs(level=settings.log_level, form=settings.log_format)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))  # nothing is received yet; as process 1 it would be ignored
    connections = settings.fetch_threads + settings.store_threads + 4
    sqs, s3 = build_client("sqs", connections=connections), build_client("s3", connections=connections)
    Queue(sqs, settings.queue_url).check()
    for bucket in (*settings.photo_buckets, settings.results_bucket):
        check_bucket(s3, bucket)
    ledger = open_ledger(settings.ledger_url)
    models = load_models(settings)
    running = build_worker(settings, models, ledger, sqs=sqs, s3=s3)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: running.request_stop())
    probes = ProbeServer(settings.http_host, settings.http_port, is_alive=running.is_alive, is_ready=running.is_ready)
    watch = QueueWatch(Queue(sqs, settings.queue_url), interval_s=settings.queue_count_interval_s)
    _announce(settings, models.pipeline, probes.port)
    models.start(settings.model_refresh_s)
    watch.start()
    try:
        running.run(drain=drain)
    finally:
        watch.close()
        models.close()
        probes.close()
        ledger.close()
    _LOG.info("stopped")


@dead_letters_app.command("list")
def list_(
    queue_url: QueueUrl = "",
    limit: Annotated[int, typer.Option(min=1, help="Look at so many, at most.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON line a message.")] = False,
) -> None:
    """Show dead letters with their photos and last failure, and leave them where they are.

    Example: vehicle-damage dead-letters list --queue-url URL --limit 20
    """
    settings, dead, _ = _open_dead_letters(queue_url)
    ledger = open_ledger(settings.ledger_url)
    letters = list_dead_letters(dead, ledger, limit=limit)
    ledger.close()
    if as_json:
        for letter in letters:
            line: dict[str, Any] = {
                "message_id": letter.message.message_id,
                "age_s": round(letter.age_s),
                "photos": letter.photos,
                "attempts": letter.failure.receive_count if letter.failure else None,
                "error": letter.failure.error if letter.failure else None,
                "reason": letter.failure.reason if letter.failure else None,
                "body": letter.message.body,
            }
            typer.echo(json.dumps(line))
        return
    table = Table("message", "age", "photos", "attempts", "why", title=f"{len(letters)} dead letters")
    for letter in letters:
        failure = letter.failure
        table.add_row(
            letter.message.message_id,
            f"{letter.age_s / 3600:.1f} h",
            "\n".join(letter.photos) or "–",
            str(failure.receive_count) if failure else "–",
            f"{failure.error}: {failure.reason}" if failure else "the ledger knows no failure of it",
        )
    _print_table(table)


@dead_letters_app.command()
def requeue(
    message_ids: Annotated[list[str] | None, typer.Argument(help="Only these messages; none: all.")] = None,
    queue_url: QueueUrl = "",
    limit: Annotated[int, typer.Option(min=1, help="Look at so many, at most.")] = 1000,
) -> None:
    """Send dead letters back to the queue.

    Example: vehicle-damage dead-letters requeue --queue-url URL
    """
    _, dead, source = _open_dead_letters(queue_url)
    sent = requeue_dead_letters(dead, source, limit=limit, message_ids=frozenset(message_ids or ()))
    typer.echo(f"{sent} messages sent back")


@ledger_app.callback()
def _ledger() -> None:
    """The ledger's tables."""


@ledger_app.command("migrate")
def migrate() -> None:
    """Create or upgrade the ledger's tables; where they stand, nothing is done.

    Example: vehicle-damage ledger migrate
    """
    for line in migrate_ledger(load_settings().ledger_url):
        typer.echo(line)


@app.command()
def review(
    host: Annotated[str, typer.Option(help="Address to bind; 0.0.0.0 in a pod.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65_535, help="Port to bind; 0 takes any free one.")] = 8080,
) -> None:
    """Serve the operations pages, read-only, until SIGTERM; there is no login: put one in front.

    Example: vehicle-damage review --port 8080
    """
    settings = load_settings()
    configure_logs(level=settings.log_level, form=settings.log_format)
    try:
        from service.commands.review import run_review  # noqa: PLC0415 - only the pages need their packages
    except ModuleNotFoundError as error:
        raise SetupError(f"review: {error.name} is not installed; pip install 'vehicle-damage[review]'") from error
    s3 = build_client("s3", connections=4)
    for bucket in settings.photo_buckets:
        check_bucket(s3, bucket)
    run_review(settings, s3=s3, host=host, port=port)


@app.command()
def reference(
    what: Annotated[
        Literal["settings", "metrics", "request", "result", "rules", "rules-test", "dashboard"],
        typer.Argument(help="What to describe."),
    ],
) -> None:
    """Print a reference from the code.

    Settings or metrics as a table, request or result as JSON Schema, Prometheus' rules and their tests, Grafana's
    dashboard.

    Example: vehicle-damage reference settings
    """
    typer.echo(REFERENCES[what]().rstrip("\n"))


def _open_queue(queue_url: str) -> Queue:
    if not queue_url:
        raise SetupError("queue: give --queue-url or set VEHICLE_DAMAGE_QUEUE_URL")
    opened = Queue(build_client("sqs", connections=4), queue_url)
    opened.check()
    return opened


def _open_dead_letters(queue_url: str) -> tuple[Settings, Queue, Queue]:
    settings = load_settings(log_format="console")
    configure_logs(level=settings.log_level, form=settings.log_format)
    source = _open_queue(queue_url or settings.queue_url)
    return settings, source.dead_letter_queue(), source


def _announce(settings: Settings, pipeline: Pipeline, port: int) -> None:
    """Log what runs: every setting but the ledger's, whose URL may hold a password."""
    shown = settings.model_dump(mode="json", exclude={"ledger_url", "model_set"})
    _LOG.info(
        "started",
        model_set=pipeline.digest,
        stored_set=pipeline.stored_set,
        is_pinned=bool(settings.model_set),
        versions=pipeline.versions,
        port=port,
        **shown,
    )


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SetupError(f"{folder}: {error.strerror}") from error


def _name_apart(stem: str, names: set[str]) -> str:
    """The stem, or the stem and a number if another photo of that name came before."""
    name, number = stem, 2
    while name in names:
        name, number = f"{stem}-{number}", number + 1
    names.add(name)
    return name


def _summarise(result: InspectionResult) -> str:
    gate = "" if result.gate_score is None else f"  gate {result.gate_score:.2f}"
    return f"{result.image_id}: {result.status}{gate}  {result.reason or count_regions(result)}"


def _tabulate(results: Sequence[InspectionResult]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, caption="milliseconds by stage; a batch's time is shared by its photos")
    for name in ("photo", "vehicle", "status", "regions"):
        table.add_column(name, no_wrap=True)
    for stage in STAGES:
        table.add_column(stage, justify="right", no_wrap=True)
    for result in results:
        timings = [f"{result.timings_ms[stage]:.0f}" if stage in result.timings_ms else "–" for stage in STAGES]
        vehicle = f"{result.vehicle_id or '–'} {result.view or ''}".strip()
        status = result.status if result.reason is None else f"{result.status}: {result.reason}"
        table.add_row(result.image_id, vehicle, status, count_regions(result), *timings)
    return table


def _print_table(table: Table) -> None:
    """Print for a terminal of any width; into a pipe, wide enough for every column."""
    console = Console()
    if not console.is_terminal:
        console.width = _PIPE_COLUMNS
    console.print(table)


def main() -> None:
    """Run the command line; an error made on purpose is one line on stderr."""
    try:
        app()
    except DamageServiceError as error:
        typer.echo(f"vehicle-damage: {error}", err=True)
        sys.exit(_EXIT_SETUP if isinstance(error, SetupError) else 1)


if __name__ == "__main__":
    main()
