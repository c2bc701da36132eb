"""Settings refuse what no worker can run with, and name the variable."""

import os

import pytest
from pydantic import ValidationError

from models.store import PRETRAINED_DIR
from service.errors import SetupError
from service.settings import ENV_PREFIX, Settings, load_settings


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in os.environ if name.startswith(ENV_PREFIX)]:
        monkeypatch.delenv(name)


def test_defaults_are_valid_and_reach_no_network():
    settings = load_settings()
    assert (settings.queue_url, settings.photo_buckets, settings.results_bucket) == ("", (), "")
    assert settings.http_host == "127.0.0.1"
    assert settings.ledger_url.startswith("sqlite:///")
    assert settings.model_store == str(PRETRAINED_DIR)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BATCH_PHOTOS", "0"),
        ("BATCH_PHOTOS", "many"),
        ("BATCH_PHOTOS", "1.5"),
        ("FETCH_THREADS", "-1"),
        ("RECEIVE_WAIT_S", "21"),
        ("VISIBILITY_TIMEOUT_S", "43201"),
        ("RENEWAL_INTERVAL_S", "0"),
        ("RENEWAL_INTERVAL_S", "nan"),
        ("SHUTDOWN_GRACE_S", "inf"),
        ("GATE_SCORE_THRESHOLD", "1.01"),
        ("GATE_SCORE_THRESHOLD", "nan"),
        ("CROP_MARGIN_RATIO", "-0.1"),
        ("SCRATCH_POLICY", "CRF"),
        ("PRECISION", "f16"),
        ("RUNTIME", "onnx"),
        ("DEVICE", "gpu"),
        ("HTTP_PORT", "65536"),
        ("LOG_LEVEL", "verbose"),
        ("LOG_FORMAT", "xml"),
        ("MAX_PHOTO_PX2", ""),
    ],
)
def test_a_bad_value_names_its_variable_and_itself(monkeypatch: pytest.MonkeyPatch, name: str, value: str):
    monkeypatch.setenv(ENV_PREFIX + name, value)
    with pytest.raises(SetupError, match=rf"^{ENV_PREFIX}{name}: .+, found ") as refusal:
        load_settings()
    assert repr(value) in str(refusal.value)


@pytest.mark.parametrize(
    ("environment", "blamed"),
    [
        ({"VISIBILITY_TIMEOUT_S": "59"}, "RENEWAL_INTERVAL_S"),
        ({"RENEWAL_INTERVAL_S": "60.1"}, "RENEWAL_INTERVAL_S"),
        ({"SHUTDOWN_GRACE_S": "9.9"}, "SHUTDOWN_GRACE_S"),
        ({"RECEIVE_WAIT_S": "16"}, "SHUTDOWN_GRACE_S"),
        ({"RETRY_PAUSE_S": "901"}, "RETRY_PAUSE_S"),
        ({"RETRY_PAUSE_MAX_S": "4"}, "RETRY_PAUSE_S"),
        ({"DEVICE": "cuda"}, "DEVICE"),
    ],
)
def test_values_that_contradict_each_other_are_refused(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], blamed: str
):
    for name, value in environment.items():
        monkeypatch.setenv(ENV_PREFIX + name, value)
    with pytest.raises(SetupError, match=f"^{ENV_PREFIX}{blamed}: expected"):
        load_settings()


def test_half_the_visibility_timeout_is_the_longest_renewal_interval():
    assert load_settings(visibility_timeout_s=60, renewal_interval_s=30).renewal_interval_s == 30


@pytest.mark.parametrize(
    ("text", "buckets"),
    [
        ("one", ("one",)),
        ("one,two", ("one", "two")),
        (" one , two ,", ("one", "two")),
        (" , ", ()),
        ("", ()),
    ],
)
def test_buckets_are_a_list_separated_by_commas(monkeypatch: pytest.MonkeyPatch, text: str, buckets: tuple[str, ...]):
    monkeypatch.setenv(f"{ENV_PREFIX}PHOTO_BUCKETS", text)
    assert load_settings().photo_buckets == buckets


@pytest.mark.parametrize("missing", ["queue_url", "photo_buckets", "results_bucket"])
def test_a_worker_without_its_variables_is_told_which_one_is_missing(missing: str):
    given = {"queue_url": "http://127.0.0.1/q", "photo_buckets": ("photos",), "results_bucket": "results"}
    load_settings(**given).require_worker()
    del given[missing]
    with pytest.raises(SetupError, match=f"^{ENV_PREFIX}{missing.upper()}: not set"):
        load_settings(**given).require_worker()


def test_an_option_of_the_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(f"{ENV_PREFIX}BATCH_PHOTOS", "3")
    monkeypatch.setenv(f"{ENV_PREFIX}FETCH_THREADS", "7")
    settings = load_settings(batch_photos=5)
    assert (settings.batch_photos, settings.fetch_threads) == (5, 7)


def test_an_option_that_is_no_setting_is_refused():
    with pytest.raises(SetupError, match=f"^{ENV_PREFIX}BATCH_PHOTO: "):
        load_settings(batch_photo=5)


def test_settings_cannot_be_changed_after_the_start():
    with pytest.raises(ValidationError):
        load_settings().batch_photos = 3


def test_every_setting_is_described_and_carries_its_unit():
    for name, field in Settings.model_fields.items():
        assert field.description and field.description.endswith((".", "…")), name
        if any(word in name for word in ("timeout", "interval", "pause", "grace", "wait")):
            assert name.endswith("_s") or "_max_s" in name, name


def test_a_variable_that_is_no_setting_is_refused_by_name(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("VEHICLE_DAMAGE_BATCH_FOTOS", "4")
    with pytest.raises(SetupError, match="VEHICLE_DAMAGE_BATCH_FOTOS: there is no such setting"):
        load_settings()
