"""Every finding is counted under the set that found it."""

from types import SimpleNamespace

from service.finding import Finding
from service.metrics import REGISTRY
from service.observation import DriftWatch, observe_finding
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


EVEN = {"edges": [0.5], "shares": [0.5, 0.5], "photos": 1000}
REFERENCE = {"gate_score": EVEN, "brightness": EVEN}


def pipeline(digest: str, reference: object) -> SimpleNamespace:
    return SimpleNamespace(digest=digest, reference=reference)


def drift(of: str) -> float | None:
    return REGISTRY.get_sample_value("vehicle_damage_drift_psi_ratio", {"of": of})


def test_drift_is_told_once_the_window_is_full_and_each_of_its_own():
    watch, serving = DriftWatch(20), pipeline("one", REFERENCE)
    for number in range(20):
        assert drift("gate_score") is None
        watch.observe(finding(gate_score=number % 2, brightness=0.9), serving)
    assert drift("gate_score") < 0.01
    assert drift("brightness") > 0.25


def test_another_model_set_begins_anew_and_one_without_reference_tells_nothing():
    watch = DriftWatch(10)
    for _ in range(10):
        watch.observe(finding(), pipeline("one", REFERENCE))
    assert drift("gate_score") is not None
    watch.observe(finding(), pipeline("two", REFERENCE))
    assert drift("gate_score") is None
    for _ in range(30):
        watch.observe(finding(), pipeline("three", {}))
    assert drift("gate_score") is None
