"""The Kubernetes API over HTTP, as far as service.cluster uses it: the real one's semantics, and scripted faults."""

import copy
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

Object = dict[str, Any]
_ROUTE = re.compile(
    r"/(?:api/v1|apis/(?:apps|batch)/v1)/namespaces/(?P<namespace>[^/]+)/(?P<resource>[a-z]+)"
    r"(?:/(?P<name>[^/]+))?(?:/(?P<part>log))?"
)
_KINDS = {"deployments": "Deployment", "jobs": "Job", "pods": "Pod", "services": "Service"}
_GROUPS = {"deployments": ".apps", "jobs": ".batch"}
_MERGED_BY_NAME = ("containers", "env", "volumes")


@dataclass
class Fault:
    """What goes wrong with the next so many requests that match.

    what: status (with code), drop (the connection dies unanswered), break (a stream dies after `lines` lines),
    gone_event (410 within the stream).
    """

    method: str
    path: str
    what: str
    code: int = 0
    retry_after: str = ""
    lines: int = 0
    times: int = 1


class Refusal(Exception):  # noqa: N818
    def __init__(self, code: int, reason: str, message: str) -> None:
        told = {"status": "Failure", "code": code, "reason": reason, "message": message}
        self.body = {"kind": "Status", "apiVersion": "v1", **told}
        self.code = code


@dataclass
class State:
    """Everything the server knows; every access holds the lock."""

    lock: threading.Condition = field(default_factory=threading.Condition)
    objects: dict[tuple[str, str, str], Object] = field(default_factory=dict)
    events: list[tuple[int, str, str, str, Object]] = field(default_factory=list)
    version: int = 1000
    oldest: int = 0
    namespaces: set[str] = field(default_factory=lambda: {"vd"})
    forbidden: set[tuple[str, str]] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    logs: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    open_logs: set[str] = field(default_factory=set)
    before_patch: Iterator[None] = field(default_factory=lambda: iter(()))
    bookmark_s: float = 0.2
    is_closing: bool = False

    def write(self, resource: str, namespace: str, found: Object, kind: str) -> Object:
        with self.lock:
            self.version += 1
            found["metadata"]["resourceVersion"] = str(self.version)
            key = (resource, namespace, found["metadata"]["name"])
            if kind == "DELETED":
                self.objects.pop(key, None)
            else:
                self.objects[key] = found
            self.events.append((self.version, resource, namespace, kind, copy.deepcopy(found)))
            self.lock.notify_all()
            return found

    def add(self, resource: str, found: Object, namespace: str = "vd") -> Object:
        found = copy.deepcopy(found)
        found.setdefault("kind", _KINDS[resource])
        meta = found["metadata"]
        meta.update(namespace=namespace, uid=f"uid-{self.version}", generation=1)
        meta.setdefault("creationTimestamp", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
        return self.write(resource, namespace, found, "ADDED")

    def change(self, resource: str, name: str, edit: Callable[[Object], None], namespace: str = "vd") -> Object:
        with self.lock:
            found = copy.deepcopy(self.objects[resource, namespace, name])
            before = copy.deepcopy(found)
            edit(found)
            if found == before:
                return self.objects[resource, namespace, name]
            if found.get("spec") != before.get("spec"):
                found["metadata"]["generation"] += 1
            return self.write(resource, namespace, found, "MODIFIED")

    def get(self, resource: str, name: str, namespace: str = "vd") -> Object:
        with self.lock:
            return copy.deepcopy(self.objects[resource, namespace, name])

    def set_status(self, name: str, **status: Any) -> None:
        self.change("jobs", name, lambda job: job.setdefault("status", {}).update(status))

    def compact(self) -> None:
        """Forget every event so far, as etcd does."""
        with self.lock:
            self.oldest = self.version


def merge(target: Any, patch: Any) -> Any:
    """Strategic merge, as far as fields here need it: maps deeply, null removes, the named lists by name."""
    if not isinstance(patch, dict) or not isinstance(target, dict):
        return copy.deepcopy(patch)
    merged = copy.deepcopy(target)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif key in _MERGED_BY_NAME and isinstance(value, list):
            entries = {entry["name"]: entry for entry in merged.get(key, [])}
            for entry in value:
                entries[entry["name"]] = merge(entries.get(entry["name"], {}), entry)
            merged[key] = list(entries.values())
        else:
            merged[key] = merge(merged.get(key, {}) if isinstance(value, dict) else None, value)
    return merged


def check_deployment(spec: Object) -> None:
    """The validation that a canary's patch has to pass."""
    ready, deadline = spec.get("minReadySeconds", 0), spec.get("progressDeadlineSeconds", 600)
    if deadline <= ready:
        raise Refusal(422, "Invalid", "spec.progressDeadlineSeconds: must be greater than minReadySeconds")
    rolling = spec.get("strategy", {}).get("rollingUpdate", {})
    zeros = ("0", 0, "0%")
    if rolling.get("maxSurge", "25%") in zeros and rolling.get("maxUnavailable", "25%") in zeros:
        raise Refusal(422, "Invalid", "spec.strategy.rollingUpdate.maxUnavailable: may not be 0 when maxSurge is 0")
    if max(ready, deadline) > 2**31 - 1:
        raise Refusal(400, "BadRequest", "json: cannot unmarshal number into Go struct field of type int32")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    state: State

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(parts.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        with self.state.lock:
            self.state.requests.append((self.command, self.path, body))
        fault = self._take_fault()
        try:
            if fault and fault.what == "drop":
                self.close_connection = True
                return
            self._route(parts.path, query, body, fault)
        except Refusal as refusal:
            self._answer(
                refusal.code, refusal.body, {"Retry-After": fault.retry_after} if fault and fault.retry_after else {}
            )
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_POST = do_PATCH = do_DELETE = _serve  # noqa: N815 - http.server's names

    def _take_fault(self) -> Fault | None:
        with self.state.lock:
            for fault in self.state.faults:
                if fault.method == self.command and re.search(fault.path, self.path):
                    fault.times -= 1
                    if not fault.times:
                        self.state.faults.remove(fault)
                    return fault
        return None

    def _route(self, path: str, query: dict[str, str], body: Any, fault: Fault | None) -> None:
        if fault and fault.what == "status":
            raise Refusal(fault.code, "Scripted", f"scripted {fault.code}")
        matched = _ROUTE.fullmatch(path)
        if matched is None:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        route = matched.groupdict()
        state, resource, namespace, name = self.state, route["resource"], route["namespace"], route["name"]
        verbs = {"POST": "create", "PATCH": "patch", "DELETE": "delete"}
        verb = verbs.get(self.command) or ("get" if name else "watch" if query.get("watch") else "list")
        if (verb, resource) in state.forbidden:
            raise Refusal(
                403, "Forbidden", f'{resource}{_GROUPS.get(resource, "")} is forbidden: User "x" cannot {verb} resource'
            )
        if route["part"] == "log":
            self._stream_log(name, query, fault)
        elif verb == "create":
            self._create(resource, namespace, query, body)
        elif verb == "watch":
            self._watch(resource, namespace, query, fault)
        elif verb == "list":
            self._list(resource, namespace, query)
        else:
            with state.lock:
                found = state.objects.get((resource, namespace, name))
                if found is None:
                    kind = f"{resource}{_GROUPS.get(resource, '')}"
                    raise Refusal(404, "NotFound", f'{kind} "{name}" not found')
                if verb == "patch":
                    found = self._patch(resource, namespace, name, body)
                if verb == "delete":
                    state.write(resource, namespace, copy.deepcopy(found), "DELETED")
                    found = {"kind": "Status", "apiVersion": "v1", "status": "Success"}
            self._answer(200, found)

    def _create(self, resource: str, namespace: str, query: dict[str, str], body: Object) -> None:
        state, name = self.state, body["metadata"]["name"]
        with state.lock:
            if namespace not in state.namespaces:
                raise Refusal(404, "NotFound", f'namespaces "{namespace}" not found')
            if (resource, namespace, name) in state.objects:
                raise Refusal(409, "AlreadyExists", f'{resource}{_GROUPS.get(resource, "")} "{name}" already exists')
            made = body if query.get("dryRun") else state.add(resource, body, namespace)
        self._answer(201, made)

    def _patch(self, resource: str, namespace: str, name: str, body: Object) -> Object:
        state = self.state
        if self.headers["Content-Type"] != "application/strategic-merge-patch+json":
            raise Refusal(415, "UnsupportedMediaType", f"not a strategic merge patch: {self.headers['Content-Type']}")
        next(state.before_patch, None)
        found = state.objects[resource, namespace, name]
        wanted = body["metadata"].pop("resourceVersion", None)
        if wanted is not None and wanted != found["metadata"]["resourceVersion"]:
            message = f'Operation cannot be fulfilled on {resource}.apps "{name}": the object has been modified'
            raise Refusal(409, "Conflict", message)
        merged = merge(found, body)
        check_deployment(merged["spec"])
        return state.change(resource, name, lambda each: (each.clear(), each.update(merged)), namespace)

    def _chosen(self, resource: str, namespace: str, query: dict[str, str], found: Object) -> bool:
        labels = found["metadata"].get("labels") or {}
        wanted = [pair.split("=", 1) for pair in query.get("labelSelector", "").split(",") if pair]
        name = query.get("fieldSelector", "").removeprefix("metadata.name=")
        return all(labels.get(key) == value for key, value in wanted) and name in ("", found["metadata"]["name"])

    def _list(self, resource: str, namespace: str, query: dict[str, str]) -> None:
        with self.state.lock:
            items = [
                found
                for (kind, where, _), found in self.state.objects.items()
                if (kind, where) == (resource, namespace) and self._chosen(resource, namespace, query, found)
            ]
            version = str(self.state.version)
        self._answer(200, {"kind": f"{_KINDS[resource]}List", "metadata": {"resourceVersion": version}, "items": items})

    def _watch(self, resource: str, namespace: str, query: dict[str, str], fault: Fault | None) -> None:
        state, at = self.state, int(query["resourceVersion"])
        gone = {"type": "ERROR", "object": Refusal(410, "Expired", f"too old resource version: {at}").body}
        deadline = time.monotonic() + float(query.get("timeoutSeconds", 60))
        self._begin_stream()
        if at < state.oldest or (fault and fault.what == "gone_event"):
            self._send_line(json.dumps(gone))
            self._end_stream()
            return
        sent, bookmark_at = 0, time.monotonic() + state.bookmark_s
        while not state.is_closing and time.monotonic() < deadline:
            with state.lock:
                news = [
                    event
                    for event in state.events
                    if event[0] > at
                    and event[1:3] == (resource, namespace)
                    and self._chosen(resource, namespace, query, event[4])
                ]
                if not news:
                    state.lock.wait(0.02)
            for version, _, _, kind, found in news:
                if fault and fault.what == "break" and sent >= fault.lines:
                    self._break()
                    return
                self._send_line(json.dumps({"type": kind, "object": found}))
                at, sent = version, sent + 1
            if fault and fault.what == "break" and sent >= fault.lines:
                self._break()
                return
            if time.monotonic() > bookmark_at:
                meta = {"resourceVersion": str(max(at, state.version)), "creationTimestamp": None}
                at = max(at, state.version) if not news else at
                meta["resourceVersion"] = str(at)
                self._send_line(
                    json.dumps({"type": "BOOKMARK", "object": {"kind": _KINDS[resource], "metadata": meta, "spec": {}}})
                )
                bookmark_at = time.monotonic() + state.bookmark_s
        self._end_stream()

    def _stream_log(self, pod: str, query: dict[str, str], fault: Fault | None) -> None:
        state = self.state
        if pod not in state.logs:
            raise Refusal(400, "BadRequest", f'container "trainer" in pod "{pod}" is waiting to start')
        since = ""
        if "sinceSeconds" in query:
            since = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(time.time() - int(query["sinceSeconds"])))
        self._begin_stream()
        sent = skipped = 0
        while True:
            with state.lock:
                lines = [line for line in state.logs[pod] if line[0] >= since][sent:]
                is_open = pod in state.open_logs
                if not lines and is_open and query.get("follow"):
                    state.lock.wait(0.02)
            for stamp, text in lines:
                if fault and fault.what == "break" and sent - skipped >= fault.lines:
                    self._break()
                    return
                self._send_line(f"{stamp} {text}" if query.get("timestamps") else text)
                sent += 1
            if not lines and (not is_open or not query.get("follow") or state.is_closing):
                break
        self._end_stream()

    def _answer(self, code: int, body: Object, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def _begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def _send_line(self, line: str) -> None:
        data = (line + "\n").encode()
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _end_stream(self) -> None:
        self.wfile.write(b"0\r\n\r\n")

    def _break(self) -> None:
        """Half a line, and the connection is gone."""
        self.wfile.write(b'10\r\n{"type":"MODIF\r\n')
        self.wfile.flush()
        self.close_connection = True


@contextmanager
def run_api_server() -> Iterator[tuple[str, State]]:
    """Serve on a loopback port; yields its URL and what it knows."""
    state = State()
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("BoundHandler", (Handler,), {"state": state}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", state
    finally:
        state.is_closing = True
        server.shutdown()
        server.server_close()
        thread.join()


def write_kubeconfig(folder: Path, url: str) -> Path:
    """A kubeconfig that names the server."""
    path = folder / "kubeconfig"
    path.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "test",
                "clusters": [{"name": "test", "cluster": {"server": url}}],
                "users": [{"name": "test", "user": {"token": "a-token"}}],
                "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "vd"}}],
            }
        )
    )
    return path
