"""What each measure of a report means, in one sentence: shown on the page, and complete by a test."""

import re
from typing import Final

INTERVAL: Final = "_interval_95"

DEFINITIONS: Final[tuple[tuple[str, str], ...]] = (
    (r"photos", "Photos in the sample."),
    (r"groups", "Cars in the sample: photos of one car come and go together in the bootstrap."),
    (r"(un)?damaged_photos", "Photos of the kind that the section counts."),
    (r"(un)?damaged_windows", "Windows with and without damage, resized to 512 px and JPEG quality 75 alike."),
    (r"photos_with_box", "Photos whose car is annotated."),
    (r"iou50_rate|iou75_rate", "Share of annotated cars that the largest box meets with an IoU of 0.5 or 0.75."),
    (r"mean_iou", "Mean IoU of the largest box with the annotated car; 0 where there is no box."),
    (r"no_box_rate", "Share of photos with an annotated car on which no box was found."),
    (r"score_threshold", "Gate score from which a photo goes on."),
    (r"roc_auc", "Chance that a damaged photo (window) scores above an undamaged one; ties count half."),
    (r"roc_auc_same_photos", "The same among windows of the same damaged photos only."),
    (r"pairs_in_order", "Share of photos whose damaged window scores above its sound window of the same size."),
    (
        r"recall_at_skip_rate_\d+_prevalence_2",
        "Greatest recall at a threshold that lets so many percent of all photos go, if 2 % of them are damaged.",
    ),
    (r"false_positive_rate", "Share of undamaged photos that the gate lets through."),
    (r"skip_rate_at_prevalence_2", "Share of all photos that the gate lets go, if 2 % of them are damaged."),
    (r"precision_at_prevalence_\d", "Share of damaged photos among those let through, if so many percent are damaged."),
    (r"accuracy", "Share of right decisions at the threshold, at the sample's own share of damage."),
    (r"f1", "Harmonic mean of precision and recall at the threshold, at the sample's own share of damage."),
    (r"brier", "Mean squared distance of gate score and truth; 0 is perfect, 0.25 is saying 0.5 always."),
    (r"expected_calibration_error_10_bins", "Mean distance of score and share of damage over ten bins of score."),
    (r"stated_recall", "The recall for which a threshold is told."),
    (r"roc_curve", "Points (false positive rate, recall) over all thresholds."),
    (r"reliability", "Per bin of score: mean score, share of damaged photos, photos."),
    (
        r"(scratch|dent|spacing)_iou_foreground_positives",
        "Intersection over union of the class, pixels pooled over photos that show it; background does not count.",
    ),
    (r"(scratch|dent|spacing)_dice_foreground_positives", "Dice coefficient of the class, pooled likewise."),
    (
        r"(scratch|dent|spacing)_boundary_f_2px",
        "Harmonic mean of the shares of predicted and annotated border within 2 px of each other, pooled likewise "
        "(Perazzi et al. 2016).",
    ),
    (
        r"(scratch|dent|spacing)_region_recall_overlap_25",
        "Share of annotated regions a quarter of which is marked as damage of any class.",
    ),
    (r"(scratch|dent|spacing)_regions", "Annotated regions of the class."),
    (
        r"iou_seed_convention",
        "Mean over photos and classes of (foreground IoU + background IoU) / 2, where foreground IoU is 1 if nothing "
        "is predicted nor annotated: flattered by background and by photos without damage.",
    ),
    (
        r"iou_seed_convention_pixels_pooled",
        "The seed's number read another way: pixels of every photo and class in one ratio, background a class like the "
        "others; flattered further, since nearly every pixel is background.",
    ),
    (r"iou_seed_convention_after_gate", "The same with empty masks where the gate lets the photo go."),
    (r"false_regions_per_undamaged_photo_without_gate", "Predicted regions per undamaged photo, the gate left out."),
    (r"false_regions_per_undamaged_photo", "Predicted regions per undamaged photo that pass the gate."),
    (
        r"recall",
        "Share of damaged photos that pass the gate; end to end: that pass it and in which predicted regions cover a "
        "quarter of an annotated region or have their centre in one.",
    ),
    (r"marked_recall", "Share of damaged photos that pass the gate with any predicted region."),
    (r"accused_share_of_undamaged_photos", "Share of undamaged photos with at least one false region."),
    (
        r"recall_at_false_regions_0_2",
        "Greatest end-to-end recall over gate and class thresholds with at most 0.2 false regions per undamaged photo; "
        "read off the same photos.",
    ),
    (r"operating_curve", "Pairs of thresholds that no other pair beats in both recall and false regions."),
)


def define_measure(name: str) -> str:
    """Say what a measure means.

    Args:
        name: its key in a section of the report, an interval's too.

    Raises:
        KeyError: no measure of the report has that name.
    """
    for pattern, definition in DEFINITIONS:
        if re.fullmatch(pattern, name.removesuffix(INTERVAL)):
            return definition
    raise KeyError(name)
