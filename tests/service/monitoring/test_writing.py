"""YAML is written for people, and a missing library is one clear line."""

import sys

import pytest
import yaml

from service.errors import SetupError
from service.monitoring.writing import write_yaml


def test_long_expressions_are_literal_blocks_and_keys_keep_their_order():
    document = {"record": "a", "expr": "sum (a)\n/ sum (b)", "annotations": {"summary": "{{ $value }}: §"}}
    text = write_yaml(document)
    assert text.splitlines()[:3] == ["record: a", "expr: |-", "  sum (a)"]
    assert "§" in text
    assert yaml.safe_load(text) == document


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(SetupError, match="PyYAML is not installed; pip install"):
        write_yaml({})
