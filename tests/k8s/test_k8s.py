"""The YAML of k8s/: valid, complete, and true to the code and the chart."""

import re
import shutil
import subprocess
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from service.cluster import deployment
from service.cluster.jobs import JobRequest, render_job
from tests.conftest import require

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
CHART = ROOT / "charts" / "vehicle-damage"
WORKER = "vehicle-damage-worker"


def load(path: str) -> list[dict]:
    return [document for document in yaml.safe_load_all((K8S / path).read_text()) if document]


def base_files() -> list[str]:
    [kustomization] = load("base/kustomization.yaml")
    return kustomization["resources"]


def test_the_base_names_every_file():
    assert set(base_files()) == {path.name for path in (K8S / "base").iterdir()} - {"kustomization.yaml"}


@pytest.mark.parametrize("name", base_files())
def test_every_object_of_the_base_is_valid_to_the_letter(name: str):
    for manifest in load(f"base/{name}"):
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_the_base_builds_by_itself():
    require(shutil.which("kubectl"), "kubectl, for its kustomize")
    done = subprocess.run(
        ["kubectl", "kustomize", str(K8S / "base")], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    built = list(yaml.safe_load_all(done.stdout))
    assert len(built) == sum(len(load(f"base/{name}")) for name in base_files())
    for manifest in built:
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
        assert manifest["metadata"].get("namespace", "vehicle-damage") == "vehicle-damage"


def test_jobs_fit_into_the_base():
    classes = {manifest["metadata"]["name"] for manifest in load("base/priority-classes.yaml")}
    job = render_job(JobRequest("export", "x/trainer:1", ("/data/run",), "/data/store", "vehicle-damage", gpus=0))[-1]
    assert job["spec"]["template"]["spec"]["priorityClassName"] in classes
    [namespace] = load("base/namespace.yaml")
    assert job["metadata"]["namespace"] == namespace["metadata"]["name"]
    [policy] = load("base/network-policy.yaml")
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= job["metadata"]["labels"].items()


def test_every_template_is_used():
    kinds = ("gan", "detector", "sr-rcnn", "export")
    used = {f"{name}.yaml" for name in ("gan-training", "detector-training", "sr-rcnn-training", "export")}
    assert {path.name for path in (K8S / "jobs").iterdir()} == used
    assert len(kinds) == len(used)


def written_fields() -> set[str]:
    """Annotations that a rollout writes on the Deployment."""
    return set(re.findall(r'notes\.get\(f"\{_PREFIX\}([a-z-]+)"', Path(deployment.__file__).read_text()))


def test_argo_leaves_to_the_rollout_what_it_patches():
    [application_set] = load("delivery/argocd.yaml")
    spec = application_set["spec"]["template"]["spec"]
    assert "RespectIgnoreDifferences=true" in spec["syncPolicy"]["syncOptions"]
    [ignored] = spec["ignoreDifferences"]
    assert (ignored["kind"], ignored["name"]) == ("Deployment", WORKER)
    assert set(ignored["jsonPointers"]) == {
        "/spec/replicas", "/spec/strategy", "/spec/minReadySeconds", "/spec/progressDeadlineSeconds",
    }  # fmt: skip
    paths = " ".join(ignored["jqPathExpressions"])
    assert set(re.findall(r"rollout-([a-z-]+)", paths)) == written_fields()
    assert deployment.PIN_ANNOTATION in paths
    assert deployment.PIN_VARIABLE in paths


def test_fleet_leaves_to_the_rollout_what_it_patches():
    fleet = yaml.safe_load((CHART / "fleet.yaml").read_text())
    [left] = fleet["diff"]["comparePatches"]
    assert (left["kind"], left["name"]) == ("Deployment", WORKER)
    assert {operation["op"] for operation in left["operations"]} == {"remove"}
    assert {
        "/spec/replicas", "/spec/strategy", "/spec/minReadySeconds", "/spec/progressDeadlineSeconds",
        "/metadata/annotations", "/spec/template/metadata/annotations", "/spec/template/spec/containers/0/env",
    } == {operation["path"] for operation in left["operations"]}  # fmt: skip
    assert fleet["correctDrift"] == {"enabled": False}


def test_both_deliveries_install_the_chart_with_values_that_are_there():
    [repository] = load("delivery/gitrepo.yaml")
    [path] = repository["spec"]["paths"]
    bundle = ROOT / path  # Fleet reads nothing outside of it; beside a Chart.yaml it needs no chart named
    assert (bundle / "Chart.yaml").is_file()
    fleet = yaml.safe_load((bundle / "fleet.yaml").read_text())
    assert "chart" not in fleet["helm"]
    targets = {target["name"]: target for target in fleet["targetCustomizations"]}
    [application_set] = load("delivery/argocd.yaml")
    source = application_set["spec"]["template"]["spec"]["source"]
    [generator] = application_set["spec"]["generators"]
    environments = {element["environment"] for element in generator["list"]["elements"]}
    assert environments == {"staging", "production"} == set(targets) - {"others"}
    for environment in environments:
        [values] = targets[environment]["helm"]["valuesFiles"]
        assert (bundle / values).resolve().is_relative_to(bundle)
        assert (bundle / values).is_file()
        [name] = source["helm"]["valueFiles"]
        assert (ROOT / source["path"] / name.replace("{{ .environment }}", environment)).is_file()
    assert targets["others"]["doNotDeploy"] is True
    assert fleet["helm"]["releaseName"] == source["helm"]["releaseName"] == "vehicle-damage"
