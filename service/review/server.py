"""server: the pages on a port, until SIGTERM."""

import signal
import socket
from typing import Final

import structlog
import uvicorn
from starlette.types import ASGIApp

from service.errors import SetupError

_LOG: Final = structlog.get_logger()
_MOST_CONNECTIONS: Final = 128  # beyond them, 503
_BACKLOG: Final = 256
_LARGEST_HEADERS_BYTES: Final = 64 * 1024


def bind_port(host: str, port: int) -> socket.socket:
    """Take a port.

    Args:
        host: address to bind.
        port: port to bind; 0 takes any free one.

    Raises:
        SetupError: the port cannot be bound.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except (OSError, OverflowError) as error:
        raise SetupError(f"http port {host}:{port}: {getattr(error, 'strerror', None) or error}") from error


def serve(app: ASGIApp, bound: socket.socket, *, grace_s: float) -> None:
    """Answer until SIGTERM or SIGINT, then end what is being answered and return.

    Args:
        app: the pages.
        bound: the port; closed on return.
        grace_s: answers may take so long after the signal.
    """
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="on",
        log_config=None,
        log_level="critical",  # a bug is in our own log, with its page
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        backlog=_BACKLOG,
        h11_max_incomplete_event_size=_LARGEST_HEADERS_BYTES,
        timeout_graceful_shutdown=max(round(grace_s), 1),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _note_stop)  # the server raises the signal again when it has stopped: the end is exit 0
    uvicorn.Server(config).run(sockets=[bound])


def _note_stop(number: int, _frame: object) -> None:
    _LOG.info("stopped", signal=signal.Signals(number).name)
