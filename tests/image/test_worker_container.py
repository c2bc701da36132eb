"""The worker's image at work: confined as in a pod, stopped as by a kubelet."""

import json
import socket
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from tests.charts.chart import find, render
from tests.image.containers import USER_ID, WORKER_IMAGE, Container, run, run_in_image, start_container
from tests.service.world import World, rendered_jpeg, wait_until

pytestmark = [pytest.mark.container, pytest.mark.timeout(3600)]  # the first test builds the image
_SHUTDOWN_GRACE_S = 20
_POD_GRACE_S = 30
_DEADLINE_S = 600  # the machine may be busy, and a photo takes what it takes


@pytest.fixture
def world(aws, tmp_path: Path) -> World:
    return World(aws, tmp_path, max_receive_count=5)


@pytest.fixture
def environment(world: World) -> dict[str, str]:
    """What a container needs to work the world's queue; its ledger is in the folder that is mounted at /data."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {
        **world.aws.environment,
        "VEHICLE_DAMAGE_QUEUE_URL": world.queue_url,
        "VEHICLE_DAMAGE_PHOTO_BUCKETS": world.photo_bucket,
        "VEHICLE_DAMAGE_RESULTS_BUCKET": world.results_bucket,
        "VEHICLE_DAMAGE_LEDGER_URL": "sqlite:////data/ledger.sqlite3",
        "VEHICLE_DAMAGE_RECEIVE_WAIT_S": "1",
        "VEHICLE_DAMAGE_BATCH_PHOTOS": "2",
        "VEHICLE_DAMAGE_SHUTDOWN_GRACE_S": str(_SHUTDOWN_GRACE_S),
        "VEHICLE_DAMAGE_HTTP_HOST": "127.0.0.1",  # the container shares this machine's network
        "VEHICLE_DAMAGE_HTTP_PORT": str(port),
    }


def wait_for(container: Container, is_reached: Callable[[], object], what: str) -> None:
    """Poll while the container runs."""
    wait_until(lambda: is_reached() or not container.is_running(), what, _DEADLINE_S)
    assert is_reached(), container.log()


def test_the_image_is_small_and_holds_neither_torch_nor_tools(worker_image: str):
    config = json.loads(run("podman", "image", "inspect", worker_image))[0]
    assert config["Size"] < 700e6, f"{config['Size'] / 1e6:.0f} MB"
    script = "import importlib.util as u; print([m for m in ('torch', 'pip', 'setuptools') if u.find_spec(m)])"
    assert run_in_image(worker_image, script).strip() == "[]"
    tools = "import shutil; print([t for t in ('gcc', 'cc', 'make', 'git', 'curl', 'pip', 'pip3') if shutil.which(t)])"
    assert run_in_image(worker_image, tools).strip() == "[]"


def test_the_container_is_nobody_who_can_write_nothing(worker_image: str):
    script = """
import json, os, pathlib
def can_write(folder):
    try:
        pathlib.Path(folder, "probe").write_text("x")
    except OSError:
        return False
    return True
status = dict(line.split(":", 1) for line in open("/proc/self/status").read().splitlines())
print(json.dumps({
    "user": [os.getuid(), os.getgid()],
    "capabilities": [int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")],
    "no_new_privileges": status["NoNewPrivs"].strip(),
    "writable": [folder for folder in ("/", "/data", "/opt/venv", "/usr", "/var", "/tmp") if can_write(folder)],
}))
"""
    assert json.loads(run_in_image(worker_image, script)) == {
        "user": [USER_ID, USER_ID],
        "capabilities": [0, 0, 0],
        "no_new_privileges": "1",
        "writable": ["/tmp"],
    }


def test_the_image_inspects_a_photo_as_the_whole_installation_does(worker_image: str, tmp_path: Path):
    (tmp_path / "photo.jpg").write_bytes(rendered_jpeg(1))
    with start_container(
        worker_image,
        "inspect",
        "--json",
        "--overlay",
        "/data/overlays",
        "/data/photo.jpg",
        environment={},
        data=tmp_path,
    ) as container:
        assert container.wait() == 0, container.log()
        found = json.loads(container.log().strip().splitlines()[-1])
    expected = json.loads(run(sys.executable, "-m", "service.cli", "inspect", "--json", tmp_path / "photo.jpg"))
    assert found["regions"], "the rendered photo shows a scratch"
    for result in (found, expected):
        del result["timings_ms"], result["inspected_at"]
    assert found == expected
    assert (tmp_path / "overlays" / "photo.png").stat().st_size > 0


def test_the_container_works_the_queue_empty(worker_image: str, world: World, environment: dict[str, str]):
    keys = world.ask_for_rendered(12)
    with start_container(worker_image, "worker", "--drain", environment=environment, data=world.folder) as container:
        assert container.wait() == 0, container.log()
    results = world.results()
    assert Counter(result.photo.key for result in results) == Counter(keys)
    assert {result.status for result in results} <= {"inspected", "undamaged"}
    assert Counter(row.identity() for row in world.rows()) == Counter(result.identity() for result in results)
    assert world.depths() == (0, 0)


def test_a_stopped_container_stores_or_gives_back_what_it_held(
    worker_image: str, world: World, environment: dict[str, str]
):
    keys = world.ask_for_rendered(60)
    with start_container(worker_image, environment=environment, data=world.folder) as container:
        wait_for(container, lambda: container.events("stored"), "the first result is stored")
        assert world.queue.depth()[1] > 0, "photos are in flight"
        assert container.stop(_POD_GRACE_S) == 0, container.log()
        assert container.events("stopped")
    stored = Counter(result.photo.key for result in world.results())
    visible, hidden = world.queue.depth()
    assert hidden == 0, "what it held can be received at once"
    assert visible == len(keys) - len(stored) > 0

    with start_container(worker_image, "worker", "--drain", environment=environment, data=world.folder) as second:
        assert second.wait() == 0, second.log()
    assert Counter(result.photo.key for result in world.results()) == Counter(keys)
    assert world.depths() == (0, 0)


def test_the_health_check_follows_the_worker(worker_image: str, world: World, environment: dict[str, str]):
    with start_container(worker_image, environment=environment, data=world.folder) as container:
        wait_for(container, lambda: container.events("started"), "the worker has started")
        config = json.loads(run("podman", "image", "inspect", worker_image))[0]
        kind, *check = config["Healthcheck"]["Test"]
        assert kind == "CMD"
        run("podman", "exec", container.name, *check)
        with pytest.raises(AssertionError, match="refused"):
            run("podman", "exec", "--env", "VEHICLE_DAMAGE_HTTP_PORT=1", container.name, *check)


def test_the_chart_s_deployment_of_the_image_works_and_ends_in_its_grace(
    worker_image: str, world: World, environment: dict[str, str]
):
    keys = world.ask_for_rendered(6)
    manifest = world.folder / "deployment.yaml"
    name, volume = write_deployment(manifest, world, environment)
    try:
        run("podman", "play", "kube", manifest)
        (pod,) = run("podman", "pod", "ps", "--filter", f"name={name}", "--format", "{{.Name}}").split()
        container = Container(f"{pod}-worker")
        wait_for(container, lambda: len(world.results()) == len(keys), "every photo has its result")
        wait_for(container, lambda: world.depths() == (0, 0), "every message is settled")
        known = container.inspect()
        assert known["HostConfig"]["ReadonlyRootfs"]
        assert not known["EffectiveCaps"]
        assert known["Config"]["User"] == f"{USER_ID}:{USER_ID}"
        run("podman", "pod", "stop", "--time", str(_POD_GRACE_S), pod)
        assert container.inspect()["State"]["ExitCode"] == 0, container.log()
        assert container.events("stopped")
    finally:
        run("podman", "play", "kube", "--down", manifest, check=False)
        run("podman", "volume", "rm", "--force", volume, check=False)
    assert Counter(result.photo.key for result in world.results()) == Counter(keys)


def write_deployment(path: Path, world: World, environment: dict[str, str]) -> tuple[str, str]:
    """Write the worker's Deployment as the chart renders it; return its name and that of its volume for /tmp."""
    release = f"test-{uuid4().hex[:8]}"
    values = {
        "fullnameOverride": f"{release}-vehicle-damage",
        "aws": {"endpointUrl": world.aws.endpoint_url},
        "queue": {"url": world.queue_url},
        "photoBuckets": [world.photo_bucket],
        "results": {"bucket": world.results_bucket},
        "ledger": {"mode": "ephemeral"},
        "image": {"pullPolicy": "Never"},
        "worker": {
            "image": dict(zip(("repository", "tag"), WORKER_IMAGE.rsplit(":", 1), strict=True)),
            "scaling": {"mode": "fixed", "replicas": 1},
            "settings": {"receive_wait_s": 1, "batch_photos": 2},
            "extraEnv": [{"name": name, "value": value} for name, value in world.aws.environment.items()],
        },
    }
    deployment = find(render(values), "Deployment", "worker")
    pod = deployment["spec"]["template"]["spec"]
    (container,), (volume,) = pod["containers"], pod["volumes"]
    # The emulator is on this machine's loopback: the pod shares that network, its port is one that is free, and podman
    # then wants no ports named.
    pod["hostNetwork"] = True
    del container["ports"]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        container[probe]["httpGet"]["port"] = int(environment["VEHICLE_DAMAGE_HTTP_PORT"])
    ports = {name: environment[name] for name in ("VEHICLE_DAMAGE_HTTP_HOST", "VEHICLE_DAMAGE_HTTP_PORT")}
    container["env"] = [
        {**variable, "value": ports.get(variable["name"], variable.get("value"))} for variable in container["env"]
    ]
    volume["name"] = container["volumeMounts"][0]["name"] = f"{release}-tmp"  # podman keeps an emptyDir under this name
    path.write_text(yaml.safe_dump(deployment), encoding="utf-8")
    return deployment["metadata"]["name"], volume["name"]
