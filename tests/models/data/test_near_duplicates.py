import cv2
import numpy as np

from models.data.near_duplicates import find_near_duplicates, hash_both_ways


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
