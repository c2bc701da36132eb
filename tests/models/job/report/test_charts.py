import re
from xml.etree import ElementTree

import numpy as np
import pytest

pytest.importorskip("torch", reason="the job needs vehicle-damage[train]")
pytest.importorskip("matplotlib", reason="plots need vehicle-damage[train]")

from models.job.report.charts import draw_curves, draw_gains, draw_histogram, draw_val_by_ratio


def test_histogram_is_a_point_a_value_with_its_height_by_square_root():
    counts = np.zeros((3, 256), np.int32)
    counts[0, 255], counts[1, 10] = 400, 100
    svg = ElementTree.fromstring(draw_histogram(counts))
    red, green, blue = (
        [tuple(map(float, point.split(","))) for point in line.get("points").split()] for line in svg.iter("polyline")
    )
    assert len(red) == len(green) == len(blue) == 256
    assert red[255] == (127.5, 0)
    assert green[10] == (5, 28)  # half of 56 for a quarter of the pixels
    assert {y for _, y in blue} == {56}
    assert "most: 400 px" in "".join(svg.itertext())


def test_plots_label_their_axes_and_are_the_same_every_time():
    gain = {"value": 0.01, "low": -0.01, "high": 0.03}
    unknown = {"value": 0.02, "low": None, "high": None}
    points = [{"images": 1000, "value": 2.0}, {"images": 2000, "value": None}, {"images": 3000, "value": 1.0}]
    for draw, labels in (
        (lambda: draw_gains({"repeat": gain, "rgba_blend": unknown}, "ap", None), ["Gain of ap, points", "repeat"]),
        (
            lambda: draw_val_by_ratio({"repeat": {"0.2": 0.5, "0.1": 0.4}}, 0.3, "person"),
            ["Photos added, % of train", "AP50 of person on val", "10", "20", "baseline"],
        ),
        (
            lambda: draw_curves({"transformer": points, "mlp": points[:1]}, "FID"),
            ["Images shown, thousands", "FID", "transformer mapping", "MLP mapping"],
        ),
    ):  # fmt: skip
        svg = draw()
        assert svg == draw()
        texts = [text.strip() for text in ElementTree.fromstring(svg).itertext() if text.strip()]
        assert not [label for label in labels if label not in texts], texts
        assert not re.search(r"<dc:date>|nan", svg)
