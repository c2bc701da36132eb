"""SQS and S3 on loopback start for a block and leave nothing behind."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from service import embedded
from service.embedded import EmbeddedAws, run_embedded_aws
from service.errors import SetupError
from service.sqs import Queue


def is_running(process_id: int) -> bool:
    stat = Path(f"/proc/{process_id}/stat")
    return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_the_emulator_runs_for_the_block_and_frees_its_port_after_an_error():
    class OurError(Exception):
        pass

    with pytest.raises(OurError), run_embedded_aws() as aws:
        aws.create_bucket("photos")
        assert is_running(aws.process_id)
        raise OurError
    assert not is_running(aws.process_id)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", urlsplit(aws.endpoint_url).port)) != 0


def test_it_answers_on_loopback_only(aws: EmbeddedAws):
    url = urlsplit(aws.endpoint_url)
    assert url.hostname == "127.0.0.1"
    table = Path("/proc/net/tcp")
    if table.exists():
        listening = [line.split() for line in table.read_text().splitlines()[1:]]
        bound = {
            row[1].split(":")[0] for row in listening if row[3] == "0A" and int(row[1].split(":")[1], 16) == url.port
        }
        assert bound == {"0100007F"}


def test_another_process_finds_it_by_the_environment(aws: EmbeddedAws, make_bucket):
    bucket = make_bucket()
    listed = subprocess.run(
        [
            sys.executable,
            "-c",
            "import boto3; print([b['Name'] for b in boto3.client('s3').list_buckets()['Buckets']])",
        ],
        env={**os.environ, **aws.environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout
    assert bucket in listed


def test_a_queue_comes_with_its_dead_letter_queue_and_its_options(aws: EmbeddedAws, make_queue):
    url = make_queue(max_receive_count=7, visibility_timeout_s=33)
    found = aws.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert found["VisibilityTimeout"] == "33"
    assert int(json.loads(found["RedrivePolicy"])["maxReceiveCount"]) == 7
    Queue(aws.client("sqs"), url).dead_letter_queue().check()


def test_without_the_emulator_the_words_say_what_to_install(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match=r"pip install 'vehicle-damage\[embedded\]'"), run_embedded_aws():
        pass


def test_an_emulator_that_dies_at_the_start_is_a_set_up_error(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(SetupError, match="did not start"), run_embedded_aws():
        pass
