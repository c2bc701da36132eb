"""The grace of a pod: one value, one rule, and nothing that a drain needs is cut off."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.settings import Settings
from service.worker import _BATCHES_SHARE_OF_GRACE
from tests.charts.chart import BASE, environment_of, find, merge, nest, render


def read_graces(longest_s: int) -> tuple[int, float, int]:
    """preStop, the service's own grace and the pod's, of a chart told the longest batch."""
    visibility_s = {"visibility_timeout_s": 10_000, "renewal_interval_s": 30}
    objects = render(BASE, nest("worker.longestBatchSeconds", longest_s), nest("worker.settings", visibility_s))
    pod = find(objects, "Deployment", "worker")["spec"]["template"]["spec"]
    container = pod["containers"][0]
    shutdown_s = float(environment_of(container)["VEHICLE_DAMAGE_SHUTDOWN_GRACE_S"])
    return container["lifecycle"]["preStop"]["sleep"]["seconds"], shutdown_s, pod["terminationGracePeriodSeconds"]


@pytest.mark.parametrize(("longest_s", "graces"), [(16, (5, 20, 35)), (1, (5, 10, 25)), (17, (5, 22, 37))])
def test_the_rule_by_hand(longest_s: int, graces: tuple[int, int, int]) -> None:
    assert read_graces(longest_s) == graces


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 3600))
def test_the_longest_batch_and_its_results_end_before_the_kill(longest_s: int) -> None:
    pre_stop_s, shutdown_s, pod_s = read_graces(longest_s)
    assert _BATCHES_SHARE_OF_GRACE * shutdown_s >= longest_s
    assert pod_s >= pre_stop_s + shutdown_s + 10
    assert Settings(shutdown_grace_s=shutdown_s).shutdown_grace_s == shutdown_s


def test_the_least_visibility_that_is_taken_is_the_pods_grace() -> None:
    layers = (nest("worker.longestBatchSeconds", 84), nest("worker.settings.renewal_interval_s", 30))
    objects = render(merge(BASE, *layers))
    grace_s = find(objects, "Deployment", "worker")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    assert grace_s == 120  # the default visibility; one second more is refused in test_refusals
