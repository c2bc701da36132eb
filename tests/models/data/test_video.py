import cv2
import numpy as np
import pytest

from models.data.photos import DataError
from models.data.video import load_frames, rolling_mean


@pytest.fixture
def video(tmp_path):
    """Ten frames of one colour each: red rises by 20."""
    path = tmp_path / "v.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 10, (32, 16))
    assert writer.isOpened()
    for number in range(10):
        writer.write(np.full((16, 32, 3), (0, 0, 20 * number), np.uint8))
    writer.release()
    return path


def test_frames_come_in_order_as_rgb(video):
    frames = list(load_frames(video))
    assert [number for number, _ in frames] == list(range(10))
    for number, frame in frames:
        assert frame.shape == (16, 32, 3)
        assert frame.dtype == np.uint8
        assert frame[8, 16].tolist() == pytest.approx([20 * number, 0, 0], abs=8)


def test_stride_and_limit_choose_frames(video):
    assert [number for number, _ in load_frames(video, stride=4)] == [0, 4, 8]
    assert [number for number, _ in load_frames(video, stride=3, max_frames=2)] == [0, 3]
    assert next(f for n, f in load_frames(video, stride=4) if n == 8)[8, 16, 0] == pytest.approx(160, abs=8)


def test_what_is_no_video_is_refused_by_name(tmp_path):
    (tmp_path / "junk.avi").write_bytes(b"junk")
    for name in ("junk.avi", "nowhere.avi"):
        with pytest.raises(DataError, match=name):
            next(load_frames(tmp_path / name))


@pytest.mark.parametrize("options", [{"stride": 0}, {"max_frames": 0}])
def test_impossible_choice_is_refused(video, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        next(load_frames(video, **options))


def test_rolling_mean_averages_the_last_frames():
    frames = [np.full((2, 2, 3), value, np.uint8) for value in (0, 30, 90, 255, 255)]
    assert [f[0, 0, 0] for f in rolling_mean(frames, 3)] == [0, 15, 40, 125, 200]
    assert [f[0, 0, 0] for f in rolling_mean(frames, 1)] == [0, 30, 90, 255, 255]


def test_rolling_mean_of_the_impossible_is_refused():
    with pytest.raises(ValueError, match="window"):
        next(rolling_mean([], 0))
    with pytest.raises(ValueError, match=r"frames\[1\]"):
        list(rolling_mean([np.zeros((2, 2, 3), np.uint8), np.zeros((1, 2, 3), np.uint8)], 2))
