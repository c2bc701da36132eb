"""A message's body becomes requests or a BadRequest, whatever it holds."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import BadRequest, PermanentError
from service.request import InspectionRequest, parse_message
from service.result import InspectionResult, build_rejection

PHOTO = {"bucket": "fleet-photos", "key": "drives/7/front.jpg"}


def body_of(**fields: Any) -> str:
    return json.dumps({"version": 1, "photo": PHOTO, **fields})


def s3_record(key: str = "a.jpg", **changes: Any) -> dict[str, Any]:
    record = {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "fleet-photos"}, "object": {"key": quote_plus(key), "size": 1024, "sequencer": "0A"}},
    }
    return record | changes


def s3_event(*records: Any) -> str:
    return json.dumps({"Records": records})


def in_sns(body: str) -> str:
    return json.dumps({"Type": "Notification", "MessageId": "1", "TopicArn": "arn:aws:sns:x", "Message": body})


def only(body: str) -> InspectionRequest:
    (request,) = parse_message(body)
    assert isinstance(request, InspectionRequest)
    return request


def test_every_field_of_the_schema_arrives():
    request = only(
        body_of(
            photo={**PHOTO, "version_id": "v7"},
            image_id="IMG 7.jpg",
            vehicle_id="car-007",
            view="front_left",
            taken_at="2026-01-05T08:00:00+01:00",
            rental_id="r-1",
            deadline="2026-01-05T09:00:00Z",
            attributes={"site": "FRA", "lane": 3, "wet": True, "lux": 10.5, "note": None},
        )
    )
    assert (request.photo.bucket, request.photo.key, request.photo.version_id) == (*PHOTO.values(), "v7")
    assert (request.name(), request.vehicle_id, request.view, request.rental_id) == (
        "IMG 7.jpg",
        "car-007",
        "front_left",
        "r-1",
    )
    assert request.taken_at == datetime(2026, 1, 5, 7, 0, tzinfo=UTC)
    assert request.attributes == {"site": "FRA", "lane": 3, "wet": True, "lux": 10.5, "note": None}


def test_only_the_photo_is_needed():
    request = only(json.dumps({"photo": PHOTO}))
    assert (request.name(), request.vehicle_id, request.taken_at, request.attributes) == ("front.jpg", None, None, {})


@pytest.mark.parametrize(("key", "name"), [("a/b/c.jpg", "c.jpg"), ("c.jpg", "c.jpg"), ("folder/", "folder/")])
def test_a_photo_without_image_id_is_named_by_its_key(key: str, name: str):
    assert only(body_of(photo={**PHOTO, "key": key})).name() == name


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ("", "message: not JSON"),
        ("photo.jpg", "message: not JSON"),
        ("[" * 100_000, "message: not JSON"),
        ("9" * 10_000, "message: not JSON"),
        ("[]", "message: expected a JSON object, found a list"),
        ("null", "message: expected a JSON object, found null"),
        ("3", "message: expected a JSON object, found a number"),
        ("true", "message: expected a JSON object, found a boolean"),
        ('"x"', "message: expected a JSON object, found a string"),
        ("{}", "photo: "),
        (body_of(version=2), "version: "),
        (body_of(version="1"), "version: "),
        (body_of(vehicel_id="car-7"), "vehicel_id: "),
        (body_of(photo="s3://b/k"), "photo: "),
        (body_of(photo={"bucket": "fleet-photos"}), "photo.key: "),
        (body_of(photo={**PHOTO, "key": ""}), "photo.key: "),
        (body_of(photo={**PHOTO, "key": 7}), "photo.key: "),
        (body_of(photo={**PHOTO, "key": "k" * 1025}), "photo.key: "),
        (body_of(photo={**PHOTO, "bucket": "b"}), "photo.bucket: "),
        (body_of(photo={**PHOTO, "url": "http://x"}), "photo.url: "),
        (body_of(view="roof"), "view: "),
        (body_of(vehicle_id=""), "vehicle_id: "),
        (body_of(vehicle_id="v" * 257), "vehicle_id: "),
        (body_of(vehicle_id=7), "vehicle_id: "),
        (body_of(vehicle_id="car\ud8007"), "vehicle_id: "),
        (body_of(vehicle_id="car\x007"), "vehicle_id: "),
        (body_of(photo={**PHOTO, "key": "a\x00.jpg"}), "photo.key: "),
        (body_of(taken_at="2026-01-05T08:00:00"), "taken_at: "),
        (body_of(taken_at="yesterday"), "taken_at: "),
        (body_of(taken_at="0001-01-01T00:00:00+05:00"), "taken_at: "),
        (body_of(taken_at="9999-12-31T23:59:59-05:00"), "taken_at: "),
        (body_of(deadline="2026-01-05T08:00:00"), "deadline: "),
        (body_of(attributes={"a": {"nested": 1}}), "attributes.a"),
        (body_of(attributes={"a": "\udfff"}), "attributes.a"),
        (body_of(attributes={"a": float("nan")}), ""),
        (body_of(attributes={str(i): i for i in range(65)}), "attributes: "),
        ('{"Records": []}', "Records: "),
        ('{"Records": {}}', "Records: "),
        (in_sns("hello"), "Message: not JSON"),
        (in_sns("[]"), "Message: expected a JSON object"),
        (json.dumps({"Type": "Notification", "Message": {"photo": PHOTO}}), "Message: expected a string"),
    ],
)
def test_what_does_not_fit_is_named_with_its_path(body: str, named: str):
    with pytest.raises(BadRequest) as refusal:
        parse_message(body)
    assert str(refusal.value).startswith(named)


def test_an_s3_events_key_is_url_decoded():
    key = "drive 7/Größe+α 100%.jpg"
    request = only(s3_event(s3_record(key)))
    assert (request.photo.bucket, request.photo.key, request.name()) == ("fleet-photos", key, "Größe+α 100%.jpg")


def test_an_s3_event_may_name_a_version():
    record = s3_record()
    record["s3"]["object"]["versionId"] = "096fKKXTRTtl3on89fVO.nfljtsv6qko"
    assert only(s3_event(record)).photo.version_id == "096fKKXTRTtl3on89fVO.nfljtsv6qko"
    assert only(s3_event(s3_record())).photo.version_id is None


def test_one_bad_record_does_not_take_the_good_ones_with_it():
    parsed = parse_message(
        s3_event(
            s3_record("first.jpg"),
            s3_record(eventName="ObjectRemoved:Delete"),
            "no record",
            s3_record(eventSource="aws:dynamodb"),
            s3_record(s3={"bucket": {"name": "fleet-photos"}, "object": {"key": 7}}),
            s3_record("last.jpg"),
        )
    )
    assert [p.photo.key for p in parsed if isinstance(p, InspectionRequest)] == ["first.jpg", "last.jpg"]
    assert [type(p) for p in parsed[1:5]] == [BadRequest] * 4
    assert str(parsed[1]).startswith("Records[1].eventName: expected ObjectCreated:*, found 'ObjectRemoved:Delete'")
    assert str(parsed[3]).startswith("Records[3].eventSource: expected aws:s3")


@pytest.mark.parametrize("body", [body_of(), s3_event(s3_record(PHOTO["key"]))])
def test_what_sns_wraps_is_read_as_if_it_came_alone(body: str):
    assert parse_message(in_sns(body)) == parse_message(body)


def test_s3s_test_event_asks_for_nothing():
    event = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "fleet-photos", "RequestId": "1"})
    assert parse_message(event) == []
    assert parse_message(in_sns(event)) == []


def test_a_request_is_overdue_only_after_its_deadline():
    deadline = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
    request = only(body_of(deadline="2026-01-05T10:00:00+01:00"))
    assert not request.is_overdue(deadline)
    assert request.is_overdue(deadline + timedelta(microseconds=1))
    assert not only(body_of()).is_overdue(deadline)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
LIKELY_WORDS = (
    "Records",
    "Type",
    "Message",
    "Event",
    "s3",
    "bucket",
    "object",
    "key",
    "photo",
    "version",
    "attributes",
)
LOOKALIKES = st.recursive(
    JSON_VALUES | st.sampled_from(["Notification", "s3:TestEvent", "aws:s3", "ObjectCreated:Put", s3_record(), PHOTO]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(LIKELY_WORDS), inner, max_size=5),
    max_leaves=12,
)


@given(st.text() | JSON_VALUES.map(json.dumps) | LOOKALIKES.map(json.dumps))
def test_any_text_gives_a_list_or_a_bad_request(body: str):
    try:
        parsed = parse_message(body)
    except BadRequest as error:
        assert str(error)
    else:
        assert all(isinstance(part, InspectionRequest | BadRequest) for part in parsed)


MOMENTS = st.datetimes(timezones=st.timezones()).map(lambda moment: moment.isoformat())
REQUESTS = st.fixed_dictionaries(
    {"photo": st.fixed_dictionaries({"bucket": st.text(min_size=3, max_size=63), "key": st.text(min_size=1)})},
    optional={
        "image_id": st.text(),
        "vehicle_id": st.text(),
        "taken_at": MOMENTS,
        "deadline": MOMENTS,
        "attributes": st.dictionaries(st.text(), st.text() | st.integers() | st.floats() | st.none(), max_size=3),
    },
)


@given(REQUESTS.map(json.dumps))
def test_whatever_is_accepted_can_be_carried_into_a_result_and_back(body: str):
    try:
        (request,) = parse_message(body)
    except BadRequest:
        return
    assert isinstance(request, InspectionRequest)
    request.is_overdue(datetime.now(UTC))
    result = build_rejection(request, PermanentError("why"), photo_sha256=None, model_set="m")
    assert InspectionResult.model_validate_json(result.to_json_line()) == result
    result.identity().encode()
    if result.taken_at is not None:
        result.taken_at.astimezone(UTC)


@pytest.mark.parametrize("bucket", ["ab", "x" * 64, "photos/x", "photos x", "사진-사진"])
def test_a_bucket_name_that_no_bucket_can_have_is_refused(bucket: str):
    with pytest.raises(BadRequest, match=r"photo\.bucket"):
        parse_message(json.dumps({"photo": {"bucket": bucket, "key": "a.jpg"}}))


def test_a_keys_length_counts_in_bytes():
    assert len(parse_message(json.dumps({"photo": {"bucket": "photos", "key": "é" * 512}}))) == 1
    with pytest.raises(BadRequest, match=r"photo\.key: .*1024 bytes"):
        parse_message(json.dumps({"photo": {"bucket": "photos", "key": "é" * 513}}))


@pytest.mark.parametrize("moment", [5, 1.5, True, "5"])
def test_a_time_that_is_not_written_as_one_is_refused(moment: object):
    with pytest.raises(BadRequest, match="taken_at"):
        parse_message(json.dumps({"photo": {"bucket": "photos", "key": "a.jpg"}, "taken_at": moment}))
