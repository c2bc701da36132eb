"""One visible result a photo and model set, whoever writes first."""

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from models.structures import Region
from service.embedded import EmbeddedAws
from service.errors import BadRequest, PhotoMissing, StorageUnavailable
from service.finding import Finding
from service.request import InspectionRequest, PhotoLocation
from service.result import (
    InspectionResult,
    ResultStore,
    build_message_rejection,
    build_rejection,
    build_result,
)
from tests.service.samples import NOON, region, rejection, result

SEED_KEYS = ["image_id", "damage_level", "regions"]
REQUEST = InspectionRequest(
    photo=PhotoLocation(bucket="fleet-photos", key="drives/7/front.jpg", version_id="v1"),
    vehicle_id="car-007",
    view="front",
    taken_at=NOON,
    rental_id="r-1",
    attributes={"site": "FRA", "lane": 3, "wet": True},
)


def finding(**fields: Any) -> Finding:
    damage = Region(2, ((1.0, 2.0), (3.0, 2.0), (3.0, 5.0)), 0.123456, 6, (1, 2, 4, 6))
    fitting = {
        "is_let_go": False,
        "gate_score": 0.7,
        "crop_xyxy": (0, 0, 10, 8),
        "car_found": True,
        "brightness": 0.5,
        "size_hw": (8, 10),
        "regions": (damage,),
        "timings_ms": {"decode": 1.5},
    }
    return Finding(**{**fitting, **fields})


def test_the_seeds_keys_stand_at_the_top():
    document = json.loads(result().to_json_line())
    assert set(SEED_KEYS) < set(document)
    assert {"points", "class_name"} < set(document["regions"][0])
    assert document["regions"][0]["points"][0] == [10.0, 10.0]
    assert isinstance(document["regions"][0]["class_name"], int)
    assert (document["image_id"], document["damage_level"]) == ("front.jpg", 1)


def test_a_result_is_one_line():
    line = result(attributes={"note": "two\nlines\r\u2028"}).to_json_line()
    assert len(line.split("\n")) == 1
    assert "\r" not in line


@pytest.mark.parametrize("made", [result(), rejection(), rejection(photo=None, message_id="m", message_body="x")])
def test_a_result_survives_its_json(made: InspectionResult):
    assert InspectionResult.model_validate_json(made.to_json_line()) == made


@pytest.mark.parametrize("made", [result(), rejection(), rejection(photo=None, message_id="m", message_body="\x00")])
def test_every_result_fits_the_published_schema(made: InspectionResult):
    schema = InspectionResult.model_json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(made.to_json_line()), schema, cls=jsonschema.Draft202012Validator)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.pop("image_id"),
        lambda d: d.update(status="fine"),
        lambda d: d.update(damage_level=2),
        lambda d: d.update(gate_score=1.5),
        lambda d: d.update(unheard_of=1),
        lambda d: d["regions"][0].update(class_name=4),
        lambda d: d["regions"][0].update(points=[[1, 2], [3, 4]]),
        lambda d: d["regions"][0].update(area_px2=0),
    ],
)
def test_the_schema_and_the_model_refuse_the_same(spoil: Callable[[dict[str, Any]], object]):
    document = json.loads(result().to_json_line())
    spoil(document)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, InspectionResult.model_json_schema(), cls=jsonschema.Draft202012Validator)
    with pytest.raises(ValidationError):
        InspectionResult.model_validate(document)


def test_every_field_of_the_schema_is_described():
    schema = InspectionResult.model_json_schema()
    for model in (schema, schema["$defs"]["ResultRegion"], schema["$defs"]["PhotoLocation"]):
        assert [name for name, field in model["properties"].items() if not field.get("description")] == []


def test_a_result_carries_what_the_message_said_and_what_the_stages_found():
    before = datetime.now(UTC)
    made = build_result(REQUEST, finding(), photo_sha256="ab" * 32, model_set="m")
    assert (made.status, made.damage_level, made.gate_score, made.crop_xyxy) == ("inspected", 1, 0.7, (0, 0, 10, 8))
    assert (made.image_id, made.photo, made.vehicle_id, made.view) == ("front.jpg", REQUEST.photo, "car-007", "front")
    assert (made.taken_at, made.rental_id, made.attributes) == (NOON, "r-1", {"site": "FRA", "lane": 3, "wet": True})
    assert (made.photo_size_hw, made.timings_ms, made.photo_sha256) == ((8, 10), {"decode": 1.5}, "ab" * 32)
    assert before <= made.inspected_at <= datetime.now(UTC)
    (found,) = made.regions
    assert (found.class_name, found.label, found.score, found.area_px2) == (2, "dent", 0.1235, 6)
    assert (found.box_xyxy, found.points) == ((1, 2, 4, 6), ((1.0, 2.0), (3.0, 2.0), (3.0, 5.0)))


def test_a_photo_let_go_by_the_gate_is_undamaged_and_one_without_regions_is_inspected():
    let_go = build_result(REQUEST, finding(is_let_go=True, regions=()), photo_sha256="a", model_set="m")
    clean = build_result(REQUEST, finding(regions=()), photo_sha256="a", model_set="m")
    assert [(r.status, r.damage_level) for r in (let_go, clean)] == [("undamaged", 0), ("inspected", 0)]


def test_a_rejection_says_why_and_which_error():
    made = build_rejection(REQUEST, PhotoMissing("photo: NoSuchKey"), photo_sha256=None, model_set="m")
    assert (made.status, made.reason, made.error) == ("rejected", "photo: NoSuchKey", "PhotoMissing")
    assert (made.damage_level, made.gate_score, made.vehicle_id) == (0, None, "car-007")


def test_a_rejected_message_keeps_its_body_and_each_record_has_a_key_of_its_own():
    made = [build_message_rejection("m-1", "body", i, BadRequest("version: 2"), model_set="m") for i in (0, 1)]
    assert [(r.message_body, r.message_id, r.error) for r in made] == [("body", "m-1", "BadRequest")] * 2
    assert len({r.identity() for r in made}) == 2


# identity ------------------------------------------------------------------------------------------------------------


def test_the_identity_is_of_bucket_key_bytes_and_models_only():
    same = [
        result(),
        result(inspected_at=NOON.replace(year=2027), vehicle_id="other", gate_score=0.1),
        rejection(photo_sha256=result().photo_sha256),
    ]
    assert len({r.identity() for r in same}) == 1
    other = [
        result(photo=PhotoLocation(bucket="other-photos", key="drives/7/front.jpg")),
        result(photo=PhotoLocation(bucket="fleet-photos", key="drives/7/front.JPG")),
        result(photo_sha256="0" * 64),
        result(photo_sha256=None),
        result(model_set="fedcba9876543210"),
    ]
    assert len({r.identity() for r in [*same[:1], *other]}) == 6


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=1024), unique=True, max_size=4))
def test_every_key_gives_an_identity_of_its_own_that_s3_takes(keys: list[str]):
    identities = {result(photo=PhotoLocation.model_construct(bucket="b" * 63, key=key)).identity() for key in keys}
    assert len(identities) == len(keys)
    assert all(len(("results/" + identity).encode()) <= 1024 for identity in identities)


def test_the_identity_stays_what_it_was_when_results_were_written():
    digest = "b0f5eb8ec0e1a1b9c5a0fd9d5f1b5b3e" + "0" * 32
    assert result(photo_sha256=digest).identity() == (
        "fleet-photos/drives/7/front.jpg/b0f5eb8ec0e1a1b9c5a0fd9d5f1b5b3e-0123456789abcdef.json"
    )


# store ---------------------------------------------------------------------------------------------------------------


@pytest.fixture
def store(any_aws: EmbeddedAws) -> ResultStore:
    bucket = any_aws.create_bucket(f"results-{uuid4().hex[:12]}")
    return ResultStore(any_aws.client("s3"), bucket=bucket, prefix="results/")


def test_the_first_writer_wins_and_the_second_gets_the_firsts_result(store: ResultStore):
    first, second = result(gate_score=0.9), result(gate_score=0.1)
    assert store.store(first) == (first, True)
    assert store.store(second) == (first, False)
    assert store.find(first.photo, first.photo_sha256, first.model_set) == first


def test_of_many_writers_at_once_exactly_one_is_visible(store: ResultStore):
    start = threading.Barrier(8)

    def write(number: int) -> tuple[InspectionResult, bool]:
        start.wait()
        return store.store(result(gate_score=number / 10))

    with ThreadPoolExecutor(8) as pool:
        written = list(pool.map(write, range(8)))

    assert sum(is_ours for _, is_ours in written) == 1
    assert len({visible.gate_score for visible, _ in written}) == 1


@pytest.mark.parametrize("key", ["drive 7/Größe+α 100%.jpg", "k" * 1024, "ü" * 512, "a//b/../c.jpg", "?x=1#y", "/"])
def test_a_result_is_found_again_whatever_the_photos_key(store: ResultStore, key: str):
    made = result(key)
    assert store.store(made) == (made, True)
    assert store.find(made.photo, made.photo_sha256, made.model_set) == made


def test_what_was_never_stored_is_not_found(store: ResultStore):
    made = result()
    assert store.find(made.photo, made.photo_sha256, made.model_set) is None
    store.store(made)
    assert store.find(made.photo, "0" * 64, made.model_set) is None
    assert store.find(made.photo, made.photo_sha256, "another set") is None


def test_the_object_is_one_json_line_below_the_prefix(any_aws: EmbeddedAws):
    bucket = any_aws.create_bucket(f"results-{uuid4().hex[:12]}")
    made = result()
    ResultStore(any_aws.client("s3"), bucket=bucket, prefix="fleet/results/").store(made)
    stored = any_aws.client("s3").get_object(Bucket=bucket, Key="fleet/results/" + made.identity())
    assert stored["ContentType"] == "application/json"
    assert stored["Body"].read().decode() == made.to_json_line() + "\n"


def test_something_else_under_the_key_is_an_outage_and_not_a_result(any_aws: EmbeddedAws):
    bucket = any_aws.create_bucket(f"results-{uuid4().hex[:12]}")
    made = result()
    any_aws.client("s3").put_object(Bucket=bucket, Key=made.identity(), Body=b"{}")
    with pytest.raises(StorageUnavailable, match="holds no result of this schema"):
        ResultStore(any_aws.client("s3"), bucket=bucket, prefix="").store(made)


def test_a_missing_results_bucket_is_an_outage(any_aws: EmbeddedAws):
    with pytest.raises(StorageUnavailable, match="NoSuchBucket"):
        ResultStore(any_aws.client("s3"), bucket=f"never-{uuid4().hex[:12]}", prefix="").store(result())


def test_storage_that_does_not_answer_is_an_outage(aws_away: EmbeddedAws):
    client = aws_away.client("s3")
    away = ResultStore(client, bucket="results", prefix="")
    with pytest.raises(StorageUnavailable):
        away.store(result())
    with pytest.raises(StorageUnavailable):
        away.find(result().photo, "ab", "m")


def test_a_region_needs_a_point_for_every_corner():
    with pytest.raises(ValidationError):
        region(points=((1.0, 1.0), (2.0, 2.0)))
