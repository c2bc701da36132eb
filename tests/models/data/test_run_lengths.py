"""COCO's run-length masks against pycocotools, which wrote them first."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.formats import FORMATS, load_dataset
from models.data.formats.dataset import group_parts
from models.data.formats.run_lengths import decode_run_lengths
from models.structures import rasterise_polygons
from tests.photos import good_png

coco_mask = pytest.importorskip("pycocotools.mask", reason="training needs vehicle-damage[train]")


@st.composite
def masks(draw):
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    coarse = rng.random((height // 4 + 1, width // 4 + 1)) < draw(st.sampled_from([0, 0.1, 0.5, 0.9, 1]))
    mask = np.kron(coarse, np.ones((4, 4), bool))[:height, :width]
    return mask ^ (rng.random(mask.shape) < draw(st.sampled_from([0, 0.02, 0.5])))


def compress(mask):
    code = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": list(code["size"]), "counts": code["counts"].decode()}


def list_counts(mask):
    columns = mask.T.ravel()
    edges = np.flatnonzero(np.diff(columns, prepend=False))
    return {"size": list(mask.shape), "counts": np.diff([0, *edges, mask.size]).tolist()}


@settings(max_examples=200, deadline=None)
@given(mask=masks())
def test_masks_come_back_from_text_and_from_lists(mask):
    size_wh = mask.shape[::-1]
    for code in (compress(mask), list_counts(mask)):
        found = decode_run_lengths(code, size_wh)
        assert found.dtype == bool
        assert np.array_equal(found, mask)


def test_a_large_mask_s_text_comes_back():
    mask = np.zeros((1000, 1500), bool)
    mask[:, 700:] = mask[17, 5] = True
    assert np.array_equal(decode_run_lengths(compress(mask), (1500, 1000)), mask)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ({"size": [3, 2], "counts": [6]}, r"size: expected the photo's \[2, 3\], found \[3, 2\]"),
        ({"counts": [6]}, "size: expected"),
        ([6], "size: expected"),
        ({"size": [2, 3], "counts": [2, 3]}, "counts: expected 6 pixels together, found 5"),
        ({"size": [2, 3], "counts": [-1, 7]}, "counts: expected whole numbers"),
        ({"size": [2, 3], "counts": [True, 5]}, "counts: expected whole numbers"),
        ({"size": [2, 3], "counts": 6}, "counts: expected whole numbers"),
        ({"size": [2, 3], "counts": "6\n"}, r"counts: the text breaks at the 2\. length"),
        ({"size": [2, 3], "counts": "o"}, r"counts: the text breaks at the 1\. length"),
        ({"size": [2, 3], "counts": "oooooooooo0"}, r"counts: the text breaks at the 1\. length"),
    ],
)
def test_a_code_that_is_none_is_refused_by_name(code, words):
    with pytest.raises(ValueError, match=words):
        decode_run_lengths(code, (3, 2))


def write_coco(folder, segmentation, size_wh):
    (folder / "a.png").write_bytes(good_png(size_wh[::-1]))
    row = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "iscrowd": 0, "segmentation": segmentation}
    content = {
        "images": [{"id": 1, "file_name": "a.png", "width": size_wh[0], "height": size_wh[1]}],
        "annotations": [row],
        "categories": [{"id": 1, "name": "dent"}],
    }
    (folder / "instances.json").write_text(json.dumps(content))
    return folder


@settings(max_examples=25, deadline=None)
@given(mask=masks().filter(np.any))
def test_a_mask_becomes_one_object_whose_parts_fill_it(tmp_path_factory, mask):
    folder = write_coco(tmp_path_factory.mktemp("coco"), compress(mask), mask.shape[::-1])
    dataset, losses = load_dataset(folder, FORMATS["coco"])
    (parts,) = group_parts(dataset.photos[0].polygons)
    assert np.array_equal(rasterise_polygons([part.points for part in parts], mask.shape), mask)
    assert not losses
    out = folder / "out"
    out.mkdir()
    FORMATS["coco"].write(dataset, out)
    (out / "images").mkdir()
    (out / "images" / "a.png").write_bytes((folder / "a.png").read_bytes())
    assert load_dataset(out, FORMATS["coco"])[0] == dataset
