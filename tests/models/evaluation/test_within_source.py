import cv2
import numpy as np
import pytest

from models.data.photos import load_masks, load_photos
from models.evaluation.within_source import (
    SIDE_SHARES,
    GateWindow,
    build_within_source_windows,
    choose_pair,
    cut_alike,
    share_of_pairs_in_order,
)
from models.structures import CropWindow
from tests.models.evaluation.outcomes import photo
from tests.models.tiny_data import SIZE_HW, write_folder

WHOLE = CropWindow.whole(SIZE_HW)


@pytest.fixture(name="photos")
def _photos(tmp_path):
    return load_photos([write_folder(tmp_path / "d", split="val")])


def test_sound_window_holds_no_damage_and_damaged_window_of_the_same_photo_does(photos):
    windows = build_within_source_windows(photos, [WHOLE] * 6, seed=0)
    assert [w.kind for w in windows].count("undamaged_photo") == 2
    pairs = [w for w in windows if w.kind != "undamaged_photo"]
    assert len(pairs) == 8
    for damaged, sound in zip(pairs[::2], pairs[1::2], strict=True):
        assert (damaged.kind, sound.kind) == ("damage", "sound")
        assert damaged.photo == sound.photo
        assert damaged.window.size_hw == sound.window.size_hw
        gt = load_masks(damaged.photo).any(axis=0)
        assert damaged.window.cut(gt).sum() >= gt.sum() / 2
        assert not sound.window.cut(gt).any()


def test_windows_depend_on_the_seed_and_the_photo_alone(photos):
    every = build_within_source_windows(photos, [WHOLE] * 6, seed=3)
    alone = build_within_source_windows(photos[2:3], [WHOLE], seed=3)
    assert alone == [w for w in every if w.photo == photos[2]]
    assert every != build_within_source_windows(photos, [WHOLE] * 6, seed=4)


def test_windows_stay_in_what_serving_looks_at(photos):
    bound = CropWindow(20, 30, 110, 80)
    for window in build_within_source_windows(photos, [bound] * 6, seed=0):
        x0, y0, x1, y1 = window.window.xyxy
        assert 20 <= x0 < x1 <= 110
        assert 30 <= y0 < y1 <= 80


def test_sound_window_keeps_off_other_damage_too():
    gt, ignored = np.zeros((3, 100, 100), bool), np.zeros((100, 100), bool)
    gt[0, 45:55, 45:55] = True
    ignored[:, :30] = True
    for seed in range(8):
        _, sound = choose_pair(gt, ignored, CropWindow.whole((100, 100)), np.random.default_rng(seed))
        assert not sound.cut(gt[0] | ignored).any()


def test_photo_that_is_all_damage_gives_no_pair():
    full = np.ones((3, 60, 60), bool)
    assert choose_pair(full, ~full[0], CropWindow.whole((60, 60)), np.random.default_rng(0)) is None


def test_largest_side_that_fits_both_kinds_is_taken():
    gt = np.zeros((3, 100, 200), bool)
    gt[1, 40:50, 10:20] = True
    damaged, _ = choose_pair(gt, np.zeros((100, 200), bool), CropWindow.whole((100, 200)), np.random.default_rng(0))
    assert damaged.size_hw == (round(100 * SIDE_SHARES[0]),) * 2


def test_all_windows_come_out_at_one_size_and_one_quality():
    image = np.random.default_rng(0).integers(0, 255, (80, 90, 3), np.uint8)
    alike = cut_alike(image, CropWindow(10, 10, 50, 50))
    assert alike.shape == (512, 512, 3)
    resized = cv2.resize(image[10:50, 10:50], (512, 512), interpolation=cv2.INTER_LINEAR)
    _, encoded = cv2.imencode(".jpg", resized[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 75])
    assert (alike == cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1]).all()


def test_pair_in_order_has_the_damage_on_top():
    windows = [GateWindow(photo(str(n)), WHOLE, kind) for n, kind in enumerate(["damage", "sound"] * 3)]
    windows.append(GateWindow(photo("u", damaged=False), WHOLE, "undamaged_photo"))
    in_order, groups = share_of_pairs_in_order(windows, np.array([0.9, 0.1, 0.2, 0.8, 0.5, 0.5, 0.99]))
    assert in_order.tolist() == [1, 0, 0.5]
    assert groups == ["nowhere/0", "nowhere/2", "nowhere/4"]
