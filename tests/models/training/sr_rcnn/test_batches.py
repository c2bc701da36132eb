from collections import Counter

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="training needs vehicle-damage[train]")

import cv2  # noqa: E402

from models.data.photos import DataError  # noqa: E402
from models.training.sr_rcnn import batches  # noqa: E402
from models.training.sr_rcnn.batches import batch_maker, boxes_around, build_sample  # noqa: E402
from models.training.sr_rcnn.photos import DetectionPhoto, OutlinedObject  # noqa: E402


@pytest.fixture
def photo(tmp_path):
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[5:10, 2:8] = (255, 0, 0)
    cv2.imwrite(str(tmp_path / "a.png"), pixels[:, :, ::-1])
    corners = ((2.0, 5.0), (7.0, 5.0), (7.0, 9.0), (2.0, 9.0))  # the border's pixels count
    box = ((10.0, 1.0), (12.5, 1.0), (12.5, 4.0), (10.0, 4.0))
    line = ((20.0, 3.0), (20.0, 12.0), (20.0, 3.0))
    objects = (
        OutlinedObject(2, (corners,), is_box=False), OutlinedObject(1, (box,), is_box=True),
        OutlinedObject(3, (line,), is_box=False),
    )  # fmt: skip
    return DetectionPhoto(tmp_path / "a.png", "a.png", "s", (20, 30), objects)


def test_sample_has_pixels_masks_and_the_boxes_around_them(photo):
    image, target = build_sample(photo)
    assert image.shape == (3, 20, 30)
    assert image[:, 7, 4].tolist() == [1, 0, 0]  # red, in [0, 1]
    assert target["boxes"].tolist() == [[2, 5, 8, 10], [10, 1, 13, 4], [20, 3, 21, 13]]
    assert target["labels"].tolist() == [2, 1, 3]
    assert target["masks"].dtype == torch.uint8
    assert target["masks"].sum(dim=(1, 2)).tolist() == [30, 9, 10]


def test_parts_of_one_object_share_a_mask_and_a_box_and_what_lies_between_is_not_theirs(photo):
    parts = ((2.0, 5.0), (7.0, 5.0), (7.0, 9.0), (2.0, 9.0)), ((20.0, 3.0), (20.0, 12.0), (20.0, 3.0))
    one = DetectionPhoto(photo.path, "a.png", "s", (20, 30), (OutlinedObject(2, parts, is_box=False),))
    _, target = build_sample(one)
    assert target["boxes"].tolist() == [[2, 3, 21, 13]]
    assert target["masks"].sum() == 30 + 10


def test_mirrored_sample_is_the_sample_seen_in_a_mirror(photo):
    (image, target), (mirrored, other) = build_sample(photo), build_sample(photo, is_mirrored=True)
    assert torch.equal(mirrored, image.flip(2))
    assert torch.equal(other["masks"], target["masks"].flip(2))
    expected = torch.stack([30 - target["boxes"][:, 2], target["boxes"][:, 1], 30 - target["boxes"][:, 0],
                            target["boxes"][:, 3]], dim=1)  # fmt: skip
    assert torch.equal(other["boxes"], expected)


def test_boxes_of_masks_end_behind_the_last_pixel():
    masks = np.zeros((1, 4, 4), bool)
    masks[0, 2, 1:3] = True
    assert boxes_around(masks).tolist() == [[1, 2, 3, 3]]


def test_image_of_another_size_is_refused_by_name(photo):
    with pytest.raises(DataError, match=r"a\.png: expected height and width \(40, 30\), found \(20, 30\)"):
        build_sample(DetectionPhoto(photo.path, "a", "s", (40, 30), ()))


@pytest.fixture
def noted(monkeypatch):
    monkeypatch.setattr(batches, "build_sample", lambda photo, *, is_mirrored: (photo, is_mirrored))
    return list(range(5))


def test_every_pass_meets_each_photo_once_in_another_order(noted):
    make = batch_maker(noted, seed=1, batch_size=2)
    seen = [photo for step in range(10) for photo in make(step)[0]]
    passes = [seen[start : start + 5] for start in range(0, 20, 5)]
    assert all(sorted(own) == noted for own in passes)
    assert len({tuple(own) for own in passes}) > 1
    mirrored = Counter(flag for step in range(100) for flag in make(step)[1])
    assert 70 < mirrored[True] < 130  # of 200, standard deviation 7
    assert make(7) == batch_maker(noted, seed=1, batch_size=2)(7)
    assert any(make(step) != batch_maker(noted, seed=2, batch_size=2)(step) for step in range(3))


def test_processes_share_the_batch_of_one(noted):
    whole = batch_maker(noted, seed=1, batch_size=4)
    parts = [batch_maker(noted, seed=1, batch_size=4, rank=rank, processes=2) for rank in range(2)]
    for step in range(4):
        assert parts[0](step)[0] + parts[1](step)[0] == whole(step)[0]
