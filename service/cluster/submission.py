"""submission: manifests reach the cluster once, however often they are sent.

In:   manifests. Out: the Job, and whether it was there.
Must not know: what a job computes.
"""

from typing import Any

from service.cluster.api import AlreadyThere, Cluster, NotThere, Object
from service.cluster.job_state import JobState, read_state

JOB_NAME_LABEL = "batch.kubernetes.io/job-name"


def submit_job(cluster: Cluster, manifests: list[dict[str, Any]], *, dry_run: bool = False) -> tuple[Object, bool]:
    """Create a job: the Job first, then what belongs to it and is deleted with it.

    Args:
        cluster: where it shall run.
        manifests: of render_job.
        dry_run: the server checks everything and stores nothing.

    Returns:
        The Job, and True if it was there already.

    Raises:
        SetupError: the server refuses, or nobody answers.
    """
    [wanted] = [manifest for manifest in manifests if manifest["kind"] == "Job"]
    name = wanted["metadata"]["name"]
    was_there = False
    try:
        job = cluster.create(wanted, dry_run=dry_run)
    except AlreadyThere:
        job, was_there = cluster.fetch_job(name), True
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job["metadata"].get("uid", "")}
    for manifest in manifests:
        if manifest["kind"] == "Job":
            continue
        owned = {**manifest, "metadata": {**manifest["metadata"], "ownerReferences": [owner]}}
        try:
            cluster.create(manifest if dry_run else owned, dry_run=dry_run)
        except AlreadyThere:
            continue
    return job, was_there


def cancel_job(cluster: Cluster, name: str) -> None:
    """Delete a Job; its pods save and end, its checkpoints stay on the volume.

    Raises:
        SetupError: there is none, it may not be deleted, or nobody answers.
    """
    cluster.delete_job(name)


def list_job_pods(cluster: Cluster, name: str) -> list[Object]:
    """Read a Job's pods.

    Raises:
        SetupError: they may not be listed, or nobody answers.
    """
    return cluster.list_pods(f"{JOB_NAME_LABEL}={name}")


def fetch_states(cluster: Cluster, name: str, selector: str) -> list[JobState]:
    """How far Jobs are.

    Args:
        cluster: where they run.
        name: of one Job; empty: all that the selector chooses.
        selector: of labels.

    Raises:
        NotThere: there is no Job of that name.
        SetupError: they may not be listed, or nobody answers.
    """
    jobs, _ = cluster.list_jobs("" if name else selector, name=name)
    if name and not jobs:
        raise NotThere(f"{cluster.namespace}: there is no job {name}")
    return [read_state(job, list_job_pods(cluster, job["metadata"]["name"])) for job in jobs]
