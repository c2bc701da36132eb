import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.steps.placement import (
    carry_parts,
    find_covered,
    fit_centres,
    fit_joint,
    measure_overlap,
    measure_shares,
    place,
)
from models.structures import ContractError


def make_boxes(count, seed=0, size_hw=(200, 300)):
    rng = np.random.default_rng(seed)
    centres = rng.normal([0.5, 0.6], [0.1, 0.05], (count, 2)) * size_hw[::-1]
    heights = (0.1 + 0.2 * centres[:, 1] / size_hw[0] + rng.normal(0, 0.004, count)) * size_hw[
        0
    ]  # the lower, the nearer
    half = np.column_stack([heights / 4, heights / 2])
    return np.concatenate([centres - half, centres + half], axis=1), np.tile(size_hw, (count, 1))


def density_by_hand(points, at):
    """Sum of Gaussians with Scott's bandwidth: covariance × n^(−2 / (d + 4))."""
    count, axes = points.shape
    covariance = np.cov(points.T) * count ** (-2 / (axes + 4))
    inverse, norm = np.linalg.inv(covariance), np.sqrt(np.linalg.det(2 * np.pi * covariance))
    return sum(np.exp(-0.5 * (at - p) @ inverse @ (at - p)) / norm for p in points) / count


@pytest.mark.parametrize("fit", [fit_centres, fit_joint])
def test_density_is_the_sum_of_gaussians_over_normalised_centres(fit):
    boxes, sizes = make_boxes(25)
    density = fit(boxes, sizes)
    x, y = (boxes[:, 0] + boxes[:, 2]) / 600, (boxes[:, 1] + boxes[:, 3]) / 400
    points = np.column_stack([x, y, (boxes[:, 3] - boxes[:, 1]) / 200])[:, : 3 if density.has_height else 2]
    at = points[:5] + 0.01
    np.testing.assert_allclose(density.evaluate(at), [density_by_hand(points, p) for p in at], rtol=1e-9)


def test_photos_of_different_sizes_share_one_normalised_density():
    small = fit_centres(*make_boxes(25, size_hw=(100, 150)))
    large = fit_centres(*make_boxes(25, size_hw=(200, 300)))
    at = [[0.5, 0.6], [0.3, 0.55]]
    np.testing.assert_allclose(small.evaluate(at), large.evaluate(at))


@pytest.mark.parametrize("fit", [fit_centres, fit_joint])
@pytest.mark.parametrize("count", [1, 2, 3, 30])
def test_boxes_on_one_line_still_give_a_density_around_them(fit, count):
    boxes = np.array([[40.0, 60.0, 60.0, 100.0]]) + np.linspace(0, 40, count)[:, None]  # on a diagonal, of one size
    points = fit(boxes, np.tile((200, 200), (count, 1))).sample(400, np.random.default_rng(0))
    assert np.isfinite(points).all()
    assert (points.std(axis=0) > 1e-3).all()
    middle = (boxes[:, :2] + boxes[:, 2:]).mean(axis=0) / 400
    assert np.abs(points[:, :2].mean(axis=0) - middle).max() < 0.03


def test_samples_follow_the_boxes():
    boxes, sizes = make_boxes(300)
    points = fit_joint(boxes, sizes).sample(4000, np.random.default_rng(0))
    factor = 1 + 300 ** (-2 / 7)  # variance of data and kernel
    real = np.column_stack([boxes[:, [0, 2]].mean(axis=1) / 300, boxes[:, [1, 3]].mean(axis=1) / 200])
    np.testing.assert_allclose(points[:, :2].mean(axis=0), real.mean(axis=0), atol=0.01)
    np.testing.assert_allclose(points[:, :2].var(axis=0, ddof=1), real.var(axis=0, ddof=1) * factor, rtol=0.12)
    assert np.corrcoef(points[:, 1], points[:, 2])[0, 1] > 0.85  # perspective


def iou_by_pixels(a, b, size):
    grids = []
    for x0, y0, x1, y1 in (a, b):
        grid = np.zeros((size, size), bool)
        grid[y0:y1, x0:x1] = True
        grids.append(grid)
    return (grids[0] & grids[1]).sum() / (grids[0] | grids[1]).sum(), (grids[0] & grids[1]).sum(), *map(np.sum, grids)


@given(
    st.integers(0, 10_000),
    st.integers(4, 30),
    st.integers(4, 30),
    st.sampled_from(["iou", "own_area", "smaller_area"]),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_a_placed_box_lies_inside_and_clear_of_all_others(seed, height, width, overlap, is_joint):
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 40, (6, 2))
    boxes = np.concatenate([corners, corners + rng.integers(5, 20, (6, 2))], axis=1)
    density = (fit_joint if is_joint else fit_centres)(boxes.astype(float), np.tile((64, 64), (6, 1)))
    others = list(boxes)
    for _ in range(4):  # earlier inserts count too
        found = place(density, (height, width), (64, 64), np.array(others), rng, overlap=overlap, max_tries=20)
        assert found.tries <= 20
        box = found.box_xyxy_photo
        if box is None:
            assert (found.tries, found.out_of_frame + found.overlapping) == (20, 20)
            continue
        assert found.out_of_frame + found.overlapping == found.tries - 1
        assert (box >= 0).all()
        assert (box <= 64).all()
        if not is_joint:
            assert (box[2:] - box[:2]).tolist() == [width, height]
        for other in others:
            iou, both, own, of_other = iou_by_pixels(box, other, 64)
            share = {"iou": iou, "own_area": both / own, "smaller_area": both / min(own, of_other)}[overlap]
            assert share <= 0.1 + 1e-12
        others.append(box)


def test_iou_at_the_limit_is_allowed():
    boxes = np.array([[0, 0, 10, 11], [0, 0, 10, 11.1]])
    other = np.array([[0.0, 9.0, 10.0, 20.0]])  # 2 rows of 20 in common: IoU .1
    assert measure_overlap(boxes[:1], other)[0, 0] == pytest.approx(0.1)
    assert measure_overlap(boxes[1:], other)[0, 0] > 0.1
    density = fit_centres(np.tile([0.0, 0.0, 10.0, 11.0], (2, 1)), np.tile((20, 10), (2, 1)))
    tight = [place(density, (11, 10), (20, 10), other, np.random.default_rng(s), max_overlap=0.1) for s in range(3)]
    assert {tuple(p.box_xyxy_photo) for p in tight if p.box_xyxy_photo is not None} <= {(0, 0, 10, 11)}
    assert any(p.box_xyxy_photo is not None for p in tight)


def test_a_small_instance_inside_a_large_box_passes_by_iou_only():
    inside, large = np.array([[40, 40, 50, 60]]), np.array([[0, 0, 100, 100]])
    shares = {name: float(measure_overlap(inside, large, name)[0, 0]) for name in ("iou", "own_area", "smaller_area")}
    assert shares == {"iou": pytest.approx(0.02), "own_area": 1.0, "smaller_area": 1.0}
    around = {name: float(measure_overlap(large, inside, name)[0, 0]) for name in ("own_area", "smaller_area")}
    assert around == {"own_area": pytest.approx(0.02), "smaller_area": 1.0}


def test_no_room_ends_after_the_tries_with_nothing():
    boxes, sizes = make_boxes(10)
    found = place(fit_centres(boxes, sizes), (300, 20), (200, 300), boxes, np.random.default_rng(0), max_tries=7)
    assert (found.box_xyxy_photo, found.tries, found.out_of_frame) == (None, 7, 7)
    whole = np.array([[0.0, 0.0, 300.0, 200.0]])
    found = place(
        fit_centres(boxes, sizes), (190, 250), (200, 300), whole, np.random.default_rng(0), overlap="own_area"
    )
    assert (found.box_xyxy_photo, found.tries) == (None, 100)


def test_joint_density_scales_the_instance_by_where_it_stands():
    boxes, sizes = make_boxes(200)
    density, rng = fit_joint(boxes, sizes), np.random.default_rng(0)
    found = [place(density, (100, 50), (200, 300), boxes[:0], rng).box_xyxy_photo for _ in range(60)]
    sides = np.array([box[2:] - box[:2] for box in found])
    feet = np.array([box[3] for box in found])
    assert np.abs(sides[:, 0] * 2 - sides[:, 1]).max() <= 1  # its proportions stay
    assert 35 < np.median(sides[:, 1]) < 55  # and its own 100 px do not matter
    assert np.corrcoef(feet, sides[:, 1])[0, 1] > 0.7


def test_the_same_seed_places_the_same():
    boxes, sizes = make_boxes(10)
    one, two = (place(fit_centres(boxes, sizes), (9, 9), (200, 300), boxes, np.random.default_rng(3)) for _ in range(2))
    assert one.box_xyxy_photo.tolist() == two.box_xyxy_photo.tolist()


@pytest.mark.parametrize("fit", [fit_centres, fit_joint])
def test_a_place_in_a_frame_is_the_place_in_a_photo_of_its_size(fit):
    boxes, sizes = make_boxes(30)
    density, empty = fit(boxes, sizes), boxes[:0]
    for seed in range(20):
        alone = place(density, (12, 9), (100, 150), empty, np.random.default_rng(seed))
        inside = np.zeros((300, 400), bool)
        inside[40:140, 70:220] = True
        framed = place(
            density,
            (12, 9),
            (300, 400),
            empty,
            np.random.default_rng(seed),
            frame_xyxy_photo=np.array([70, 40, 220, 140]),
            allowed=inside,
        )
        np.testing.assert_array_equal(framed.box_xyxy_photo, alone.box_xyxy_photo + np.array([70, 40, 70, 40]))
        assert (framed.tries, framed.out_of_frame) == (alone.tries, alone.out_of_frame)


@given(st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_shares_are_counted_pixel_by_pixel(seed):
    rng = np.random.default_rng(seed)
    mask = rng.random((9, 12)) < 0.4
    corners = rng.integers(-4, 14, (20, 2))
    boxes = np.concatenate([corners, corners + rng.integers(0, 8, (20, 2))], axis=1)
    for (x0, y0, x1, y1), share in zip(boxes, measure_shares(mask, boxes), strict=True):
        pixels = [(y, x) for y in range(y0, y1) for x in range(x0, x1)]
        filled = sum(bool(0 <= y < 9 and 0 <= x < 12 and mask[y, x]) for y, x in pixels)
        assert share == pytest.approx(filled / len(pixels) if pixels else 0)


def test_a_place_is_allowed_by_the_share_that_is_asked():
    boxes, sizes = make_boxes(40)
    allowed = np.zeros((200, 300), bool)
    allowed[:, :150] = True
    found = []
    for seed in range(40):
        placed = place(
            fit_centres(boxes, sizes),
            (20, 20),
            (200, 300),
            boxes[:0],
            np.random.default_rng(seed),
            allowed=allowed,
            min_allowed_share=0.6,
        )
        found.append((150 - placed.box_xyxy_photo[0]) / 20)
        assert found[-1] >= 0.6
    assert min(found) < 1  # and more is not asked


def test_what_a_paste_hides_is_counted_pixel_by_pixel():
    pasted = np.zeros((20, 20), bool)
    pasted[5:15, 5:15] = True
    boxes = np.array(
        [
            [0, 0, 5, 5],  # beside it
            [4, 5, 8, 15],  # three of four columns
            [6, 6, 12, 12],  # under it
            [0, 0, 20, 20],  # around it: no side is hidden
            [2.4, 5.2, 9.6, 14.8],  # fractions, columns 2 to 10, rows 5 to 15: half hidden, and a bit
        ],
        float,
    )
    covered = find_covered(boxes, pasted)
    np.testing.assert_allclose(covered.covered_shares, [0, 0.75, 1, 0.25, 0.625])
    assert covered.is_hidden.tolist() == [False, True, True, False, True]
    np.testing.assert_allclose(
        covered.visible_xyxy_photo, [[0, 0, 5, 5], [4, 5, 5, 15], [6, 6, 12, 12], [0, 0, 20, 20], [2.4, 5.2, 5, 14.8]]
    )
    assert find_covered(boxes, pasted, max_covered_share=0.75).is_hidden.tolist() == [False, False, True, False, False]
    assert find_covered(boxes[:0], pasted).visible_xyxy_photo.shape == (0, 4)


def test_part_boxes_go_along_and_are_cut_at_the_target():
    parts = np.array([[15.0, 10, 25, 20], [5, 40, 15, 60], [200, 0, 210, 9]])
    carried = carry_parts(parts, np.array([10, 10, 30, 50]), np.array([100, 200, 110, 220]))  # halved
    np.testing.assert_allclose(carried, [[102.5, 200, 107.5, 205], [100, 215, 102.5, 220], [110, 200, 110, 200]])
    with pytest.raises(ContractError, match="from_xyxy"):
        carry_parts(parts, np.array([10, 10, 10, 50]), np.array([0, 0, 5, 5]))


@pytest.mark.parametrize(
    ("boxes", "sizes"),
    [
        (np.zeros((0, 4)), np.zeros((0, 2))),
        (np.zeros((2, 3)), np.ones((2, 2))),
        (np.zeros((2, 4)), np.ones((1, 2))),
        (np.full((2, 4), np.nan), np.ones((2, 2))),
        (np.zeros((2, 4)), np.zeros((2, 2))),
    ],
)
def test_boxes_that_give_no_density_are_refused(boxes, sizes):
    with pytest.raises(ContractError, match="boxes_xyxy, sizes_hw"):
        fit_centres(boxes, sizes)


@pytest.mark.parametrize(
    "change",
    [
        {"overlap": "giou"},
        {"max_tries": 0},
        {"max_overlap": 1.5},
        {"min_side_px": 0},
        {"allowed": np.ones((9, 9), bool)},
    ],
)
def test_wrong_arguments_are_refused(change):
    boxes, sizes = make_boxes(5)
    with pytest.raises(ContractError, match=next(iter(change))):
        place(fit_centres(boxes, sizes), (9, 9), (200, 300), boxes, np.random.default_rng(0), **change)
