"""Looks at all that a worker needs, and takes no message; `helm test` runs it as the worker would run."""

import argparse
import sys
import urllib.request
from collections.abc import Callable

from models.object_store import StoreError
from service.aws import build_client, check_bucket
from service.errors import DamageServiceError, SetupError
from service.ledger_engine import open_engine
from service.ledger_schema import is_current
from service.model_bucket import open_models
from service.settings import Settings, load_settings
from service.sqs import Queue


def check_models(settings: Settings) -> None:
    """Every file of the set that serves is there and is what its card says."""
    store = open_models(settings.model_store)
    try:
        if settings.model_set:
            store.load_set(settings.model_set)
        else:
            store.load_promoted()
    except StoreError as error:
        raise SetupError(f"models: {error}") from error


def check_ledger(settings: Settings) -> None:
    """The ledger answers, and its schema is the one that this version writes."""
    engine = open_engine(settings.ledger_url)
    if engine.dialect.name != "sqlite" and not is_current(engine):
        raise SetupError("ledger: not of this version; `vehicle-damage ledger migrate` brings it up to date")


def check_page(url: str) -> None:
    """The operations pages answer."""
    try:
        with urllib.request.urlopen(f"{url}/healthz", timeout=10):
            return
    except OSError as error:
        raise SetupError(f"review {url}: {error}") from error


def main() -> int:
    """Look at everything; 1 when anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--review", default="", help="URL of the operations pages, where they run")
    options = parser.parse_args()
    settings = load_settings()
    settings.require_worker()
    s3 = build_client("s3", connections=1)
    checks: list[tuple[str, Callable[[], None]]] = [
        ("queue", Queue(build_client("sqs", connections=1), settings.queue_url).check),
        *[
            (f"bucket {name}", lambda name=name: check_bucket(s3, name, must_list=True))
            for name in (*settings.photo_buckets, settings.results_bucket)
        ],
        ("models", lambda: check_models(settings)),
        ("ledger", lambda: check_ledger(settings)),
    ]
    if options.review:
        checks.append(("review", lambda: check_page(options.review)))
    is_well = True
    for name, check in checks:
        try:
            check()
            print(f"ok    {name}")
        except DamageServiceError as error:
            is_well = False
            print(f"WRONG {error}")
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
