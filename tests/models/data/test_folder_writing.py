import pytest

from models.data.folder_writing import link_images, new_folder, write_data_folder
from models.data.manifest import verify_manifest
from models.data.photos import DataError, load_photos
from models.data.records import load_records
from tests.models.tiny_data import write_folder


def test_written_folder_is_a_data_folder_with_a_manifest(tmp_path):
    source = write_folder(tmp_path / "source")
    records = load_records(source)
    write_data_folder(tmp_path / "out", records[:2], source / "images", reports={"why.json": {"because": 1}})
    assert [p.image_id for p in load_photos([tmp_path / "out"])] == ["0.jpg", "1.jpg"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "annotations.json", "images", "manifest.json", "why.json",
    ]  # fmt: skip
    assert (tmp_path / "out" / "images" / "1.jpg").read_bytes() == (source / "images" / "1.jpg").read_bytes()
    verify_manifest(tmp_path / "out")


def test_nothing_is_left_of_a_folder_that_could_not_be_written(tmp_path):
    source = write_folder(tmp_path / "source")
    records = load_records(source)
    (source / "images" / "3.jpg").unlink()
    (source / "images" / "5.jpg").unlink()
    with pytest.raises(DataError, match=r"(?s)3\.jpg.*5\.jpg"):
        write_data_folder(tmp_path / "out", records, source / "images")
    assert [p.name for p in tmp_path.iterdir()] == ["source"]


def test_folder_with_something_in_it_is_not_touched(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(DataError, match="out: expected a new or empty folder"), new_folder(tmp_path / "out"):
        pytest.fail("lent a folder")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine"]


@pytest.mark.parametrize("name", ["../source/images/0.jpg", "/etc/hostname"])
def test_image_name_cannot_lead_out_of_the_folder(tmp_path, name):
    source = write_folder(tmp_path / "source")
    with pytest.raises(DataError, match="inside images/"):
        write_data_folder(tmp_path / "out", [{"image_id": name}], source / "images")


def test_image_whose_place_is_taken_is_refused_and_nothing_is_written_through_a_link(tmp_path):
    for name, content in (("a", b"first"), ("b", b"second")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "photo.jpg").write_bytes(content)
    link_images(tmp_path / "a", tmp_path / "out", ["photo.jpg"])
    with pytest.raises(DataError, match=r"out/photo\.jpg: two images of one name"):
        link_images(tmp_path / "b", tmp_path / "out", ["photo.jpg"])
    assert (tmp_path / "a" / "photo.jpg").read_bytes() == b"first"
