import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.data.bands import (
    BandLimits,
    find_complete_window,
    latitude_band,
    load_bands,
    measure_limits,
    prepare_bands,
    scale_bands,
)
from models.data.photos import DataError
from models.structures import ContractError

NAN = np.nan


def test_files_are_stacked_as_channels_in_order(tmp_path):
    a, b = np.arange(6, dtype=np.int16).reshape(2, 3), np.full((2, 3, 2), 7.5)
    np.save(tmp_path / "a.npy", a)
    np.savez(tmp_path / "z.npz", second=a + 20, first=a + 10)
    np.save(tmp_path / "b.npy", b)
    bands = load_bands([tmp_path / "b.npy", tmp_path / "a.npy", tmp_path / "z.npz"])
    assert bands.dtype == np.float32
    assert bands[1, 2].tolist() == [7.5, 7.5, 5, 15, 25]


def test_tiff_pages_are_bands_and_colour_is_rgb(tmp_path):
    pages = [np.full((4, 5), value, np.float32) for value in (1.5, -2, 1e6)]
    cv2.imwritemulti(str(tmp_path / "pages.tiff"), pages)
    cv2.imwrite(str(tmp_path / "red.tif"), np.full((4, 5, 3), (0, 0, 60000), np.uint16))
    bands = load_bands([tmp_path / "pages.tiff", tmp_path / "red.tif"])
    assert bands[0, 0].tolist() == [1.5, -2, 1e6, 60000, 0, 0]


def test_missing_is_nan_whatever_stands_for_it(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[1, -9999, NAN, np.inf]]))
    bands = load_bands([tmp_path / "a.npy"], missing_value=-9999)
    assert np.isnan(bands[0, :, 0]).tolist() == [False, True, True, True]


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("other_size.npy", np.zeros((3, 3))),
        ("line.npy", np.zeros(3)),
        ("text.npy", np.array([["a"]])),
        ("empty.npy", np.zeros((0, 3))),
        ("complex.npy", np.zeros((2, 3), complex)),
        ("pickled.npy", np.array([[{}]])),
    ],
)
def test_file_that_is_no_band_is_refused_by_name(tmp_path, name, array):
    np.save(tmp_path / "first.npy", np.zeros((2, 3)))
    np.save(tmp_path / name, array)
    with pytest.raises(DataError, match=name):
        load_bands([tmp_path / "first.npy", tmp_path / name])


@pytest.mark.parametrize("name", ["nowhere.npy", "nowhere.tif", "junk.npy", "junk.npz", "junk.tif"])
def test_missing_and_broken_files_are_refused_by_name(tmp_path, name):
    if name.startswith("junk"):
        (tmp_path / name).write_bytes(b"PK\x03\x04junk")
    with pytest.raises(DataError, match=name):
        load_bands([tmp_path / name])


def largest_by_hand(is_complete):
    height, width = is_complete.shape
    return max(
        (y1 - y0) * (x1 - x0)
        for y0, y1 in itertools.combinations(range(height + 1), 2)
        for x0, x1 in itertools.combinations(range(width + 1), 2)
        if is_complete[y0:y1, x0:x1].all()
    )


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 6).flatmap(
        lambda w: st.lists(st.lists(st.booleans(), min_size=w, max_size=w), min_size=1, max_size=6)
    )
)
def test_window_is_the_largest_without_a_gap(rows):
    is_complete = np.array(rows)
    bands = np.stack([np.where(is_complete, 1, NAN), np.ones(is_complete.shape)], axis=2).astype(np.float32)
    if not is_complete.any():
        with pytest.raises(DataError, match="bands"):
            find_complete_window(bands)
        return
    window = find_complete_window(bands)
    assert window.cut(is_complete).all()
    assert window.size_hw[0] * window.size_hw[1] == largest_by_hand(is_complete)


def test_limits_leave_outliers_and_gaps_out():
    band = np.arange(101, dtype=np.float32).reshape(1, 101, 1)
    band[0, 100] = 1e9
    limits = measure_limits([band, np.full((1, 4, 1), NAN, np.float32)], percentiles=(10, 90))
    assert limits == BandLimits((10.0,), (90.0,))
    assert scale_bands(np.array([[[0], [50], [1e9]]], np.float32), limits)[0, :, 0].tolist() == [0, 0.5, 1]


def test_outlier_is_clipped_before_it_can_bleed_into_its_neighbours():
    band = np.zeros((4, 4, 1), np.float32)
    band[0, 0] = 1e6
    halved = prepare_bands(band, BandLimits((0.0,), (1.0,)), (2, 2))
    assert halved[..., 0].tolist() == [[0.25, 0], [0, 0]]  # resized first it would be 1


def test_gaps_are_cut_away_and_latitude_stays_with_its_rows():
    bands = np.ones((4, 3, 2), np.float32)
    bands[:2, :, 1] = NAN
    ready = prepare_bands(bands, BandLimits((0.0, 0.0), (2.0, 4.0)), (2, 3), latitude_deg=(90, -90))
    assert ready.shape == (2, 3, 3)
    assert ready.dtype == np.float32
    assert ready[0, 0].tolist() == [0.5, 0.25, -0.25]  # the third row's middle lies at 22.5 degrees south
    assert ready[1, 2].tolist() == [0.5, 0.25, -0.75]


def test_latitude_is_that_of_the_rows_middles():
    assert latitude_band(2, 45, 0).tolist() == [0.375, 0.125]
    for edges in ((0, 45), (91, 0), (NAN, 0)):
        with pytest.raises(ValueError, match="north_deg"):
            latitude_band(2, *edges)


def test_wrong_limits_are_refused():
    band = np.ones((2, 2, 1), np.float32)
    with pytest.raises(ContractError, match="bands"):
        scale_bands(band, BandLimits((0.0, 0.0), (1.0, 1.0)))
    with pytest.raises(ValueError, match="flat"):
        measure_limits([band])
    with pytest.raises(ValueError, match="found none in band 0"):
        measure_limits([band * np.float32(NAN)])
    with pytest.raises(ValueError, match="percentiles"):
        measure_limits([band], percentiles=(99, 1))
    with pytest.raises(DataError, match="paths"):
        load_bands([])
