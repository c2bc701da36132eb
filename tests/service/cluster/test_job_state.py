"""A Job and its pods in words."""

import pytest

from service.cluster.job_state import read_state

JOB = {"metadata": {"name": "gan-1"}, "spec": {"completions": 2}}


def state_of(status: dict, *pods: dict):
    return read_state({**JOB, "status": status}, [{"status": pod} for pod in pods])


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({}, "gan-1: waiting, 0/2 done, 0 running"),
        ({"active": 2, "ready": 2}, "gan-1: running, 0/2 done, 2 running"),
        (
            {"succeeded": 2, "conditions": [{"type": "Complete", "status": "True"}]},
            "gan-1: complete, 2/2 done, 0 running",
        ),
        ({"conditions": [{"type": "Suspended", "status": "True"}]}, "gan-1: suspended, 0/2 done, 0 running"),
        ({"conditions": [{"type": "Failed", "status": "False"}]}, "gan-1: waiting, 0/2 done, 0 running"),
        (
            {
                "failed": 1,
                "conditions": [
                    {
                        "type": "Failed",
                        "status": "True",
                        "reason": "PodFailurePolicy",
                        "message": "Container trainer failed with exit code 2 matching FailJob rule at index 1",
                    }
                ],
            },
            "gan-1: failed, 0/2 done, 0 running, 1 failed; PodFailurePolicy: Container trainer failed with exit code 2 "
            "matching FailJob rule at index 1",
        ),
    ],
)
def test_a_job_is_one_line(status: dict, words: str):
    assert str(state_of(status)) == words


def test_a_job_that_is_about_to_fail_is_not_over():
    state = state_of({"conditions": [{"type": "FailureTarget", "status": "True", "reason": "DeadlineExceeded"}]})
    assert not state.is_over
    assert state.reason.startswith("DeadlineExceeded")


@pytest.mark.parametrize(("reason", "is_hopeless"), [("ImagePullBackOff", True), ("ErrImagePull", False)])
def test_an_image_that_cannot_be_pulled_is_named(reason: str, is_hopeless: bool):
    waiting = {"waiting": {"reason": reason, "message": "not found"}}
    state = state_of({"active": 1}, {"containerStatuses": [{"image": "x:1", "state": waiting}]})
    assert state.trouble == f"image x:1: {reason}: not found"
    assert state.is_hopeless is is_hopeless


def test_a_pod_without_a_node_is_told():
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no nvidia.com/gpu"}
    state = state_of({"active": 1}, {"conditions": [condition]})
    assert state.trouble == "no node for it: no nvidia.com/gpu"
    assert not state.is_hopeless
