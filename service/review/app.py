"""app: the operations pages over HTTP, read-only: the newest inspections, one inspection, one car."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import anyio
import structlog
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from service.errors import BadRequest, DamageServiceError, LedgerUnavailable, PhotoMissing, PhotoUnreadable
from service.ledger_pages import LedgerPages
from service.result import InspectionResult
from service.review.asking import Asked, AskedList, AskedPhoto, BadQuestion, parse_question
from service.review.drawing import PhotoArtist
from service.review.headers import SafeHeaders
from service.review.html import STYLE, PageWriter

_LOG: Final = structlog.get_logger()
_LIST_PHOTOS: Final = 24
_VEHICLE_PHOTOS: Final = 96
_PAGE_THREADS: Final = 8
_PHOTO_THREADS: Final = 2  # each may hold a decoded photo of the largest size
_ICON: Final = (Path(__file__).parent / "static" / "icon.svg").read_bytes()
_PHOTO_STATUS: Final[dict[type[DamageServiceError], int]] = {BadRequest: 403, PhotoMissing: 404, PhotoUnreadable: 422}


class ReviewPages:
    """One handler a page."""

    def __init__(self, ledger: LedgerPages, artist: PhotoArtist) -> None:
        """Name the parts.

        Args:
            ledger: what was found.
            artist: shows photos.
        """
        self._ledger = ledger
        self._artist = artist
        self._writer = PageWriter()
        self._photo_threads = anyio.CapacityLimiter(_PHOTO_THREADS)

    def show_list(self, request: Request) -> Response:
        """The newest inspections that fit."""
        asked = parse_question(AskedList, request.query_params)
        page = self._ledger.fetch_newest(asked.to_filter(), below=asked.below, limit=_LIST_PHOTOS)
        return self._page("inspections.html", **self._writer.list_facts(page, asked))

    def show_inspection(self, request: Request) -> Response:
        """One inspection: its photo with and without marks, every region, every field."""
        _expect_nothing(request)
        return self._page("inspection.html", **self._writer.inspection_facts(self._find(request)))

    def show_result(self, request: Request) -> Response:
        """One inspection's result as its JSON."""
        _expect_nothing(request)
        return Response(self._find(request).model_dump_json(indent=2) + "\n", media_type="application/json")

    def show_vehicle(self, request: Request) -> Response:
        """One car: its photos side by side, the last taken first."""
        asked = parse_question(Asked, request.query_params)
        vehicle_id = request.path_params["name"]
        page = self._ledger.fetch_vehicle(_no_nul(vehicle_id), below=asked.below, limit=_VEHICLE_PHOTOS)
        if not page.results and asked.below is None:
            raise HTTPException(404, f"vehicle: nothing was ever inspected of {vehicle_id!r}")
        return self._page("vehicle.html", **self._writer.vehicle_facts(vehicle_id, page))

    async def show_photo(self, request: Request) -> Response:
        """A photo as JPEG; what cannot be shown is a picture that says why."""
        view = parse_question(AskedPhoto, request.query_params).to_view()
        result = await run_in_threadpool(self._find, request)
        draw = partial(self._artist.draw, result, view)
        try:
            jpeg = await anyio.to_thread.run_sync(draw, limiter=self._photo_threads)
        except DamageServiceError as error:
            status = _PHOTO_STATUS.get(type(error), 503)
            _LOG.warning("photo not shown", identity=result.identity(), status=status, reason=str(error))
            return Response(self._writer.write_notice(str(error)), status, media_type="image/svg+xml")
        return Response(jpeg, media_type="image/jpeg")

    def show_style(self, _request: Request) -> Response:
        """The style sheet."""
        return Response(STYLE, media_type="text/css", headers={"Cache-Control": "max-age=86400"})

    def show_icon(self, _request: Request) -> Response:
        """The icon of the tab."""
        return Response(_ICON, media_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})

    async def show_health(self, _request: Request) -> Response:
        """The process answers."""
        return PlainTextResponse("ok\n")

    def show_readiness(self, _request: Request) -> Response:
        """The ledger answers."""
        try:
            self._ledger.check()
        except LedgerUnavailable as error:
            return PlainTextResponse(f"{error}\n", 503)
        return PlainTextResponse("ok\n")

    def show_error(self, request: Request, error: Exception) -> Response:
        """What went wrong, in words; of a bug, no more than that."""
        headers = {}
        match error:
            case HTTPException():
                status, reason, headers = error.status_code, error.detail, dict(error.headers or {})
                if (status, reason) == (404, HTTPStatus.NOT_FOUND.phrase):
                    reason = f"there is no page {request.url.path}"
            case BadQuestion():
                status, reason = 400, str(error)
            case LedgerUnavailable():
                status, reason, headers = 503, "the ledger does not answer; try again soon", {"Retry-After": "5"}
                _LOG.error("unavailable", path=request.url.path, reason=str(error))
            case _:
                status, reason = 500, "this page has a bug; the log names it"
                _LOG.error("bug", path=request.url.path, exc_info=error)
        title = f"{status} {HTTPStatus(status).phrase}"
        return self._page("error.html", status, headers, title=title, reason=reason)

    def _find(self, request: Request) -> InspectionResult:
        identity = request.path_params["name"]
        result = self._ledger.fetch_inspection(_no_nul(identity))
        if result is None:
            raise HTTPException(404, f"inspection: there is none of the identity {identity!r}")
        return result

    def _page(self, template: str, status: int = 200, headers: dict[str, str] | None = None, **facts: Any) -> Response:
        return Response(self._writer.write(template, **facts), status, headers, media_type="text/html")


def build_app(ledger: LedgerPages, artist: PhotoArtist) -> ASGIApp:
    """Join the pages to their addresses.

    Args:
        ledger: what was found.
        artist: shows photos.
    """
    pages = ReviewPages(ledger, artist)
    routes: dict[str, Callable[..., Any]] = {
        "/": pages.show_list,
        "/inspections/{name:path}": pages.show_inspection,
        "/results/{name:path}": pages.show_result,
        "/photos/{name:path}": pages.show_photo,
        "/vehicles/{name:path}": pages.show_vehicle,
        "/style.css": pages.show_style,
        "/icon.svg": pages.show_icon,
        "/healthz": pages.show_health,
        "/readyz": pages.show_readiness,
    }
    errors = (HTTPException, BadQuestion, LedgerUnavailable, Exception)
    app = Starlette(
        routes=[Route(path, handler) for path, handler in routes.items()],
        exception_handlers=dict.fromkeys(errors, pages.show_error),
        lifespan=_bound_threads,
    )
    return SafeHeaders(app)


@asynccontextmanager
async def _bound_threads(_app: Starlette) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = _PAGE_THREADS
    yield


def _expect_nothing(request: Request) -> None:
    for name in request.query_params:
        raise BadQuestion(f"{name}: no such question here; expected none")


def _no_nul(name: str) -> str:
    """PostgreSQL refuses a question with NUL in it; nothing is named so."""
    if "\x00" in name:
        raise HTTPException(404, "a name with a NUL character: there is none")
    return name
