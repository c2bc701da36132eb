"""SQS and S3 on loopback, in a process of their own, for the demo and the tests."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from service.aws import build_client
from service.errors import SetupError

_HOST: Final = "127.0.0.1"
_START_LIMIT_S: Final = 60.0
_REGION: Final = "us-east-1"
_CREDENTIAL: Final = "embedded"


@dataclass(frozen=True)
class EmbeddedAws:
    """A running emulator.

    Attributes:
        endpoint_url: where it answers.
        environment: variables with which any boto3 process finds it.
        process_id: of the emulator.
    """

    endpoint_url: str
    environment: dict[str, str]
    process_id: int

    def client(self, service_name: str) -> Any:
        """A boto3 client of the emulator."""
        return build_client(
            service_name,
            connections=16,
            endpoint_url=self.endpoint_url,
            region_name=_REGION,
            aws_access_key_id=_CREDENTIAL,
            aws_secret_access_key=_CREDENTIAL,
        )

    def create_bucket(self, name: str) -> str:
        """Create a bucket and return its name."""
        self.client("s3").create_bucket(Bucket=name)
        return name

    def create_queue(self, name: str, *, max_receive_count: int = 5, visibility_timeout_s: int = 120) -> str:
        """Create a queue with its dead-letter queue, `<name>-dead`.

        Returns:
            The queue's URL.
        """
        sqs = self.client("sqs")
        dead_url = sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        dead_arn = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        redrive = f'{{"deadLetterTargetArn": "{dead_arn}", "maxReceiveCount": "{max_receive_count}"}}'
        attributes = {"RedrivePolicy": redrive, "VisibilityTimeout": str(visibility_timeout_s)}
        return sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]


@contextmanager
def run_embedded_aws() -> Iterator[EmbeddedAws]:
    """Run the emulator on a free loopback port until the block ends.

    Raises:
        SetupError: it is not installed, or does not start.
    """
    if find_spec("ministack") is None:
        raise SetupError("embedded SQS and S3: not installed; pip install 'vehicle-damage[embedded]'")
    port = _free_port()
    endpoint_url = f"http://{_HOST}:{port}"
    environment = {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": _REGION,
        "AWS_DEFAULT_REGION": _REGION,
        "AWS_ACCESS_KEY_ID": _CREDENTIAL,
        "AWS_SECRET_ACCESS_KEY": _CREDENTIAL,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with tempfile.TemporaryDirectory(prefix="vehicle-damage-aws-") as folder:
        log_path = Path(folder) / "emulator.log"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "ministack"],
                env={
                    **os.environ,
                    "BIND_HOST": _HOST,
                    "MINISTACK_HOST": _HOST,
                    "GATEWAY_PORT": str(port),
                    "SERVICES": "sqs,s3,sns",
                    "LOG_LEVEL": "WARNING",
                    "S3_DATA_DIR": str(Path(folder) / "s3"),
                    "TMPDIR": folder,
                },
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait_until_up(process, endpoint_url, log_path)
            yield EmbeddedAws(endpoint_url, environment, process.pid)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_up(process: subprocess.Popen[bytes], endpoint_url: str, log_path: Path) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(f"{endpoint_url}/_ministack/health", timeout=2):
                return
        except urllib.error.HTTPError:
            return  # it answers, and that is all we ask
        except OSError:
            time.sleep(0.1)
    tail = log_path.read_text(errors="replace").strip().splitlines()[-1:]
    raise SetupError(f"embedded SQS and S3: did not start: {' '.join(tail) or 'no word'}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_HOST, 0))
        return probe.getsockname()[1]
