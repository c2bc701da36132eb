"""One site with its ledger and its photos for all tests of the pages; each test names vehicles of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from service.embedded import EmbeddedAws
from service.ledger import Ledger, open_ledger
from tests.service.review.site import Site


@dataclass(frozen=True)
class Fleet:
    """What the pages show: rows in, photos in, pages out."""

    site: Site
    ledger: Ledger
    aws: EmbeddedAws
    photo_bucket: str

    def put(self, key: str, body: bytes) -> None:
        self.aws.client("s3").put_object(Bucket=self.photo_bucket, Key=key, Body=body)


@pytest.fixture(scope="session")
def fleet(aws: EmbeddedAws, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """A running site over SQLite and S3."""
    folder: Path = tmp_path_factory.mktemp("review")
    url = f"sqlite:///{folder / 'ledger.sqlite3'}"
    bucket = aws.create_bucket(f"photos-{uuid4().hex[:12]}")
    ledger = open_ledger(url)
    site = Site(aws, folder, ledger_url=url, photo_bucket=bucket, MAX_PHOTO_PX2="2000000", SHUTDOWN_GRACE_S="10")
    try:
        yield Fleet(site, ledger, aws, bucket)
    finally:
        site.end()
        ledger.close()
