"""The worker's image, built here without any registry, and containers of it that may do nothing a pod may not do."""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

REPOSITORY: Final = Path(__file__).parents[2]
BASE_IMAGE: Final = "localhost/python:3.11-slim"
WORKER_IMAGE: Final = "localhost/vehicle-damage:worker-cpu"
USER_ID: Final = 10001
_CONFIGURATION: Final = Path(__file__).with_name("containers.conf")
_DEBIAN: Final = "bookworm"  # its python3 is 3.11
_CA_IN_BUILD: Final = "/run/ca.crt"
# What the chart's pod has, and no more; a network of its own would hide the emulator on this machine's loopback.
CONFINED: Final = (
    *("--network", "host", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "all"),
    *("--security-opt", "no-new-privileges", "--no-healthcheck"),  # podman's timer for the check wants systemd
)


def missing_tool() -> str | None:
    """What keeps this machine from building and running images; None: nothing."""
    if os.geteuid() != 0:
        return "root: debootstrap and buildah's chroot isolation need it"
    absent = [tool for tool in ("debootstrap", "buildah", "podman", "runc") if shutil.which(tool) is None]
    return f"{', '.join(absent)}; apt-get install {' '.join(absent)}" if absent else None


def run(*command: str | Path, check: bool = True) -> str:
    """Run a command to its end.

    Returns:
        What it wrote to stdout.

    Raises:
        AssertionError: it failed, with the end of what it said.
    """
    environment = {**os.environ, "CONTAINERS_CONF": str(_CONFIGURATION)}
    ended = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False, env=environment
    )
    if check:
        said = f"{ended.stdout}\n{ended.stderr}".strip()[-4000:]
        assert ended.returncode == 0, f"{' '.join(map(str, command))}: exit {ended.returncode}\n{said}"
    return ended.stdout


def has_image(name: str) -> bool:
    """Whether the local storage has an image."""
    return subprocess.run(["podman", "image", "exists", name], check=False).returncode == 0


def make_base_image() -> None:
    """Make python:3.11-slim out of Debian's own packages, unless it is there."""
    if has_image(BASE_IMAGE):
        return
    with tempfile.TemporaryDirectory(prefix="vehicle-damage-base-") as folder:
        root = Path(folder) / "root"
        run("debootstrap", "--variant=minbase", "--include=python3,python3-venv,ca-certificates", _DEBIAN, root)
        for bulk in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
            shutil.rmtree(root / bulk, ignore_errors=True)
        (root / "usr/bin/python").symlink_to("python3")
        archive = Path(folder) / "root.tar"
        run("tar", "--directory", root, "--create", "--file", archive, ".")
        run("podman", "import", archive, BASE_IMAGE)


def build_image(target: str) -> str:
    """Build a target of the Dockerfile on the local base image; unchanged layers are those of the last time.

    Returns:
        The image's name.
    """
    make_base_image()
    image = f"localhost/vehicle-damage:{target}"
    certificates = os.environ.get("SSL_CERT_FILE", "/etc/ssl/certs/ca-certificates.crt")
    run(
        *("buildah", "build", "--layers", "--target", target, "--tag", image, "--format", "docker"),
        *("--isolation", "chroot", "--network", "host", "--build-arg", f"PYTHON_IMAGE={BASE_IMAGE}"),
        *("--volume", f"{certificates}:{_CA_IN_BUILD}:ro", "--build-arg", f"PIP_CERT={_CA_IN_BUILD}"),
        REPOSITORY,
    )
    return image


class Container:
    """A container that was started, until it is removed."""

    def __init__(self, name: str) -> None:
        self.name = name

    def inspect(self) -> dict[str, Any]:
        """What podman knows of it."""
        return json.loads(run("podman", "container", "inspect", self.name))[0]

    def log(self) -> str:
        """Everything it said."""
        ended = subprocess.run(["podman", "logs", self.name], capture_output=True, text=True, check=False)
        return ended.stdout + ended.stderr

    def events(self, name: str) -> list[dict[str, Any]]:
        """Log lines of one event."""
        lines = (line for line in self.log().splitlines() if line.startswith("{") and line.endswith("}"))
        return [line for line in map(json.loads, lines) if line.get("event") == name]

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self.inspect()["State"]["Running"]

    def wait(self) -> int:
        """Wait for its end; return its exit code."""
        return int(run("podman", "wait", self.name))

    def stop(self, grace_s: int) -> int:
        """End it as a kubelet does: its stop signal, SIGKILL after the grace. Return its exit code, 137 if killed."""
        run("podman", "stop", "--time", str(grace_s), self.name)
        return self.inspect()["State"]["ExitCode"]


@contextmanager
def start_container(
    image: str, *arguments: str, environment: Mapping[str, str], data: Path | None = None
) -> Iterator[Container]:
    """Start a confined container, and remove it when the block ends.

    Args:
        image: its name.
        *arguments: the command of vehicle-damage.
        environment: variables.
        data: folder of this machine to mount at /data; the image's user may then write to it.
    """
    name = f"vehicle-damage-test-{uuid4().hex[:8]}"
    mounts: list[str] = []
    if data is not None:
        os.chown(data, USER_ID, USER_ID)
        mounts = ["--volume", f"{data}:/data"]
    variables = [part for key, value in environment.items() for part in ("--env", f"{key}={value}")]
    try:
        run("podman", "run", "--detach", "--name", name, *CONFINED, *mounts, *variables, image, *arguments)
        yield Container(name)
    finally:
        run("podman", "rm", "--force", "--time", "0", name, check=False)


def run_in_image(image: str, script: str) -> str:
    """Run Python in a confined container; return what it printed."""
    return run("podman", "run", "--rm", *CONFINED, "--entrypoint", "python3", image, "-c", script)
