"""Requests and prices, worked out by hand."""

import pytest

from service.capacity.cost import Cost, count_requests, price_day
from service.capacity.options import CapacityOptions, Prices, Worker
from tests.service.capacity.days import day

WORKER = Worker(cores=2, receive_wait_s=5, renewal_interval_s=30)


def test_a_busy_queue_is_received_and_deleted_in_batches_of_ten():
    requests = count_requests(
        day(100, arrived=40, done=40, backlog=100, in_flight=60, ready=2), CapacityOptions(worker=WORKER)
    )
    assert requests.sqs_sends == 4000
    assert requests.sqs_receives == 400
    assert requests.sqs_deletes == 400
    assert requests.sqs_extends == pytest.approx(100 * 60 / 10 / 30)
    assert (requests.s3_gets, requests.s3_puts) == (8000, 4000)
    assert requests.sqs == pytest.approx(4000 + 400 + 400 + 20)


def test_a_quiet_queue_is_received_one_by_one_and_idle_pods_ask_in_vain():
    requests = count_requests(day(100, arrived=1, done=1, ready=3), CapacityOptions(worker=WORKER))
    assert requests.sqs_receives == 100 + 100 * 2 / 5
    assert requests.sqs_deletes == 100


def test_a_days_cost_adds_up():
    prices = Prices(
        core_hour_usd=0.05,
        node_overhead_ratio=0.2,
        sqs_million_usd=0.4,
        put_thousand_usd=0.005,
        get_thousand_usd=0.0004,
        object_gb_month_usd=0.024,
        ledger_gb_month_usd=0.12,
        photo_bytes=2e6,
        photo_days=365 / 12,
        result_bytes=1000,
        result_days=365,
        ledger_row_bytes=2000,
    )
    own = day(3600, arrived=10, done=10, backlog=1000, ready=2, paid=3)  # 36,000 photos, three paid hours
    cost = price_day(own, CapacityOptions(worker=WORKER, prices=prices))
    assert cost.compute == pytest.approx(3 * 2 / 0.8 * 0.05)
    assert cost.sqs == pytest.approx((36_000 + 3_600 + 3_600) / 1e6 * 0.4)
    assert cost.s3_requests == pytest.approx(36 * 0.005 + 72 * 0.0004)
    assert cost.photo_storage == pytest.approx(72 * 0.024)  # 72 GB a day, kept for a month
    assert cost.result_storage == pytest.approx(0.036 * 12 * 0.024)
    assert cost.ledger_storage == pytest.approx(0.072 * 12 * 0.12)
    assert cost.total == pytest.approx(sum(vars(cost).values()))


def test_nothing_costs_nothing():
    assert price_day(day(60), CapacityOptions()) == Cost(0, 0, 0, 0, 0, 0)
