import cv2
import numpy as np

from models.data import near_duplicates
from models.data.near_duplicates import choose_firsts, find_near_duplicates, group_near_duplicates, hash_both_ways


def scene(seed):
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC)


def test_small_mirrored_recompressed_copy_is_found_and_strangers_are_not():
    copy = cv2.resize(scene(0)[:, ::-1], (80, 60), interpolation=cv2.INTER_AREA)
    copy = cv2.imdecode(cv2.imencode(".jpg", copy, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR)
    suspects = [hash_both_ways(image) for image in (copy, scene(1), scene(2))]
    assert find_near_duplicates(suspects, [hash_both_ways(scene(0))]).tolist() == [True, False, False]


def test_nothing_to_compare_with_means_no_duplicates():
    assert find_near_duplicates([hash_both_ways(scene(0))], []).tolist() == [False]


def test_blocks_of_rows_do_not_change_the_answer(monkeypatch):
    hashes = [hash_both_ways(scene(seed)) for seed in (0, 1, 2, 0, 1)]
    whole = find_near_duplicates(hashes, hashes[3:]).tolist(), group_near_duplicates(hashes).tolist()
    monkeypatch.setattr(near_duplicates, "ROWS_AT_ONCE", 2)
    assert (find_near_duplicates(hashes, hashes[3:]).tolist(), group_near_duplicates(hashes).tolist()) == whole
    assert whole == ([True, True, False, True, True], [0, 1, 2, 0, 1])


def bits(*changed):
    """A hash whose mirror image is as far from it as can be, with some bits flipped."""
    one = np.arange(63) % 2 == 0
    one[list(changed)] ^= True
    return np.stack([one, ~one])


def test_cluster_is_whoever_looks_like_a_member():
    chain = [bits(), bits(0, 1, 2), bits(0, 1, 2, 3, 4, 5), bits(*range(20, 40))]
    assert group_near_duplicates(chain, max_bits=3).tolist() == [0, 0, 0, 3]
    assert group_near_duplicates(chain, max_bits=2).tolist() == [0, 1, 2, 3]


def test_mirror_image_joins_its_original_whatever_the_order():
    copy = np.ascontiguousarray(scene(0)[:, ::-1])
    hashes = [hash_both_ways(image) for image in (scene(1), copy, scene(2), scene(0))]
    assert group_near_duplicates(hashes).tolist() == [0, 1, 2, 1]
    assert choose_firsts(group_near_duplicates(hashes)).tolist() == [True, True, True, False]


def test_no_photos_are_no_clusters():
    assert group_near_duplicates([]).tolist() == []
