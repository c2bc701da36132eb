"""The exit code of a launched training says what happened to its first failed process."""

import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAM = """
import os, signal, sys, time
if sys.argv[1] == "wait":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print("up", flush=True)
    time.sleep(600)
if os.environ["RANK"] == "1":
    os.kill(os.getpid(), signal.SIGKILL) if sys.argv[1] == "kill" else sys.exit(int(sys.argv[1]))
time.sleep(0 if sys.argv[1] == "0" else 600)
"""


@pytest.fixture
def start(tmp_path: Path):
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--nnodes=1", "--nproc-per-node=2", "--node-rank=0", "--master-addr=127.0.0.1", f"--master-port={port}"]
    launcher = [sys.executable, "-m", "models.training.launch", *options, "--max-restarts=0", "--no-python"]

    @contextmanager
    def run(what: str) -> Iterator[subprocess.Popen[str]]:
        command = [*launcher, sys.executable, str(path), what]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            try:
                yield process
            finally:
                process.kill()

    return run


@pytest.mark.parametrize(("what", "code"), [("0", 0), ("2", 2), ("kill", 128 + signal.SIGKILL)])
def test_it_is_that_of_the_process_that_failed_first(start, what: str, code: int):
    with start(what) as process:
        assert process.wait(timeout=120) == code


def test_a_stop_is_passed_on_and_told(start):
    with start("wait") as process:
        for _ in range(2):  # torchrun drops a signal that comes while it starts a process
            assert process.stdout.readline() == "up\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 143
