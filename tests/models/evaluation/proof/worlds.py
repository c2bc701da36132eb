"""Small made-up tests of detectors, whose truth is known."""

import numpy as np

from models.evaluation.detection.matching import DetectionMatches


def make_matches(rng, *, photos=30, gt=2, quality=0.6, class_count=1, photo_effect=None):
    """A detector's matches: each of gt boxes a photo and class is found with a chance, beside one false alarm a photo.

    Args:
        rng: luck of this detector.
        photos: how many.
        gt: annotated boxes of each class on every photo.
        quality: chance that a box is found; one number, or one a class.
        class_count: classes.
        photo_effect: float (photos,), added to the chance.
    """
    chances = np.broadcast_to(quality, class_count)[None, :, None] + np.zeros((photos, class_count, gt))
    if photo_effect is not None:
        chances = chances + photo_effect[:, None, None]
    photo_ids, class_ids, _ = (axis.ravel() for axis in np.indices(chances.shape))
    is_found = rng.random(chances.size) < chances.ravel()
    false_photos, false_classes = (axis.ravel() for axis in np.indices((photos, class_count)))
    photo_ids = np.concatenate([photo_ids[is_found], false_photos])
    class_ids = np.concatenate([class_ids[is_found], false_classes])
    is_match = np.arange(len(photo_ids)) < is_found.sum()
    scores = np.where(is_match, rng.uniform(0.2, 1, len(photo_ids)), rng.uniform(0, 0.6, len(photo_ids)))
    order = np.argsort(-scores)
    return DetectionMatches(
        photo_ids[order],
        class_ids[order],
        scores[order],
        is_match[order][:, None],
        np.full((photos, class_count), gt),
        (0.5,),
    )


def ap_of_copies(matches, photos, class_id):
    """Average precision of a list of photos, some several times, box by box."""
    answers = [
        (score, is_match)
        for photo in photos
        for photo_id, own, score, (is_match,) in zip(
            matches.photo_ids, matches.class_ids, matches.scores, matches.is_match, strict=True
        )
        if photo_id == photo and own == class_id
    ]
    answers.sort(key=lambda answer: -answer[0])
    total, right, curve = sum(matches.gt_counts[photo, class_id] for photo in photos), 0, []
    for shown, (_, is_match) in enumerate(answers, start=1):
        right += is_match
        curve.append((right / total, right / shown))
    return np.mean([max((p for r, p in curve if r >= point), default=0.0) for point in np.linspace(0, 1, 101)])
