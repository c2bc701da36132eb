"""No query names a metric or a label that nobody exposes."""

import pytest

from service import metrics
from service.monitoring.expressions import ForeignMetric, increase, or_zero, quantile, rate, select

FOREIGN = ForeignMetric("kube_thing", ("thing",), "another exporter")


def test_a_counter_is_named_as_prometheus_shows_it():
    assert select(metrics.MESSAGES) == "vehicle_damage_messages_total"
    assert select(metrics.IN_FLIGHT, 'job="a"') == 'vehicle_damage_in_flight_messages{job="a"}'
    assert select(FOREIGN, 'thing=~"a.*"', 'thing!~"b"') == 'kube_thing{thing=~"a.*", thing!~"b"}'


@pytest.mark.parametrize("matcher", ['state="visible"', 'pod!="a"', 'statu=~"x"', 'outcom!~"x"'])
def test_a_label_that_a_metric_does_not_have_is_refused(matcher: str):
    with pytest.raises(ValueError, match=r"vehicle_damage_messages_total: expected a label of outcome, namespace, job"):
        select(metrics.MESSAGES, matcher)


def test_a_sum_by_a_label_that_a_metric_does_not_have_is_refused():
    with pytest.raises(ValueError, match="found stage"):
        rate(metrics.MESSAGES, "5m", by=("stage",))


@pytest.mark.parametrize(
    ("metric", "part"), [(metrics.STAGE, ""), (metrics.MESSAGES, "_bucket"), (metrics.STAGE, "_x")]
)
def test_a_histogram_is_read_by_its_parts_and_nothing_else_is(metric, part: str):
    with pytest.raises(ValueError, match="part"):
        select(metric, part=part)


def test_rates_and_quantiles_are_of_one_installation_unless_told():
    assert rate(metrics.MESSAGES, "5m") == "sum by (namespace, job) (rate(vehicle_damage_messages_total[5m]))"
    assert increase(metrics.MESSAGES, "5m", by=()) == "sum (increase(vehicle_damage_messages_total[5m]))"
    assert quantile(0.99, metrics.FETCH, "5m", by=()) == (
        "histogram_quantile(0.99, sum by (le) (rate(vehicle_damage_fetch_seconds_bucket[5m])))"
    )
    assert or_zero("a", "b") == "(a or 0 * (b))"
