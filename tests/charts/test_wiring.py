"""What belongs together finds itself: selectors, ports, names, settings, networks."""

import ipaddress
from collections.abc import Iterator
from typing import Any

import pytest

from service.settings import ENV_PREFIX, Settings, load_settings
from tests.charts.chart import (
    BASE,
    EXAMPLES,
    FULLNAME,
    POD_OWNERS,
    SCENARIOS,
    component_of,
    environment_of,
    find,
    find_all,
    merge,
    nest,
    pods,
    read_example,
    render,
    render_scenario,
    worker_container,
)

RENDERED = {
    **{f"example {name}": read_example(name) for name in EXAMPLES},
    **{f"scenario {name}": merge(BASE, layer) for name, layer in SCENARIOS.items()},
}
every_rendering = pytest.mark.parametrize("values", RENDERED.values(), ids=RENDERED.keys())
METADATA_ADDRESS = ipaddress.ip_address("169.254.169.254")


def is_chosen(selector: dict[str, str], found: dict[str, Any]) -> bool:
    return selector.items() <= found["metadata"]["labels"].items()


def containers(objects: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for pod in pods(objects):
        yield from pod["spec"]["containers"]
        yield from pod["spec"].get("initContainers", ())


@every_rendering
def test_each_deployment_chooses_its_own_pods_and_no_others(values: dict[str, Any]) -> None:
    objects = render(values)
    for deployment in find_all(objects, "Deployment"):
        chosen = [pod for pod in pods(objects) if is_chosen(deployment["spec"]["selector"]["matchLabels"], pod)]
        assert chosen == [deployment["spec"]["template"]]


@every_rendering
def test_each_service_and_budget_chooses_the_pods_of_one_component(values: dict[str, Any]) -> None:
    objects = render(values)
    for found in find_all(objects, "Service", "PodDisruptionBudget", "PodMonitor"):
        selector = found["spec"]["selector"]
        chosen = [pod for pod in pods(objects) if is_chosen(selector.get("matchLabels", selector), pod)]
        assert [component_of(pod) for pod in chosen] == [component_of(found)]


@every_rendering
def test_each_port_that_is_named_exists_in_the_pods(values: dict[str, Any]) -> None:
    objects = render(values)
    ports_of = {
        component_of(pod): {port["name"]: port for one in pod["spec"]["containers"] for port in one.get("ports", ())}
        for pod in pods(objects)
    }
    for service in find_all(objects, "Service"):
        for port in service["spec"]["ports"]:
            assert port["targetPort"] in ports_of[component_of(service)]
    for monitor in find_all(objects, "PodMonitor"):
        assert monitor["spec"]["podMetricsEndpoints"][0]["port"] in ports_of["worker"]
    for ingress in find_all(objects, "Ingress"):
        backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
        service = find(objects, "Service", "review")
        assert backend["name"] == service["metadata"]["name"]
        assert backend["port"]["name"] in {port["name"] for port in service["spec"]["ports"]}
    for container in containers(objects):
        names = {port["name"] for port in container.get("ports", ())}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            asked = container.get(probe, {}).get("httpGet") or container.get(probe, {}).get("tcpSocket")
            assert asked is None or asked["port"] in names


def test_a_service_monitor_finds_the_workers_service() -> None:
    objects = render_scenario("gpu-hpa")
    monitor, service = find(objects, "ServiceMonitor"), find(objects, "Service", "worker")
    assert is_chosen(monitor["spec"]["selector"]["matchLabels"], service)
    assert monitor["spec"]["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


@every_rendering
def test_the_worker_starts_with_the_settings_it_is_given(
    values: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    container = worker_container(render(values))
    environment = environment_of(container)
    for name in Settings.model_fields:
        monkeypatch.delenv(ENV_PREFIX + name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, "postgresql+psycopg://ledger" if value.startswith("secret:") else value)
    settings = load_settings()
    settings.require_worker()
    assert settings.http_host == "0.0.0.0"
    assert settings.http_port == container["ports"][0]["containerPort"]


@every_rendering
def test_every_variable_of_ours_is_a_setting(values: dict[str, Any]) -> None:
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields}
    for container in containers(render(values)):
        names = [variable["name"] for variable in container.get("env", ())]
        assert len(names) == len(set(names))
        assert {name for name in names if name.startswith(ENV_PREFIX)} <= known


@every_rendering
def test_no_pod_is_told_of_services_by_variables(values: dict[str, Any]) -> None:
    """Those of a release called vehicle-damage would begin as settings do, and the worker refuses unknown ones."""
    assert all(pod["spec"]["enableServiceLinks"] is False for pod in pods(render(values)))


def test_large_whole_numbers_are_written_out() -> None:
    objects = render(BASE, nest("worker.settings", {"max_photo_bytes": 52_428_800, "gate_score_threshold": 0.25}))
    environment = environment_of(worker_container(objects))
    assert environment["VEHICLE_DAMAGE_MAX_PHOTO_BYTES"] == "52428800"
    assert environment["VEHICLE_DAMAGE_GATE_SCORE_THRESHOLD"] == "0.25"


@every_rendering
def test_the_ledgers_url_comes_from_a_secret_alone(values: dict[str, Any]) -> None:
    is_postgres = values["ledger"].get("mode", "postgresql") == "postgresql"
    for container in containers(render(values)):
        url = environment_of(container).get("VEHICLE_DAMAGE_LEDGER_URL")
        assert url in ({None, f"secret:{values['ledger']['existingSecret']}/url"} if is_postgres else {None, SQLITE})


SQLITE = "sqlite:////tmp/ledger.sqlite3"


@every_rendering
def test_every_image_is_told_exactly(values: dict[str, Any]) -> None:
    for container in containers(render(values)):
        repository, _, tag = container["image"].rpartition(":")
        assert repository
        assert tag not in ("", "latest")


def test_a_digest_wins_over_a_tag_and_the_registry_comes_first() -> None:
    digest = "sha256:" + "a" * 64
    image = {"registry": "registry.example.com/fleet/", "tag": "1.2.3", "pullSecrets": ["registry"]}
    objects = render(BASE, {"image": image}, nest("worker.image", {"digest": digest, "tag": "9"}))
    pod = find(objects, "Deployment", "worker")["spec"]["template"]["spec"]
    assert pod["containers"][0]["image"] == f"registry.example.com/fleet/vehicle-damage/worker-cpu@{digest}"
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    plain = worker_container(render(BASE, {"image": image}))
    assert plain["image"] == "registry.example.com/fleet/vehicle-damage/worker-cpu:1.2.3"


@every_rendering
def test_every_pod_is_confined(values: dict[str, Any]) -> None:
    objects = render(values)
    for pod in pods(objects):
        security = pod["spec"]["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] == security["runAsGroup"] == 10001
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {volume["name"] for volume in pod["spec"]["volumes"]} <= {"tmp", "scripts"}
    for container in containers(objects):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        for bound in ("requests", "limits"):
            assert {"cpu", "memory"} <= container["resources"][bound].keys()


@every_rendering
def test_nothing_reaches_a_pod_but_what_its_policy_lets(values: dict[str, Any]) -> None:
    objects = render(values)
    policies = find_all(objects, "NetworkPolicy")
    for pod in pods(objects):
        chosen = [one for one in policies if is_chosen(one["spec"]["podSelector"]["matchLabels"], pod)]
        assert sorted(component_of(one) for one in chosen) == sorted(["default-deny", component_of(pod)])
        assert all(one["spec"]["policyTypes"] == ["Ingress", "Egress"] for one in chosen)
    deny = next(one for one in policies if component_of(one) == "default-deny")
    assert not {"ingress", "egress"} & deny["spec"].keys()


@every_rendering
def test_no_policy_lets_a_pod_ask_the_node_for_its_credentials(values: dict[str, Any]) -> None:
    for policy in find_all(render(values), "NetworkPolicy"):
        for rule in policy["spec"].get("egress", ()):
            for block in (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer):
                is_inside = METADATA_ADDRESS in ipaddress.ip_network(block["cidr"])
                assert not is_inside or any(METADATA_ADDRESS in ipaddress.ip_network(one) for one in block["except"])


def test_only_prometheus_reaches_the_workers_port() -> None:
    (rule,) = find(render_scenario("everything"), "NetworkPolicy", "worker")["spec"]["ingress"]
    labels = {"kubernetes.io/metadata.name": "monitoring"}
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": labels}}]
    assert [port["port"] for port in rule["ports"]] == [9090]


def egress_ports(objects: list[dict[str, Any]], component: str) -> set[int]:
    rules = find(objects, "NetworkPolicy", component)["spec"]["egress"]
    return {port["port"] for rule in rules for port in rule["ports"]}


def test_each_component_reaches_what_it_needs() -> None:
    objects = render_scenario("everything")
    dns, https, agent, ledger = 53, 443, 80, 5432
    assert egress_ports(objects, "worker") == {dns, https, agent, ledger}
    assert egress_ports(objects, "review") == {dns, https, agent, ledger}
    assert egress_ports(objects, "migrate") == {dns, ledger}
    assert egress_ports(objects, "refresh") == {dns, https, agent, 6443, 9090}
    assert egress_ports(objects, "test") == {dns, https, agent, ledger, 8080}
    assert egress_ports(render_scenario("emulator"), "worker") == {dns, 4566}


def test_the_longest_names_still_fit() -> None:
    values = merge(BASE, SCENARIOS["everything"], {"fullnameOverride": "vehicle-damage-" + "x" * 25})
    for found in render(values):
        limit = 52 if found["kind"] == "CronJob" else 63
        assert len(found["metadata"]["name"]) <= limit


def test_an_upgrade_that_changes_nothing_in_a_pod_replaces_none() -> None:
    for found in find_all(render_scenario("everything"), *POD_OWNERS[:1]):
        labels = found["spec"]["template"]["metadata"]["labels"]
        assert not {"helm.sh/chart", "app.kubernetes.io/version"} & labels.keys()


def test_the_migration_and_what_it_needs_come_before_the_release() -> None:
    objects = render_scenario("everything")
    job = find(objects, "Job", "migrate")
    assert job["spec"]["template"]["spec"]["containers"][0]["args"] == ["ledger", "migrate"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    for kind in ("ServiceAccount", "NetworkPolicy"):
        needed = find(objects, kind, "migrate")["metadata"]["annotations"]
        assert needed["helm.sh/hook"] == job["metadata"]["annotations"]["helm.sh/hook"]
        assert int(needed["helm.sh/hook-weight"]) < int(job["metadata"]["annotations"]["helm.sh/hook-weight"])
    name = job["spec"]["template"]["spec"]["serviceAccountName"]
    assert name == find(objects, "ServiceAccount", "migrate")["metadata"]["name"] == f"{FULLNAME}-migrate"


def test_a_gpu_worker_gets_its_gpu_and_the_torch_runtime() -> None:
    objects = render_scenario("gpu-hpa")
    pod = find(objects, "Deployment", "worker")["spec"]["template"]["spec"]
    container = pod["containers"][0]
    assert container["image"].startswith("vehicle-damage/worker-gpu:")
    assert container["resources"]["limits"]["nvidia.com/gpu"] == 1
    assert environment_of(container)["VEHICLE_DAMAGE_RUNTIME"] == "torch"
    assert environment_of(container)["VEHICLE_DAMAGE_DEVICE"] == "cuda"
    assert pod["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"
    plain = find(render(BASE), "Deployment", "worker")["spec"]["template"]["spec"]
    assert not {"nodeSelector", "tolerations"} & plain.keys()
    assert "nvidia.com/gpu" not in plain["containers"][0]["resources"]["limits"]


def test_a_budget_never_blocks_a_drain() -> None:
    for budget in find_all(render_scenario("everything"), "PodDisruptionBudget"):
        assert "minAvailable" not in budget["spec"]
        assert budget["spec"]["maxUnavailable"] not in (0, "0%")
        assert budget["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


def test_the_rules_and_the_dashboard_are_the_generated_files() -> None:
    objects = render_scenario("everything")
    assert find(objects, "PrometheusRule")["spec"]["groups"]
    dashboard = find(objects, "ConfigMap", "monitoring")
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert dashboard["data"]["vehicle-damage.json"].lstrip().startswith("{")
