"""What is asked of Prometheus, and what its answers become."""

import math

import pytest

from service import metrics
from service.cluster import prometheus as module
from service.cluster.prometheus import Prometheus, PrometheusUnavailable
from service.errors import SetupError


def test_measures_are_gathered_by_store_digest(prometheus):
    url, answers = prometheus
    answers.tell("old", inspected=300, undamaged=700, regions=500, failures=2, mean_s=0.4)
    answers.tell("new", inspected=30, undamaged=60, regions=45, failures=0, mean_s=0.8)
    old, new = Prometheus(url, match='namespace="vd"').measure(("old", "new"), window_s=900)
    assert (old.photos, old.judged, old.let_through, old.regions, old.failures) == (1000, 1000, 300, 500, 2)
    assert (new.photos, new.judged, new.let_through, new.regions, new.failures) == (90, 90, 30, 45, 0)
    assert (old.mean_s, new.mean_s) == pytest.approx((0.4, 0.8))
    assert all('{namespace="vd"}[900s]' in expression for expression in answers.expressions)


def test_a_set_that_served_with_several_settings_is_taken_together(prometheus):
    url, answers = prometheus
    answers.tell("old", inspected=3, undamaged=7, regions=5, failures=0, mean_s=0.4)
    answers.tell("new", inspected=3, undamaged=7, regions=5, failures=0, mean_s=0.4)
    answers.series["vehicle_damage_model_set_info"].append(({"model_set": "served-new", "stored_set": "old"}, 1.0))
    old, _ = Prometheus(url).measure(("old", "new"), window_s=60)
    assert old.judged == 20


def test_a_set_that_prometheus_does_not_know_yet_gives_nothing(prometheus):
    url, answers = prometheus
    answers.tell("old", inspected=3, undamaged=7, regions=5, failures=0, mean_s=0.4)
    assert Prometheus(url).measure(("old", "new"), window_s=60) is None


def test_rejections_are_photos_that_nobody_judged_and_no_time_is_unknown(prometheus):
    url, answers = prometheus
    for digest in ("old", "new"):
        answers.tell(digest, inspected=3, undamaged=7, regions=5, failures=0, mean_s=math.nan)
    answers.series["vehicle_damage_photos_total"].append(({"model_set": "served-new", "status": "rejected"}, 4.0))
    _, new = Prometheus(url).measure(("old", "new"), window_s=60)
    assert (new.photos, new.judged) == (14, 10)
    assert math.isnan(new.mean_s)


def test_the_metrics_are_those_that_the_service_declares():
    exposed = {sample.name for family in metrics.REGISTRY.collect() for sample in family.samples}
    declared = {f"{family.name}_total" for family in metrics.REGISTRY.collect() if family.type == "counter"}
    assert {module.PHOTOS, module.FAILURES, module.REGIONS} <= declared
    assert module.STAGE.removesuffix("_bucket") in {family.name for family in metrics.REGISTRY.collect()}
    assert module.INFO == "vehicle_damage_model_set_info"
    assert exposed


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (400, None, SetupError, "400: scripted"),
        (503, None, PrometheusUnavailable, "503: scripted"),
        (200, b"<html>", PrometheusUnavailable, "200, and no JSON"),
    ],
)
def test_a_refusal_is_told_apart_from_an_outage(prometheus, status, body, kind, words):
    url, answers = prometheus
    answers.status, answers.body = status, body
    with pytest.raises(kind, match=words):
        Prometheus(url).query("up")


def test_nobody_listening_is_an_outage(closed_port: int):
    with pytest.raises(PrometheusUnavailable, match=str(closed_port)):
        Prometheus(f"http://127.0.0.1:{closed_port}").query("up")


def test_what_is_no_url_is_refused():
    with pytest.raises(SetupError, match="expected http"):
        Prometheus("prometheus:9090")
