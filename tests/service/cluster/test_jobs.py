"""What is asked of a job becomes a manifest that Kubernetes accepts and a command that the trainer understands."""

from dataclasses import replace

import kubernetes_validate
import pytest
import yaml

from service.cluster.jobs import JobRequest, render_job
from service.cluster.manifests import fill_template, write_yaml
from service.errors import SetupError

IMAGE = "registry.example.com:5000/fleet/trainer:1.0"
GAN = JobRequest("gan", IMAGE, ("/data/crops",), "/data/gan", "vd", gpus=4, nodes=2, extra_args=("--preset", "gpu"))
DETECTOR = JobRequest("detector", IMAGE, ("/data/a", "/data/b"), "/data/gate", "vd", network="gate")
SR_RCNN = JobRequest("sr-rcnn", IMAGE, ("/data/photos",), "/data/sr", "vd", gpus=2)
EXPORT = JobRequest("export", IMAGE, ("/data/gate",), "s3://models/serving", "vd", gpus=0)
ALL = [GAN, DETECTOR, SR_RCNN, EXPORT]


def job_of(request: JobRequest) -> dict:
    [job] = [manifest for manifest in render_job(request) if manifest["kind"] == "Job"]
    return job


def container_of(request: JobRequest) -> dict:
    return job_of(request)["spec"]["template"]["spec"]["containers"][0]


def words_of(request: JobRequest) -> list[str]:
    return [*container_of(request)["command"], *container_of(request)["args"]]


@pytest.mark.parametrize("request_", ALL, ids=lambda request: request.kind)
def test_every_kind_is_valid_to_the_letter(request_: JobRequest):
    for manifest in render_job(request_):
        kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


@pytest.mark.parametrize("request_", ALL, ids=lambda request: request.kind)
def test_every_kind_meets_the_restricted_standard_and_bounds_itself(request_: JobRequest):
    spec = job_of(request_)["spec"]
    pod = spec["template"]["spec"]
    assert {"backoffLimit", "activeDeadlineSeconds", "ttlSecondsAfterFinished"} <= set(spec)
    assert pod["restartPolicy"] == "Never"  # a podFailurePolicy demands it
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
    }  # fmt: skip
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}


@pytest.mark.parametrize("request_", ALL, ids=lambda request: request.kind)
def test_a_bug_a_lost_node_and_a_stop_are_told_apart(request_: JobRequest):
    rules = job_of(request_)["spec"]["podFailurePolicy"]["rules"]
    assert rules[0] == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    by_code = {code: rule["action"] for rule in rules[1:] for code in rule["onExitCodes"]["values"]}
    assert by_code == {2: "FailJob", 126: "FailJob", 127: "FailJob", 130: "Count", 137: "Count", 143: "Ignore"}
    assert {rule["onExitCodes"]["containerName"] for rule in rules[1:]} == {container_of(request_)["name"]}


def test_the_pods_of_a_distributed_training_meet_at_index_0():
    service, job = render_job(GAN)
    name, spec = job["metadata"]["name"], job["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] == 2
    assert spec["backoffLimit"] == 2 * GAN.retries
    # An Indexed Job's pod has the hostname <job>-<index>, in the domain of the Service that its subdomain names.
    assert spec["template"]["spec"]["subdomain"] == service["metadata"]["name"] == name
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": name}
    environment = {variable["name"]: variable["value"] for variable in container_of(GAN)["env"]}
    assert environment["MASTER_ADDR"] == f"{name}-0.{name}"
    port = service["spec"]["ports"][0]["port"]
    assert " ".join(words_of(GAN)) == (
        "python -m models.training.launch --nnodes=2 --nproc-per-node=4 --node-rank=$(JOB_COMPLETION_INDEX) "
        f"--master-addr=$(MASTER_ADDR) --master-port={port} --max-restarts=0 --no-python vehicle-damage "
        "models augment gan --crops /data/crops --out /data/gan --preset gpu"
    )
    assert container_of(GAN)["resources"]["limits"]["nvidia.com/gpu"] == "4"


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        (replace(GAN, nodes=1, gpus=1, extra_args=()), "models augment gan --crops /data/crops --out /data/gan"),
        (DETECTOR, "models train gate --data /data/a --data /data/b --out /data/gate --resume"),
        (replace(SR_RCNN, gpus=1), "models train sr-rcnn --data /data/photos --out /data/sr"),
        (EXPORT, "models export /data/gate --store s3://models/serving"),
    ],
    ids=lambda value: value.kind if isinstance(value, JobRequest) else "",
)
def test_one_process_runs_without_a_launcher(request_: JobRequest, words: str):
    assert " ".join(words_of(request_)) == f"vehicle-damage {words}"


def test_a_job_without_gpus_asks_for_none():
    assert container_of(EXPORT)["resources"]["limits"] == {"memory": "16Gi"}
    assert "nodeSelector" not in job_of(EXPORT)["spec"]["template"]["spec"]
    chosen = replace(GAN, node_selector=("example.com/pool=gpu", "zone=a"))
    assert job_of(chosen)["spec"]["template"]["spec"]["nodeSelector"] == {"example.com/pool": "gpu", "zone": "a"}


def test_the_kubelet_expands_nothing_in_an_engineers_words():
    assert words_of(replace(GAN, extra_args=("--precision", "$(HOME) $$(A)")))[-1] == "$$(HOME) $$$(A)"


def test_the_same_words_have_the_same_name_and_others_another():
    names = {render_job(each)[0]["metadata"]["name"] for each in (GAN, replace(GAN), replace(GAN, gpus=2), SR_RCNN)}
    assert len(names) == 3
    assert render_job(replace(GAN, name="mine"))[0]["metadata"]["name"] == "mine"


def test_the_text_is_yaml_without_aliases():
    text = write_yaml(render_job(GAN))
    assert "&id" not in text
    assert list(yaml.safe_load_all(text)) == render_job(GAN)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": "trainer"}, "image: expected HOST/PATH:TAG"),
        ({"image": "trainer:latest"}, "image: .*not latest"),
        ({"image": "trainer:1 --privileged"}, "image: .*privileged"),
        ({"image": "Trainer:1"}, "image: .*Trainer"),
        ({"image": "trainer:1\n  hostNetwork: true"}, "image"),
        ({"name": "Mine"}, "name: expected a DNS label"),
        ({"name": "x" * 51}, "name: expected"),
        ({"namespace": "a/b"}, "namespace"),
        ({"data": ()}, "data: expected one, under /data"),
        ({"data": ("/data/a", "/data/b")}, "data: expected one, under /data"),
        ({"data": ("/etc/passwd",)}, "data: .*passwd"),
        ({"data": ("/data/../etc",)}, "data"),
        ({"out": "s3://bucket/x"}, "out: expected a folder under /data"),
        ({"out": "/data/x y"}, "out"),
        ({"nodes": 0}, "nodes: expected 1 to 64 for gan, found 0"),
        ({"gpus": 17}, "gpus: expected 0 to 16 for gan, found 17"),
        ({"claim": "a_b"}, "claim"),
        ({"service_account": ""}, "service-account"),
        ({"priority_class": "A"}, "priority-class"),
        ({"cpu": "four"}, "cpu: .*four"),
        ({"memory": "16GB"}, "memory: .*16GB"),
        ({"deadline_h": 0}, "deadline-hours"),
        ({"retries": -1}, "retries"),
        ({"keep_h": -1}, "keep-hours"),
        ({"node_selector": ("zone",)}, "node-selector: expected LABEL=VALUE"),
        ({"extra_args": ("a\nb",)}, "arg: expected words of one line"),
        ({"kind": "detector", "nodes": 2}, "nodes: expected 1 to 1 for detector"),
        ({"kind": "export", "nodes": 1, "gpus": 1}, "gpus: expected 0 to 0 for export"),
        ({"kind": "detector", "nodes": 1, "gpus": 1, "network": "finder"}, "network: expected one of localizer"),
    ],
)
def test_what_cannot_be_is_refused_with_its_option(changes: dict, words: str):
    with pytest.raises(SetupError, match=words) as told:
        render_job(replace(GAN, **changes))
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("text", "values", "words"),
    [
        ("a: ${b}", {}, "no value for"),
        ("a: b", {"c": 1}, "no placeholder for c"),
        ("a: x-${b}", {"b": 1}, "expected a placeholder to be a whole value"),
    ],
)
def test_a_template_and_its_values_have_to_match(text: str, values: dict, words: str):
    with pytest.raises(ValueError, match=words):
        fill_template(text, values)


def test_a_value_never_changes_the_structure():
    assert fill_template("a: ${b}\nc: ${d}", {"b": "x\ne: {f: 1}", "d": None}) == [{"a": "x\ne: {f: 1}"}]
