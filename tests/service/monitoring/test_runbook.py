"""Whoever is paged finds a section of the README under the alert's link."""

import re

from service.monitoring.alerts import ALERTS
from service.monitoring.rules import annotate
from tests.service.monitoring.documents import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^#+ (Runbook: \w+)\n\n((?:(?!^#).+\n|\n)+)", README, flags=re.MULTILINE))


def anchor_of(heading: str) -> str:
    """As GitHub makes it: lower case, spaces to hyphens, other marks dropped."""
    return re.sub(r"[^\w-]", "", heading.lower().replace(" ", "-"))


def test_every_alert_has_a_runbook_section_and_every_section_an_alert():
    assert {anchor_of(heading) for heading in SECTIONS} == {alert.runbook_anchor for alert in ALERTS}


def test_every_alert_links_to_its_section():
    anchors = {anchor_of(heading) for heading in SECTIONS}
    for alert in ALERTS:
        file, anchor = annotate(alert)["runbook_url"].split("#")
        assert file == "README.md"
        assert anchor in anchors


def test_a_section_says_what_it_means_where_to_look_and_what_to_do():
    for heading, text in SECTIONS.items():
        assert len(text.split()) >= 25, heading
        for part in ("**Means.**", "**Look.**", "**Do.**"):
            assert part in text, heading


def test_every_metric_that_a_section_names_exists():
    from service.metrics import REGISTRY  # noqa: PLC0415 - only here

    known = {family.name + {"counter": "_total"}.get(family.type, "") for family in REGISTRY.collect()}
    for heading, text in SECTIONS.items():
        assert set(re.findall(r"`(vehicle_damage_\w+)", text)) <= known, heading
