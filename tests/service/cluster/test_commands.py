"""The commands, with the real client against an API over HTTP."""

import json
from pathlib import Path

import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

from service.cluster.api import ClusterUnavailable
from service.commands.jobs import jobs_app
from service.commands.rollout import register
from service.errors import SetupError
from tests.service.cluster.api_server import Fault, State, write_kubeconfig
from tests.service.cluster.deployment_controller import make_deployment, run_controller
from tests.service.cluster.stores import make_store, promote
from tests.service.cluster.test_job_logs import COMPLETE, add_pod

app = typer.Typer()
app.add_typer(jobs_app, name="jobs")
register(app)

SUBMIT = (
    "jobs",
    "submit",
    "gan",
    "--image",
    "x/trainer:1",
    "--data",
    "/data/crops",
    "--out",
    "/data/gan",
    "--nodes",
    "2",
)


def run(kubeconfig: Path | None, *arguments: str) -> Result:
    given = [] if kubeconfig is None else ["--namespace", "vd", "--kubeconfig", str(kubeconfig)]
    return CliRunner().invoke(app, [*arguments, *given])


def name_of(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout.split()[-1]


def test_a_dry_run_prints_the_manifests_and_asks_nobody():
    result = run(None, *SUBMIT, "--dry-run")
    assert [manifest["kind"] for manifest in yaml.safe_load_all(result.stdout)] == ["Service", "Job"]


def test_a_job_is_submitted_once(kubeconfig: Path, state: State):
    name = name_of(run(kubeconfig, *SUBMIT))
    again = run(kubeconfig, *SUBMIT)
    assert again.stdout.startswith(f"already there: {name}: waiting")
    job, service = state.get("jobs", name), state.get("services", name)
    assert service["metadata"]["ownerReferences"] == [
        {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": job["metadata"]["uid"]}
    ]
    assert len(state.objects) == 2


def test_a_submit_that_was_interrupted_is_completed_by_the_next(kubeconfig: Path, state: State):
    state.faults.append(Fault("POST", "services", "status", 403))
    assert isinstance(run(kubeconfig, *SUBMIT).exception, SetupError)
    run(kubeconfig, *SUBMIT)
    assert {kind for kind, _, _ in state.objects} == {"jobs", "services"}


def test_a_failed_job_says_how_to_go_on(kubeconfig: Path, state: State):
    name = name_of(run(kubeconfig, *SUBMIT))
    state.set_status(name, conditions=[{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}])
    assert f"`jobs cancel {name}` and submit again" in run(kubeconfig, *SUBMIT).stdout
    result = run(kubeconfig, "jobs", "status", name)
    assert (result.exit_code, "DeadlineExceeded" in result.stdout) == (1, True)


def test_the_server_is_asked_whether_it_would_take_a_job(kubeconfig: Path, state: State):
    assert run(kubeconfig, *SUBMIT, "--server-dry-run").stdout.startswith("the server would accept gan-")
    assert not state.objects


@pytest.mark.parametrize(("kind", "code"), [("Complete", 0), ("Failed", 1)])
def test_a_job_is_followed_to_its_exit_code(kubeconfig: Path, state: State, kind: str, code: int):
    name = name_of(run(kubeconfig, *SUBMIT))
    state.set_status(name, conditions=[{"type": kind, "status": "True", "reason": "R", "message": "M"}])
    for arguments in (("jobs", "status", name, "--follow"), (*SUBMIT, "--follow")):
        assert run(kubeconfig, *arguments).exit_code == code


def test_an_image_that_does_not_exist_ends_the_following(kubeconfig: Path, state: State):
    name = name_of(run(kubeconfig, *SUBMIT))
    add_pod(state, 0, phase="Pending")
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "not found"}}

    def block(pod: dict) -> None:
        pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] = name
        pod["status"]["containerStatuses"] = [
            {
                "name": "trainer",
                "image": "x/trainer:1",
                "imageID": "",
                "ready": False,
                "restartCount": 0,
                "state": waiting,
            }
        ]

    state.change("pods", "one-0", block)
    result = run(kubeconfig, "jobs", "status", name, "--follow")
    assert isinstance(result.exception, SetupError)
    assert "image x/trainer:1: ImagePullBackOff: not found" in str(result.exception)


def test_jobs_are_listed_and_cancelled(kubeconfig: Path, state: State):
    assert run(kubeconfig, "jobs", "status").stdout == "no jobs in vd\n"
    name = name_of(run(kubeconfig, *SUBMIT))
    assert run(kubeconfig, "jobs", "status").stdout.startswith(f"{name}: waiting")
    assert "would be deleted" in run(kubeconfig, "jobs", "cancel", name, "--dry-run").stdout
    assert run(kubeconfig, "jobs", "cancel", name).stdout == f"cancelled {name}\n"
    assert "propagationPolicy=Background" in state.requests[-1][1]
    assert isinstance(run(kubeconfig, "jobs", "cancel", name).exception, SetupError)


def test_logs_carry_their_index(kubeconfig: Path, state: State):
    name = name_of(run(kubeconfig, *SUBMIT, "--name", "one"))
    add_pod(state, 0, "hello")
    state.set_status(name, conditions=COMPLETE)
    for arguments in ((), ("--follow",)):
        assert run(kubeconfig, "jobs", "logs", name, *arguments).stdout == "[0] hello\n"


def test_nobody_listening_is_one_line(tmp_path: Path, closed_port: int):
    result = run(write_kubeconfig(tmp_path, f"http://127.0.0.1:{closed_port}"), "jobs", "status")
    assert isinstance(result.exception, ClusterUnavailable)
    assert "\n" not in str(result.exception)


@pytest.fixture
def rollout(kubeconfig: Path, state: State, prometheus, tmp_path: Path):
    store, [old] = make_store(tmp_path / "store", "0001")
    with run_controller(state, make_deployment("worker", pin=old)):
        told = ("--deployment", "worker", "--models", str(tmp_path / "store"))

        def run_rollout(command: str, *arguments: str) -> Result:
            asked = ("--prometheus", prometheus[0]) if command == "rollout" else ()
            return run(kubeconfig, command, *told, *asked, *arguments)

        yield run_rollout, store, prometheus[1], state, old


def test_a_rollout_runs_from_canary_to_the_end(rollout):
    run_rollout, store, answers, _, old = rollout
    new = promote(store, "0002")
    for digest in (old, new):
        answers.tell(digest, inspected=300, undamaged=700, regions=500, failures=0, mean_s=0.4)
    result = run_rollout("rollout", "--until-done", "--observe", "1s", "--interval", "0.05s")
    assert result.exit_code == 0, result.output
    assert f"canary of {new} begins on 25% of the pods" in result.stdout
    assert result.stdout.splitlines()[-1] == f"{new} serves"
    assert 'namespace="vd"' in answers.expressions[0]
    assert store.read_promoted_digest() == new


def test_a_bad_rollout_ends_with_1_and_the_store_rolled_back(rollout):
    run_rollout, store, answers, _, old = rollout
    new = promote(store, "0002")
    answers.tell(old, inspected=300, undamaged=700, regions=500, failures=0, mean_s=0.4)
    answers.tell(new, inspected=0, undamaged=0, regions=0, failures=50, mean_s=0.4)
    result = run_rollout("rollout", "--until-done", "--observe", "1s", "--interval", "0.05s")
    assert result.exit_code == 1, result.output
    assert f"{new} is refused, back to {old}: " in result.stdout
    assert store.read_promoted_digest() == old


def test_a_rollout_is_undone(rollout):
    run_rollout, store, answers, _, old = rollout
    new = promote(store, "0002")
    answers.tell(old, inspected=300, undamaged=700, regions=500, failures=0, mean_s=0.4)
    answers.tell(new, inspected=300, undamaged=700, regions=500, failures=0, mean_s=0.4)
    run_rollout("rollout", "--until-done", "--observe", "1s", "--interval", "0.05s")
    assert f"every pod goes back from {new} to {old}" in run_rollout("rollback", "--dry-run").stdout
    assert store.read_promoted_digest() == new
    assert "promoted.json follows" in run_rollout("rollback").stdout
    assert store.read_promoted_digest() == old


def test_a_dry_run_of_a_rollout_prints_the_patch(rollout):
    run_rollout, store, _, state, _ = rollout
    new = promote(store, "0002")
    told, _, patch = "", "", ""
    while not told.startswith("would be done"):
        told, _, patch = run_rollout("rollout", "--dry-run").stdout.partition("\n")
    assert json.loads(patch)["metadata"]["annotations"]["vehicle-damage/rollout-candidate"] == new
    assert not any(method == "PATCH" for method, _, _ in state.requests)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--observe", "soon"), "observe: expected a number and s, m or h"),
        (("--observe", "2h", "--observe-limit", "1h"), "observe-limit: expected at least --observe"),
        (("--interval", "0s"), "interval: expected more than 0s"),
        (("--models", "/nowhere"), "models: .*no such folder: /nowhere"),
        (("--deployment", "other"), 'deployments.apps "other" not found'),
    ],
)
def test_what_cannot_be_is_refused_with_its_option(rollout, arguments: tuple[str, ...], words: str):
    with pytest.raises(SetupError, match=words):
        raise rollout[0]("rollout", "--once", *arguments).exception
