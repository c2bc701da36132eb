"""jobs: what is asked of a GPU job becomes its manifests.

In:   JobRequest. Out: manifests, as dicts, named after what they say.
Must not know: the cluster's state, networks, photos.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from service.cluster.manifests import fill_template, load_template
from service.errors import SetupError

Kind = Literal["gan", "detector", "sr-rcnn", "export"]
DATA_DIR: Final = "/data"
NAME_LABEL: Final = "app.kubernetes.io/name"
COMPONENT: Final = "trainer"
JOB_SELECTOR: Final = f"{NAME_LABEL}=vehicle-damage,app.kubernetes.io/component={COMPONENT}"
RENDEZVOUS_PORT: Final = 29500
_TEMPLATES: Final[Mapping[str, str]] = {
    "gan": "gan-training",
    "detector": "detector-training",
    "sr-rcnn": "sr-rcnn-training",
    "export": "export",
}
_DISTRIBUTED: Final = frozenset({"gan", "sr-rcnn"})
_NETWORKS: Final = ("localizer", "gate", "segmenter")
_LAUNCHER: Final = ("python", "-m", "models.training.launch")
_PROGRAM: Final = "vehicle-damage"

_NAME: Final = re.compile(r"[a-z]([-a-z0-9]{0,48}[a-z0-9])?")  # as a Service's name, with room for an index
_LABEL: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_IMAGE: Final = re.compile(
    r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]+)?/)?"  # registry host and port
    r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"  # path
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)
_QUANTITY: Final = re.compile(r"[0-9]+(\.[0-9]+)?(m|[kMGT]|[KMGT]i)?")
_SELECTOR: Final = re.compile(r"([a-z0-9.-]+/)?[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?=[A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class JobRequest:
    """What an engineer asks for.

    Attributes:
        kind: gan, detector, sr-rcnn or export.
        image: of the trainer, with tag or digest.
        data: folders on the volume, under /data: gan: the step crops; export: the run.
        out: folder on the volume, under /data, or for export a store, s3://… allowed.
        namespace: where it runs.
        network: of kind detector: localizer, gate or segmenter.
        gpus: for each node; 0: CPU only.
        nodes: how many pods work together.
        extra_args: further options of the command, word by word.
        name: of the Job; empty: after the kind and the digest of everything here.
        claim: PersistentVolumeClaim mounted at /data.
        service_account: whose identity the pod has.
        priority_class: of the pods.
        cpu: cores of each pod, as Kubernetes writes them.
        memory: of each pod, likewise; shared memory counts.
        deadline_h: hours after which the Job fails.
        retries: how often a failure that may pass is tried again, for each node.
        keep_h: hours that a finished Job is kept.
        node_selector: LABEL=VALUE that nodes must have.
    """

    kind: Kind
    image: str
    data: tuple[str, ...]
    out: str
    namespace: str
    network: str = "localizer"
    gpus: int = 1
    nodes: int = 1
    extra_args: tuple[str, ...] = ()
    name: str = ""
    claim: str = "vehicle-damage-data"
    service_account: str = "vehicle-damage-trainer"
    priority_class: str = "vehicle-damage-training"
    cpu: str = "4"
    memory: str = "16Gi"
    deadline_h: float = 72
    retries: int = 4
    keep_h: float = 72
    node_selector: tuple[str, ...] = field(default=())


def render_job(request: JobRequest) -> list[dict[str, Any]]:
    """Make the manifests of a job: itself, and before it the Service by which its pods meet.

    Args:
        request: what is asked for.

    Raises:
        SetupError: naming the option, what was expected and what was found.
    """
    _check(request)
    name = request.name or f"{request.kind}-{_digest(request)}"
    command, args = _write_command(request)
    accelerator = {"nvidia.com/gpu": str(request.gpus)} if request.gpus else {}
    values: dict[str, Any] = {
        "name": name,
        "namespace": request.namespace,
        "labels": {
            NAME_LABEL: "vehicle-damage",
            "app.kubernetes.io/instance": name,
            "app.kubernetes.io/component": COMPONENT,
            "app.kubernetes.io/part-of": "vehicle-damage",
            "app.kubernetes.io/managed-by": "vehicle-damage",
            "vehicle-damage/job": request.kind,
        },
        "image": request.image,
        "command": command,
        "args": args,
        "nodes": request.nodes,
        "backoff_limit": request.retries * request.nodes,
        "deadline_s": round(request.deadline_h * 3600),
        "ttl_s": round(request.keep_h * 3600),
        "priority_class": request.priority_class,
        "service_account": request.service_account,
        "node_selector": dict(label.split("=", 1) for label in request.node_selector) or None,
        "requests": {"cpu": request.cpu, "memory": request.memory, **accelerator},
        "limits": {"memory": request.memory, **accelerator},
        "claim": request.claim,
        "shm_size": request.memory,
    }
    if request.kind in _DISTRIBUTED:
        values["master_host"] = f"{name}-0.{name}"
    return fill_template(load_template(_TEMPLATES[request.kind]), values)


def _write_command(request: JobRequest) -> tuple[list[str], list[str]]:
    """The container's command and arguments; the same command goes on where an interrupted one stopped."""
    words = {
        "gan": ["augment", "gan", "--crops", *request.data, "--out", request.out],
        "sr-rcnn": ["train", "sr-rcnn", *_repeat("--data", request.data), "--out", request.out],
        "detector": [
            "train", request.network, *_repeat("--data", request.data), "--out", request.out, "--resume",
        ],
        "export": ["export", *request.data, "--store", request.out],
    }[request.kind]  # fmt: skip
    # The kubelet expands $(VARIABLE) in arguments, which an engineer's words never mean.
    words = ["models", *(word.replace("$(", "$$(") for word in (*words, *request.extra_args))]
    if request.kind not in _DISTRIBUTED or request.nodes * max(request.gpus, 1) == 1:
        return [_PROGRAM], words
    launch = [
        f"--nnodes={request.nodes}",
        f"--nproc-per-node={max(request.gpus, 1)}",
        "--node-rank=$(JOB_COMPLETION_INDEX)",
        "--master-addr=$(MASTER_ADDR)",
        f"--master-port={RENDEZVOUS_PORT}",
        "--max-restarts=0",  # the Job starts pods again
        "--no-python",
        _PROGRAM,
    ]
    return list(_LAUNCHER), [*launch, *words]


def _check(request: JobRequest) -> None:
    is_one, is_many = "one, under /data", "one or more, under /data"
    folders_known = all(_is_folder(folder) for folder in request.data) and bool(request.data)
    has_one = folders_known and len(request.data) == 1
    is_store = request.kind == "export" and bool(
        re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]+(/[A-Za-z0-9_./-]*)?", request.out)
    )
    takes_one = request.kind in ("gan", "export")
    most = (64, 16) if request.kind in _DISTRIBUTED else (1, 8) if request.kind == "detector" else (1, 0)
    limits: dict[str, tuple[bool, str, object]] = {
        "kind": (request.kind in _TEMPLATES, f"one of {', '.join(_TEMPLATES)}", request.kind),
        "image": (
            len(request.image) <= 512 and bool(_IMAGE.fullmatch(request.image)) and _has_version(request.image),
            "HOST/PATH:TAG or HOST/PATH@sha256:DIGEST, not latest",
            request.image,
        ),
        "name": (not request.name or bool(_NAME.fullmatch(request.name)), "a DNS label of at most 50", request.name),
        "namespace": (bool(_LABEL.fullmatch(request.namespace)), "a DNS label", request.namespace),
        "data": (has_one if takes_one else folders_known, is_one if takes_one else is_many, " ".join(request.data)),
        "out": (is_store or _is_folder(request.out), "a folder under /data", request.out),
        "network": (request.network in _NETWORKS, f"one of {', '.join(_NETWORKS)}", request.network),
        "nodes": (1 <= request.nodes <= most[0], f"1 to {most[0]} for {request.kind}", request.nodes),
        "gpus": (0 <= request.gpus <= most[1], f"0 to {most[1]} for {request.kind}", request.gpus),
        "claim": (bool(_LABEL.fullmatch(request.claim)), "a DNS label", request.claim),
        "service-account": (bool(_LABEL.fullmatch(request.service_account)), "a DNS label", request.service_account),
        "priority-class": (bool(_LABEL.fullmatch(request.priority_class)), "a DNS label", request.priority_class),
        "cpu": (bool(_QUANTITY.fullmatch(request.cpu)), "a quantity such as 4 or 500m", request.cpu),
        "memory": (bool(_QUANTITY.fullmatch(request.memory)), "a quantity such as 16Gi", request.memory),
        "deadline-hours": (0 < request.deadline_h <= 24 * 60, "more than 0, 1440 at most", request.deadline_h),
        "keep-hours": (0 <= request.keep_h <= 24 * 60, "0 to 1440", request.keep_h),
        "retries": (0 <= request.retries <= 100, "0 to 100", request.retries),
        "node-selector": (
            all(_SELECTOR.fullmatch(label) for label in request.node_selector),
            "LABEL=VALUE",
            " ".join(request.node_selector),
        ),
        "arg": (all(word.isprintable() for word in request.extra_args), "words of one line", request.extra_args),
    }  # fmt: skip
    for option, (holds, expected, found) in limits.items():
        if not holds:
            raise SetupError(f"{option}: expected {expected}, found {found!r}")


def _is_folder(path: str) -> bool:
    parts = path.split("/")
    return path.startswith(f"{DATA_DIR}/") and ".." not in parts and bool(re.fullmatch(r"[A-Za-z0-9_./@=+-]+", path))


def _has_version(image: str) -> bool:
    last = image.rsplit("/", 1)[-1]
    return "@" in last or (":" in last and not last.endswith(":latest"))


def _repeat(option: str, values: tuple[str, ...]) -> list[str]:
    return [word for value in values for word in (option, value)]


def _digest(request: JobRequest) -> str:
    return hashlib.sha256(json.dumps(request.__dict__, sort_keys=True).encode()).hexdigest()[:10]
