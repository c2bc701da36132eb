"""A store is opened by its name."""

from pathlib import Path

import pytest

from models.object_store import OPENERS, FolderStore, StoreError, open_store


def test_a_folder_is_opened_by_its_path(tmp_path: Path):
    (tmp_path / "key").write_bytes(b"body")
    for location in (tmp_path, str(tmp_path)):
        assert open_store(location).read("key") == b"body"


def test_another_kind_is_opened_by_whoever_knows_its_scheme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = []
    monkeypatch.setitem(OPENERS, "elsewhere", lambda url: asked.append(url) or FolderStore(tmp_path))
    assert open_store("elsewhere://place/prefix").location == str(tmp_path)
    assert asked == ["elsewhere://place/prefix"]


def test_a_scheme_that_nobody_opens_is_refused_with_those_that_somebody_does(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(OPENERS, "elsewhere", FolderStore)
    with pytest.raises(StoreError, match=r"elsewhere://.* found gs://bucket"):
        open_store("gs://bucket")


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(StoreError, match="no such folder"):
        open_store(tmp_path / "never")
