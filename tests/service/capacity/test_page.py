"""The page is one file that says every number and where it comes from."""

import re
from html.parser import HTMLParser

import pytest

from service.capacity.limits import find_bottlenecks
from service.capacity.options import CapacityOptions, Ledger, Prices, Scaling, Traffic
from service.capacity.page import build_page, walk_options
from service.capacity.plan import Load, plan_load

OPTIONS = CapacityOptions(
    traffic=Traffic(photos_a_day=400_000), scaling=Scaling(queue_length=123), ledger=Ledger(sqlite_rows_a_second=20)
)
VOID = {"meta", "br", "line", "polyline", "polygon"}


@pytest.fixture(scope="module")
def load() -> Load:
    return plan_load(2, OPTIONS)


@pytest.fixture(scope="module")
def page(load: Load) -> str:
    return build_page([load], find_bottlenecks([load.chosen.day], OPTIONS), OPTIONS)


class _Balance(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [
            f"{tag} {name}={value}" for name, value in attrs if name in {"src", "href"} and value[0] != "#"
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_fetches_nothing(page: str):
    parser = _Balance()
    parser.feed(page)
    assert parser.open == []
    assert parser.fetched == []
    assert "<script" not in page
    assert "$" not in page


def test_every_option_is_named_with_its_value_and_origin(page: str):
    for name, field, value in walk_options(OPTIONS):
        assert f"<td>{name}</td><td class=number>{value:,g}</td>" in page, name
        assert field.json_schema_extra["origin"] == "assumed" or field.json_schema_extra["source"], name


def test_options_outside_the_page_do_not_exist():
    shown = {name for name, _, _ in walk_options(OPTIONS)}
    assert {"seed", "slo_oldest_s", "traffic.photos_a_day", "worker.photos_a_second"} <= shown
    assert len([name for name in shown if name.startswith("prices.")]) == len(Prices.model_fields)


def test_the_chosen_rule_is_in_the_summary_and_marked_in_its_table(page: str, load: Load):
    summary = page.split("What to set")[1].split("</table>", maxsplit=1)[0]
    cells = re.findall(r"<t[hd]>(.*?)</t[hd]>", summary)
    told = dict(zip(cells[::2], cells[1::2], strict=True))
    assert told["a day"] == "800,000 photos"
    assert told["minReplicaCount"] == str(load.chosen.min_replicas)
    assert told["queueLength"] == "123"
    assert told["oldest message"] == f"{load.chosen.oldest_s} s"
    assert page.count("class=chosen") == 1


def test_what_is_over_its_limit_is_said_twice_and_red(page: str):
    assert "SQLite ledger" in page.split("What to set")[1].split("</table>", maxsplit=1)[0]
    assert re.search(r'SQLite ledger.*?class="number over"', page)


def test_the_wait_from_zero_is_added_up(page: str):
    fleet = OPTIONS.fleet
    cold_s = 30 + fleet.node_provisioning_s + fleet.image_pull_s + fleet.pod_start_s
    assert f"waits {cold_s:,.0f} s at most" in page
    assert f"{300 - cold_s:,.0f} s less than the objective" in page
