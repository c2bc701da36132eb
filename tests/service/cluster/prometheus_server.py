"""A Prometheus that answers /api/v1/query from a table: which part of an expression gives which series."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


@dataclass
class Answers:
    series: dict[str, list[tuple[dict[str, str], float]]] = field(default_factory=dict)
    expressions: list[str] = field(default_factory=list)
    status: int = 200
    body: bytes | None = None

    def tell(
        self, digest: str, *, inspected: float, undamaged: float, regions: float, failures: float, mean_s: float
    ) -> None:
        """Fill in what the pods of one set did; its label is the digest with "served-" before it."""
        name = f"served-{digest}"
        self.forget(digest)
        for metric, rows in {
            "vehicle_damage_model_set_info": [({"stored_set": digest}, 1.0)],
            "vehicle_damage_photos_total": [({"status": "inspected"}, inspected), ({"status": "undamaged"}, undamaged)],
            "vehicle_damage_regions_total": [({}, regions)],
            "vehicle_damage_failures_total": [({}, failures)],
            "vehicle_damage_stage_seconds_sum": [
                ({"stage": "gate"}, mean_s / 4),
                ({"stage": "segment"}, mean_s * 3 / 4),
            ],
        }.items():
            self.series.setdefault(metric, []).extend(({"model_set": name, **labels}, value) for labels, value in rows)

    def forget(self, digest: str) -> None:
        for rows in self.series.values():
            rows[:] = [row for row in rows if row[0]["model_set"] != f"served-{digest}"]


@contextmanager
def run_prometheus() -> Iterator[tuple[str, Answers]]:
    """Serve on a loopback port; yields its URL and its answers."""
    answers = Answers()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            expression = form["query"][0]
            answers.expressions.append(expression)
            rows = next((rows for metric, rows in answers.series.items() if metric in expression), [])
            body: Any = {
                "status": "success" if answers.status == 200 else "error",
                "error": "scripted",
                "data": {"result": [{"metric": labels, "value": [0, str(value)]} for labels, value in rows]},
            }
            data = answers.body if answers.body is not None else json.dumps(body).encode()
            self.send_response(answers.status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", answers
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
