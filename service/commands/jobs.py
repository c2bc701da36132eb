"""jobs: GPU jobs by the Kubernetes API, mounted as `vehicle-damage jobs …`.

What speaks to a cluster is imported inside the commands: serving imports this module without the kubernetes client.
"""

import importlib
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from service.errors import SetupError

_EXIT_FAILED = 1

jobs_app = typer.Typer(help="GPU jobs in a cluster.", no_args_is_help=True)

Namespace = Annotated[str, typer.Option(help="Where the jobs run.")]
Kubeconfig = Annotated[
    Path | None, typer.Option(help="Else KUBECONFIG or ~/.kube/config, else the pod's service account.")
]
Context = Annotated[str, typer.Option(help="Of the kubeconfig; else its current one.")]
Name = Annotated[str, typer.Argument(help="Of the job.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; change nothing.")]


@jobs_app.command()
def submit(
    kind: Annotated[
        Literal["gan", "detector", "sr-rcnn", "export"],
        typer.Argument(help="models augment gan | models train NETWORK | models train sr-rcnn | models export."),
    ],
    image: Annotated[str, typer.Option(help="Of the trainer, with tag or digest.")],
    data: Annotated[
        list[str], typer.Option(help="Folder on the volume, below /data; export: the run; may be given again.")
    ],
    out: Annotated[str, typer.Option(help="Folder on the volume, below /data; export: the store, also s3://….")],
    namespace: Namespace = "vehicle-damage",
    network: Annotated[str, typer.Option(help="Of detector: localizer, gate or segmenter.")] = "localizer",
    gpus: Annotated[int | None, typer.Option(help="For each node; else 1, for export 0.")] = None,
    nodes: Annotated[int, typer.Option(help="Pods that train together: gan and sr-rcnn.")] = 1,
    arg: Annotated[list[str] | None, typer.Option(help="Further word of the command; may be given again.")] = None,
    name: Annotated[str, typer.Option(help="Of the job; else its kind and the digest of what is asked.")] = "",
    claim: Annotated[str, typer.Option(help="PersistentVolumeClaim mounted at /data.")] = "vehicle-damage-data",
    service_account: Annotated[str, typer.Option(help="Whose identity the pods have.")] = "vehicle-damage-trainer",
    priority_class: Annotated[str, typer.Option(help="Of the pods.")] = "vehicle-damage-training",
    cpu: Annotated[str, typer.Option(help="Cores of each pod.")] = "4",
    memory: Annotated[str, typer.Option(help="Of each pod.")] = "16Gi",
    deadline_hours: Annotated[float, typer.Option(help="The job fails after so long.")] = 72,
    retries: Annotated[int, typer.Option(help="Failures that are tried again, for each node.")] = 4,
    keep_hours: Annotated[float, typer.Option(help="A finished job is kept so long.")] = 72,
    node_selector: Annotated[list[str] | None, typer.Option(help="LABEL=VALUE of nodes; may be given again.")] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for its end: 0 complete, 1 failed.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the manifests; ask no server.")] = False,
    server_dry_run: Annotated[
        bool, typer.Option("--server-dry-run", help="The server checks the manifests and stores nothing.")
    ] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
) -> None:
    """Start a job; the same words again find the same job, and after `jobs cancel` go on from its checkpoint.

    Example: vehicle-damage jobs submit gan --image registry.example.com/vehicle-damage-trainer:1.0 --data /data/crops \
--out /data/gan --gpus 4 --arg --preset --arg gpu
    """
    jobs, manifests = _load("jobs"), _load("manifests")
    request = jobs.JobRequest(
        kind=kind,
        image=image,
        data=tuple(data),
        out=out,
        namespace=namespace,
        network=network,
        gpus=(0 if kind == "export" else 1) if gpus is None else gpus,
        nodes=nodes,
        extra_args=tuple(arg or ()),
        name=name,
        claim=claim,
        service_account=service_account,
        priority_class=priority_class,
        cpu=cpu,
        memory=memory,
        deadline_h=deadline_hours,
        retries=retries,
        keep_h=keep_hours,
        node_selector=tuple(node_selector or ()),
    )
    rendered = jobs.render_job(request)
    if dry_run:
        typer.echo(manifests.write_yaml(rendered), nl=False)
        return
    cluster = _load("api").connect(namespace, kubeconfig=kubeconfig, context=context)
    job, was_there = _load("submission").submit_job(cluster, rendered, dry_run=server_dry_run)
    if server_dry_run:
        typer.echo(f"the server would accept {job['metadata']['name']}" + (", which is there already" * was_there))
        return
    state = _load("job_state").read_state(job)
    if was_there:
        hint = f"; `jobs cancel {state.name}` and submit again to go on" if state.phase == "failed" else ""
        typer.echo(f"already there: {state}{hint}")
    else:
        typer.echo(f"submitted {state.name}")
    if follow:
        _follow(cluster, state.name)


@jobs_app.command()
def status(
    name: Annotated[str, typer.Argument(help="Of the job; none: all.")] = "",
    namespace: Namespace = "vehicle-damage",
    follow: Annotated[bool, typer.Option("--follow", help="Wait for its end: 0 complete, 1 failed.")] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
) -> None:
    """Show how far jobs are, a line each.

    Exits 1 if the named job failed. Example: vehicle-damage jobs status gan-9cc58502c0 --follow
    """
    cluster = _load("api").connect(namespace, kubeconfig=kubeconfig, context=context)
    if follow:
        if not name:
            raise SetupError("name: expected a job to follow, found none")
        _follow(cluster, name)
        return
    states = _load("submission").fetch_states(cluster, name, _load("jobs").JOB_SELECTOR)
    for state in states:
        typer.echo(str(state))
    if not states:
        typer.echo(f"no jobs in {namespace}")
    if name and states[0].phase == "failed":
        raise typer.Exit(_EXIT_FAILED)


@jobs_app.command()
def logs(
    name: Name,
    namespace: Namespace = "vehicle-damage",
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the job is over.")] = False,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
) -> None:
    """Print what the job's pods write, each line with its pod's index.

    Example: vehicle-damage jobs logs gan-9cc58502c0 --follow
    """
    cluster = _load("api").connect(namespace, kubeconfig=kubeconfig, context=context)
    reading = _load("job_logs")
    for line in reading.follow_logs(cluster, name) if follow else reading.read_logs(cluster, name):
        typer.echo(f"[{line.index}] {line.text}" if line.index else line.text)


@jobs_app.command()
def cancel(
    name: Name,
    namespace: Namespace = "vehicle-damage",
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    dry_run: DryRun = False,
) -> None:
    """Delete a job; its pods save and end, checkpoints stay on the volume.

    Example: vehicle-damage jobs cancel gan-9cc58502c0
    """
    cluster = _load("api").connect(namespace, kubeconfig=kubeconfig, context=context)
    if dry_run:
        [state] = _load("submission").fetch_states(cluster, name, "")
        typer.echo(f"would be deleted: {state}")
        return
    _load("submission").cancel_job(cluster, name)
    typer.echo(f"cancelled {name}")


def _follow(cluster: Any, name: str) -> None:
    """Tell each change of a job on stderr, the end on stdout."""
    read_state, list_pods = _load("job_state").read_state, _load("submission").list_job_pods
    unavailable = _load("api").ClusterUnavailable
    told, job = "", None
    for found in _load("following").follow_job(cluster, name):
        job = found or job
        try:
            state = read_state(job, list_pods(cluster, name))
        except unavailable:
            continue  # the watch, which asks again, tells when the API stays away
        if state.is_over:
            typer.echo(str(state))
            raise typer.Exit(0 if state.phase == "complete" else _EXIT_FAILED)
        if state.is_hopeless:
            raise SetupError(f"{state}; `jobs cancel {name}` removes it")
        if str(state) != told:
            told = str(state)
            typer.echo(told, err=True)


def _load(name: str) -> Any:
    """A module of service.cluster."""
    try:
        return importlib.import_module(f"service.cluster.{name}")
    except ModuleNotFoundError as error:
        raise SetupError(f"needs vehicle-damage[cluster]: {error.name} is not installed") from error
