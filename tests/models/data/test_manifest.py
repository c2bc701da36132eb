import json
import os
import shutil

import pytest

from models.data.manifest import MANIFEST_NAME, build_manifest, load_manifest, verify_manifest, write_manifest
from models.data.photos import DataError
from tests.models.tiny_data import write_folder


def test_manifest_names_every_file_with_its_size_sum_and_split(tmp_path):
    folder = tmp_path / "d"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "a.jpg").write_bytes(b"abc")
    (folder / "annotations.json").write_text('[{"image_id": "a.jpg", "split": "val"}]')
    manifest = write_manifest(folder)
    assert [f.path for f in manifest.files] == ["annotations.json", "images/a.jpg"]
    photo = manifest.files[1]
    assert (photo.size_bytes, photo.split) == (3, "val")
    assert photo.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    assert manifest.annotations_sha256 == manifest.files[0].sha256
    assert manifest.count_splits() == {"val": 1}
    assert load_manifest(folder) == manifest


def test_digest_is_the_contents_not_the_places_or_times(tmp_path):
    first = write_manifest(write_folder(tmp_path / "first")).digest
    copy = shutil.copytree(tmp_path / "first", tmp_path / "deep" / "copy")
    os.utime(copy / "images" / "0.jpg", (1, 1))
    assert build_manifest(copy).digest == write_manifest(copy).digest == first
    assert verify_manifest(copy).digest == first


def test_every_difference_is_told_at_once(tmp_path):
    folder = write_folder(tmp_path / "d")
    write_manifest(folder)
    (folder / "images" / "0.jpg").unlink()
    (folder / "images" / "new.jpg").write_bytes(b"")
    changed = folder / "images" / "1.jpg"
    changed.write_bytes(bytes(reversed(changed.read_bytes())))
    records = json.loads((folder / "annotations.json").read_text())
    records[2]["split"] = "val"
    (folder / "annotations.json").write_text(json.dumps(records))
    with pytest.raises(DataError) as told:
        verify_manifest(folder)
    lines = [line.removeprefix(f"{folder}/") for line in str(told.value).splitlines()]
    assert [line.split(": expected")[0] for line in lines] == [
        "annotations.json: size_bytes",
        "annotations.json: sha256",
        "images/0.jpg: missing",
        "images/1.jpg: sha256",
        "images/2.jpg: split",
        "images/new.jpg: not in the manifest",
    ]
    assert "expected 'train', found 'val'" in lines[4]


def test_manifest_changed_by_hand_is_refused(tmp_path):
    folder = write_folder(tmp_path / "d")
    write_manifest(folder)
    fields = json.loads((folder / MANIFEST_NAME).read_text())
    fields["files"][1]["size_bytes"] += 1
    (folder / MANIFEST_NAME).write_text(json.dumps(fields))
    with pytest.raises(DataError, match="changed by hand"):
        load_manifest(folder)


@pytest.mark.parametrize("text", ["no json", "{}", "[]", '{"schema": 2}', '{"schema": 1, "files": [{}]}'])
def test_wrong_manifest_is_refused_by_name(tmp_path, text):
    (tmp_path / MANIFEST_NAME).write_text(text)
    with pytest.raises(DataError, match=r"manifest\.json"):
        load_manifest(tmp_path)


def test_folder_without_manifest_files_or_photos_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=r"manifest\.json"):
        verify_manifest(write_folder(tmp_path / "d"))
    with pytest.raises(DataError, match="nowhere"):
        write_manifest(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty"):
        write_manifest(tmp_path / "empty")
    (tmp_path / "empty" / "annotations.json").write_text('[{"split": "val"}]')
    with pytest.raises(DataError, match="image_id"):
        write_manifest(tmp_path / "empty")
