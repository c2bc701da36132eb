"""Every finding is counted under the set that found it."""

from service.finding import Finding
from service.observation import observe_finding
from tests.service.world import sample


def finding(**fields: object) -> Finding:
    fitting = {
        "is_let_go": False,
        "gate_score": 0.62,
        "crop_xyxy": (0, 0, 10, 8),
        "car_found": True,
        "brightness": 0.33,
        "size_hw": (8, 10),
        "regions": (),
        "timings_ms": {"decode": 2.0, "localize": 40.0},
    }
    return Finding(**{**fitting, **fields})


def test_stages_and_gate_score_are_told_by_model_set():
    names = ("vehicle_damage_stage_seconds_sum", "vehicle_damage_gate_score_ratio_sum")
    labels = ({"stage": "localize", "model_set": "observed"}, {"model_set": "observed"})
    before = [sample(name, **own) for name, own in zip(names, labels, strict=True)]
    observe_finding(finding(), "observed")
    after = [sample(name, **own) for name, own in zip(names, labels, strict=True)]
    assert [round(now - then, 6) for then, now in zip(before, after, strict=True)] == [0.04, 0.62]
    assert sample("vehicle_damage_stage_seconds_count", model_set="never observed") == 0


def test_brightness_falls_into_its_bucket():
    name = "vehicle_damage_brightness_ratio_bucket"
    before = [sample(name, le=edge) for edge in ("0.3", "0.35")]
    observe_finding(finding(brightness=0.33), "observed")
    assert [sample(name, le=edge) for edge in ("0.3", "0.35")] == [before[0], before[1] + 1]


def test_only_what_the_gate_let_go_counts_as_skipped_by_it():
    before = sample("vehicle_damage_photos_skipped_total", reason="gate")
    observe_finding(finding(), "observed")
    assert sample("vehicle_damage_photos_skipped_total", reason="gate") == before
    observe_finding(finding(is_let_go=True), "observed")
    assert sample("vehicle_damage_photos_skipped_total", reason="gate") == before + 1


def test_only_photos_without_a_car_count_as_such():
    before = sample("vehicle_damage_cars_not_found_total")
    observe_finding(finding(), "observed")
    observe_finding(finding(car_found=False), "observed")
    assert sample("vehicle_damage_cars_not_found_total") == before + 1
