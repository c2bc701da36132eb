"""The pages as a process of their own, and what a browser sees of them."""

import http.client
import json
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from service.embedded import EmbeddedAws
from tests.service.world import wait_until

_RUN: str = """
from service.aws import build_client
from service.commands.review import run_review
from service.logs import configure_logs
from service.settings import load_settings
settings = load_settings()
configure_logs(level=settings.log_level, form=settings.log_format)
run_review(settings, s3=build_client("s3", connections=10), host="127.0.0.1", port=0)
"""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def outline(self) -> "Outline":
        outline = Outline()
        outline.feed(self.text)
        outline.close()
        return outline


class Outline(HTMLParser):
    """Tags with their attributes, and the text; every tag that must be closed is."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "link", "input"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def close(self) -> None:
        super().close()
        assert self._open == []

    def values(self, tag: str, attribute: str) -> list[str]:
        """An attribute of every such tag that has it."""
        return [said[attribute] or "" for name, said in self.tags if name == tag and attribute in said]


class Site:
    """The pages, answering on a port of their own."""

    def __init__(self, aws: EmbeddedAws, folder: Path, *, ledger_url: str, photo_bucket: str, **more: str) -> None:
        chosen = {"LEDGER_URL": ledger_url, "PHOTO_BUCKETS": photo_bucket, **more}
        self._log_path = folder / "review.log"
        root = Path(__file__).resolve().parents[3]
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _RUN],
                cwd=root,
                env={
                    **os.environ,
                    **aws.environment,
                    "PYTHONPATH": str(root),
                    **{f"VEHICLE_DAMAGE_{name}": value for name, value in chosen.items()},
                },
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: self.events("started") or self.process.poll() is not None, "review started")
        assert self.events("started"), self.log()
        self.port: int = self.events("started")[0]["port"]

    def log(self) -> str:
        return self._log_path.read_text(encoding="utf-8")

    def events(self, name: str) -> list[dict[str, Any]]:
        """Log lines of one event."""
        lines = [line for line in self.log().splitlines() if line.startswith("{") and line.endswith("}")]
        return [event for event in map(json.loads, lines) if event.get("event") == name]

    def ask(self, path: str, method: str = "GET") -> Answer:
        """One request, sent as it is written."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.request(method, path)
            answer = connection.getresponse()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, headers, answer.read())

    def end(self) -> None:
        """Kill it if it still runs."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
