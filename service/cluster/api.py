"""api: the few things asked of the Kubernetes API, as plain objects, each error one clear line.

In:   names, manifests, patches. Out: objects as the API has them, as dicts.
Must not know: what a rollout or a training is.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import urllib3
import yaml
from kubernetes import client, config, watch

from service.errors import DamageServiceError, SetupError

FIELD_MANAGER: Final = "vehicle-damage-rollout"
"""Who the API records as the owner of what is patched or created here."""
_TIMEOUT_S: Final = (5, 30)  # connecting, reading
_QUIET_LOG_S: Final = 300.0  # a connection that a router dropped without a word looks like a quiet log
_TRIES: Final = 4
_BACKOFF_S: Final = 0.3
_BUSY_STATUSES: Final = (429, 500, 502, 503, 504)
_STRATEGIC: Final = "application/strategic-merge-patch+json"

Object = dict[str, Any]


class ClusterUnavailable(SetupError):  # noqa: N818 - as its siblings in service.errors
    """The Kubernetes API does not answer; asking again later may help."""


class ClusterConflict(DamageServiceError):  # noqa: N818
    """Somebody else changed the object since it was read."""


class AlreadyThere(DamageServiceError):  # noqa: N818
    """There is an object of that name already."""


class VersionExpired(DamageServiceError):  # noqa: N818
    """The API does not know that resource version any more: list again."""


class NotThere(SetupError):  # noqa: N818
    """There is no such object, or no such namespace."""


class LogNotYet(DamageServiceError):  # noqa: N818
    """The container has not started, so that there is no log."""


class LogQuiet(ClusterUnavailable):
    """Nothing was written for minutes; ask again."""


class Cluster:
    """One namespace of a cluster."""

    def __init__(self, configuration: client.Configuration, namespace: str, *, backoff_s: float = _BACKOFF_S) -> None:
        """Open a client; nothing is called yet.

        Every request is safe to repeat, since names are given and patches carry a resource version; so a busy server's
        Retry-After is honoured and a lost reply asked for again, a few times.

        Args:
            configuration: host and credentials.
            namespace: where every object lies.
            backoff_s: pause before asking again; it doubles.
        """
        configuration.retries = urllib3.Retry(
            total=_TRIES,
            connect=1,
            status_forcelist=_BUSY_STATUSES,
            allowed_methods=None,
            backoff_factor=backoff_s,
            raise_on_status=False,
        )
        self.namespace = namespace
        self._host = configuration.host
        self._client = client.ApiClient(configuration)
        self._apps = client.AppsV1Api(self._client)
        self._batch = client.BatchV1Api(self._client)
        self._core = client.CoreV1Api(self._client)

    def fetch_deployment(self, name: str) -> Object:
        """Read a Deployment.

        Raises:
            SetupError: there is none, it may not be read, or nobody answers.
        """
        return self._call(f"get deployment {name}", self._apps.read_namespaced_deployment, name)

    def patch_deployment(self, name: str, patch: Mapping[str, Any]) -> Object:
        """Change a Deployment by a strategic merge patch.

        Args:
            name: of the Deployment.
            patch: holds metadata.resourceVersion of what was read.

        Raises:
            ClusterConflict: it changed since it was read.
            SetupError: it may not be changed, the patch is refused, or nobody answers.
        """
        return self._call(
            f"patch deployment {name}",
            self._apps.patch_namespaced_deployment,
            name,
            body=patch,
            field_manager=FIELD_MANAGER,
            _content_type=_STRATEGIC,
        )

    def list_pods(self, selector: str) -> list[Object]:
        """Read the pods that a label selector chooses.

        Raises:
            SetupError: they may not be listed, or nobody answers.
        """
        return self._call("list pods", self._core.list_namespaced_pod, label_selector=selector).get("items") or []

    def create(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> Object:
        """Create a Job or a Service.

        Args:
            manifest: the object.
            dry_run: the server checks everything and stores nothing.

        Raises:
            AlreadyThere: there is one of that name.
            SetupError: the namespace is missing, the manifest is refused, it may not be created, or nobody answers.
        """
        create = {"Job": self._batch.create_namespaced_job, "Service": self._core.create_namespaced_service}
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        options = {"dry_run": "All"} if dry_run else {}
        return self._call(
            f"create {kind.lower()} {name}", create[kind], body=manifest, field_manager=FIELD_MANAGER, **options
        )

    def fetch_job(self, name: str) -> Object:
        """Read a Job.

        Raises:
            NotThere: there is none.
            SetupError: it may not be read, or nobody answers.
        """
        return self._call(f"get job {name}", self._batch.read_namespaced_job, name)

    def list_jobs(self, selector: str = "", *, name: str = "") -> tuple[list[Object], str]:
        """Read Jobs.

        Args:
            selector: of labels; empty: all.
            name: only this one; empty: all.

        Returns:
            The Jobs, and the resource version to watch from.

        Raises:
            SetupError: they may not be listed, or nobody answers.
        """
        found = self._call("list jobs", self._batch.list_namespaced_job, **_choose(selector, name))
        return found.get("items") or [], found["metadata"]["resourceVersion"]

    def watch_job(self, name: str, version: str, *, timeout_s: int) -> Iterator[tuple[str, Object]]:
        """Wait for changes of one Job.

        Args:
            name: of the Job.
            version: where the last look ended.
            timeout_s: the server ends the stream after so long.

        Yields:
            ADDED, MODIFIED, DELETED or BOOKMARK, and the object.

        Raises:
            VersionExpired: 410 Gone, as a status or within the stream.
            SetupError: it may not be watched.
            ClusterUnavailable: the stream broke.
        """
        doing = f"watch job {name}"
        try:
            for event in watch.Watch().stream(
                self._batch.list_namespaced_job,
                self.namespace,
                resource_version=version,
                allow_watch_bookmarks=True,
                timeout_seconds=timeout_s,
                _request_timeout=(_TIMEOUT_S[0], timeout_s + 5),
                **_choose("", name),
            ):
                if event is not None:
                    yield event["type"], event["raw_object"]
        except client.ApiException as error:
            raise self._explain(doing, error) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ClusterUnavailable(f"{self._host}: {doing}: {_first_line(error)}") from error

    def delete_job(self, name: str) -> None:
        """Delete a Job, and by the cluster's garbage collector its pods.

        Raises:
            NotThere: there is none.
            SetupError: it may not be deleted, or nobody answers.
        """
        self._call(
            f"delete job {name}", self._batch.delete_namespaced_job, name, propagation_policy="Background", _plain=False
        )

    def stream_log(self, pod: str, container: str, *, follow: bool, since_s: int | None) -> Iterator[str]:
        """Read a container's log, each line with its time before it.

        Args:
            pod: its name.
            container: its name.
            follow: go on until the container ends.
            since_s: only lines of the last so many seconds; None: all.

        Raises:
            LogNotYet: the container has not started.
            LogQuiet: nothing was written for five minutes of following.
            SetupError: it may not be read.
            ClusterUnavailable: the stream broke.
        """
        doing = f"log of pod {pod}"
        options: dict[str, Any] = {} if since_s is None else {"since_seconds": since_s}
        try:
            response = self._core.read_namespaced_pod_log(
                pod,
                self.namespace,
                container=container,
                timestamps=True,
                follow=follow,
                _preload_content=False,
                _request_timeout=(_TIMEOUT_S[0], _QUIET_LOG_S if follow else _TIMEOUT_S[1]),
                **options,
            )
            try:
                yield from watch.watch.iter_resp_lines(response)
            finally:
                response.close()
                response.release_conn()
        except client.ApiException as error:
            if error.status == 400:
                raise LogNotYet(f"{doing}: {_read_message(error)}") from error
            raise self._explain(doing, error) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            kind = LogQuiet if follow and isinstance(error, urllib3.exceptions.ReadTimeoutError) else ClusterUnavailable
            raise kind(f"{self._host}: {doing}: {_first_line(error)}") from error

    def _call(self, doing: str, function: Callable[..., Any], *names: str, _plain: bool = True, **options: Any) -> Any:
        try:
            found = function(*names, namespace=self.namespace, _request_timeout=_TIMEOUT_S, **options)
        except client.ApiException as error:
            raise self._explain(doing, error) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise ClusterUnavailable(f"{self._host}: {doing}: {_first_line(error)}") from error
        return self._client.sanitize_for_serialization(found) if _plain else None

    def _explain(self, doing: str, error: client.ApiException) -> DamageServiceError:
        """What a refusal means, in one line."""
        told = f"{self.namespace}: {doing}: {_read_message(error)}"
        if error.status == 409:
            return AlreadyThere(told) if _read_body(error).get("reason") == "AlreadyExists" else ClusterConflict(told)
        if error.status == 410:
            return VersionExpired(told)
        if error.status == 404:
            return NotThere(told)
        if error.status in _BUSY_STATUSES or not error.status:
            return ClusterUnavailable(told)
        return SetupError(told)


def connect(
    namespace: str, *, kubeconfig: Path | None = None, context: str = "", backoff_s: float = _BACKOFF_S
) -> Cluster:
    """Find the cluster: a kubeconfig file, else the pod's own service account.

    Args:
        namespace: where every object lies.
        kubeconfig: the file; None: KUBECONFIG or ~/.kube/config, as kubectl has it.
        context: of the file; empty: its current one.
        backoff_s: pause before asking again; it doubles.

    Raises:
        SetupError: there is neither.
    """
    configuration = client.Configuration()
    try:
        config.load_kube_config(
            config_file=None if kubeconfig is None else str(kubeconfig),
            context=context or None,
            client_configuration=configuration,
        )
    except (config.ConfigException, yaml.YAMLError, OSError, ValueError, TypeError, AttributeError) as error:
        reason = _first_line(error)
        if kubeconfig is not None or context:
            raise SetupError(f"kubeconfig: {reason}") from error
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            raise SetupError(f"no cluster: neither a kubeconfig ({reason}) nor a pod's service account") from error
    return Cluster(configuration, namespace, backoff_s=backoff_s)


def _choose(selector: str, name: str) -> dict[str, str]:
    chosen = {"label_selector": selector, "field_selector": f"metadata.name={name}" if name else ""}
    return {option: value for option, value in chosen.items() if value}


def _read_body(error: client.ApiException) -> Object:
    try:
        found = json.loads(error.body or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _read_message(error: client.ApiException) -> str:
    message = _read_body(error).get("message") or error.reason or "no reason given"
    return f"{error.status}: {' '.join(str(message).split())}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
