"""The worker's HTTP port: /metrics for Prometheus, /healthz and /readyz for the kubelet."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from service.errors import SetupError
from service.metrics import REGISTRY


class ProbeServer:
    """Serves the three paths from a thread of its own."""

    def __init__(self, host: str, port: int, *, is_alive: Callable[[], bool], is_ready: Callable[[], bool]) -> None:
        """Bind the port.

        Args:
            host: address to bind.
            port: port to bind; 0 takes any free one.
            is_alive: what /healthz answers.
            is_ready: what /readyz answers.

        Raises:
            SetupError: the port cannot be bound.
        """
        answers = {"/healthz": is_alive, "/readyz": is_ready}

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/metrics":
                    self._answer(200, CONTENT_TYPE_LATEST, generate_latest(REGISTRY))
                elif self.path in answers:
                    is_well = answers[self.path]()
                    self._answer(200 if is_well else 503, "text/plain", b"ok\n" if is_well else b"no\n")
                else:
                    self._answer(404, "text/plain", b"expected /metrics, /healthz or /readyz\n")

            def _answer(self, status: int, content_type: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *arguments: Any) -> None:
                """Probes come every few seconds: say nothing."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise SetupError(f"http port {host}:{port}: {error.strerror}") from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="probes", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port that was bound."""
        return self._server.server_address[1]

    def close(self) -> None:
        """Stop to answer and free the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)
