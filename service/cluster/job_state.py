"""job_state: what a Job and its pods say, in a few words.

In:   objects as the API has them. Out: JobState.
Must not know: how they were asked for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from service.cluster.api import Object

Phase = Literal["waiting", "running", "complete", "failed", "suspended"]
_HOPELESS: Final = frozenset({"InvalidImageName", "ErrImageNeverPull", "ImagePullBackOff"})
_STUCK: Final = frozenset({*_HOPELESS, "ErrImagePull", "CreateContainerConfigError", "CreateContainerError"})


@dataclass(frozen=True)
class JobState:
    """How far a Job is.

    Attributes:
        name: of the Job.
        phase: of the Job.
        completions: pods that have to succeed.
        active: pods that run or start.
        ready: pods that run.
        succeeded: pods that did.
        failed: pods that did not; evicted ones are not counted against the Job.
        reason: why it failed, as the Job's condition says.
        trouble: what keeps a pod from starting; empty: nothing.
        is_hopeless: waiting cannot help: the image does not exist or may not be pulled.
    """

    name: str
    phase: Phase
    completions: int
    active: int
    ready: int
    succeeded: int
    failed: int
    reason: str = ""
    trouble: str = ""
    is_hopeless: bool = False

    @property
    def is_over(self) -> bool:
        """Will nothing change any more?"""
        return self.phase in ("complete", "failed")

    def __str__(self) -> str:
        """One line."""
        told = f"{self.name}: {self.phase}, {self.succeeded}/{self.completions} done, {self.ready} running"
        if self.failed:
            told += f", {self.failed} failed"
        return told + "".join(f"; {why}" for why in (self.reason, self.trouble) if why)


def read_state(job: Object, pods: Sequence[Object] = ()) -> JobState:
    """Put a Job and its pods into words.

    Args:
        job: the Job.
        pods: its pods, as far as known.
    """
    status, spec = job.get("status") or {}, job["spec"]
    met = {c["type"]: c for c in status.get("conditions") or [] if c.get("status") == "True"}
    phase: Phase = "running" if status.get("ready") else "waiting"
    reason = ""
    failed = met.get("Failed") or met.get("FailureTarget")
    if "Complete" in met:
        phase = "complete"
    elif "Failed" in met:
        phase = "failed"
    elif "Suspended" in met:
        phase = "suspended"
    if failed:
        reason = f"{failed.get('reason', 'Failed')}: {failed.get('message', 'no message')}"
    troubles = [] if phase in ("complete", "failed") else [found for pod in pods if (found := _find_trouble(pod))]
    return JobState(
        name=job["metadata"]["name"],
        phase=phase,
        completions=spec.get("completions") or 1,
        active=status.get("active") or 0,
        ready=status.get("ready") or 0,
        succeeded=status.get("succeeded") or 0,
        failed=status.get("failed") or 0,
        reason=reason,
        trouble=troubles[0][1] if troubles else "",
        is_hopeless=any(kind in _HOPELESS for kind, _ in troubles),
    )


def _find_trouble(pod: Object) -> tuple[str, str] | None:
    """What keeps a pod from starting: its kind and its words."""
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if (kind := waiting.get("reason")) in _STUCK:
            return kind, f"image {container.get('image', '')}: {kind}: {waiting.get('message', 'no message')}"
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition.get("reason") == "Unschedulable":
            return "Unschedulable", f"no node for it: {condition.get('message', 'no message')}"
    return None
