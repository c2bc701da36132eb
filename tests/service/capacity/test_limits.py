"""What gives way first is what has the least room, at the busiest minute."""

import pytest

from service.capacity.limits import find_bottlenecks, peak_a_second
from service.capacity.options import CapacityOptions, Fleet, Ledger, Worker
from tests.service.capacity.days import day

OPTIONS = CapacityOptions(
    worker=Worker(cores=2, max_in_flight_messages=30, ledger_connections=1),
    fleet=Fleet(pods_a_node=7),
    ledger=Ledger(postgres_rows_a_second=1000, sqlite_rows_a_second=100),
)


def test_the_busiest_minute_counts_not_the_busiest_second():
    counts = day(180, done=[600] + [0] * 59 + [20] * 60 + [1] * 60).done
    assert peak_a_second(counts) == 20


def test_demands_and_the_load_at_which_they_reach_the_limit():
    small = day(60, arrived=5, done=5, backlog=5, replicas=1, ready=1, paid=1)
    large = day(60, arrived=5000, done=5000, backlog=5, replicas=400, ready=350, paid=420)
    found = {own.name: own for own in find_bottlenecks([small, large], OPTIONS)}
    expected = {
        "EC2 cores of a new account": ((2, 840), 5),
        "SQLite ledger": ((5, 5000), 100),
        "PostgreSQL writes": ((5, 5000), 1000),
        "PostgreSQL connections": ((1, 400), 97),
        "S3 writes of one prefix": ((5, 5000), 3500),
        "S3 reads of one prefix": ((5, 5000), 5500),
        "SQS messages in flight": ((30, 10_500), 120_000),
        "Nodes of a cluster": ((1 / 7, 60), 5000),
        "Pods of a cluster": ((1, 400), 150_000),
    }
    for name, (demands, limit) in expected.items():
        assert found[name].demands == pytest.approx(demands), name
        assert found[name].limit == limit, name
        assert found[name].gives_way_at == pytest.approx(limit / demands[1] * 300_000), name
    assert found["SQS calls"].limit is None
    assert found["SQS calls"].gives_way_at is None
    assert set(found) == {*expected, "SQS calls"}


def test_the_first_to_give_way_comes_first_and_what_has_no_limit_last():
    found = find_bottlenecks([day(60, arrived=50, done=50, backlog=5, replicas=4, ready=4, paid=4)], OPTIONS)
    reached = [own.gives_way_at for own in found[:-1]]
    assert reached == sorted(reached)
    assert found[-1].name == "SQS calls"


def test_a_slower_database_gives_way_earlier():
    own = [day(60, arrived=50, done=50, replicas=4, ready=4, paid=4)]
    slow = OPTIONS.model_copy(update={"ledger": Ledger(postgres_rows_a_second=1, sqlite_rows_a_second=100)})
    assert find_bottlenecks(own, slow)[0].name == "PostgreSQL writes"
    assert find_bottlenecks(own, OPTIONS)[0].name != "PostgreSQL writes"


def test_every_limit_says_where_it_comes_from_and_what_to_do():
    for own in find_bottlenecks([day(60, arrived=1, done=1)], OPTIONS):
        assert own.source
        assert own.advice.endswith((".", "cost."))
