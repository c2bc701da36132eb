"""rollout, rollback: the promoted model set reaches the workers, canary first, or goes back.

What speaks to a cluster is imported inside the commands: serving imports this module without the kubernetes client.
"""

import importlib
import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from service.errors import SetupError, TransientError
from service.model_bucket import open_models

_UNITS: Final = {"s": 1, "m": 60, "h": 3600}

Deployment = Annotated[str, typer.Option(help="The workers' Deployment.")]
Models = Annotated[str, typer.Option("--models", help="Model store: a folder, or s3://bucket/prefix.")]
PrometheusUrl = Annotated[str, typer.Option("--prometheus", help="URL of Prometheus.")]
Namespace = Annotated[str, typer.Option(help="Of the Deployment.")]
Kubeconfig = Annotated[
    Path | None, typer.Option(help="Else KUBECONFIG or ~/.kube/config, else the pod's service account.")
]
Context = Annotated[str, typer.Option(help="Of the kubeconfig; else its current one.")]
LeaveStore = Annotated[
    bool,
    typer.Option("--leave-store", help="A refused set stays in promoted.json; it is not tried again while it does."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and the patch; change nothing.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(rollout)
    app.command()(rollback)


def rollout(
    deployment: Deployment,
    models: Models,
    prometheus: PrometheusUrl,
    namespace: Namespace = "vehicle-damage",
    canary_share: Annotated[float, typer.Option(min=0.01, max=0.5, help="Of all pods, the candidate's.")] = 0.25,
    observe: Annotated[str, typer.Option(help="Watch a canary so long before it may spread: 90s, 30m, 2h.")] = "30m",
    observe_limit: Annotated[
        str, typer.Option(help="Go back if too few photos came in so long; else four times --observe.")
    ] = "",
    ready_within: Annotated[str, typer.Option(help="Go back if no pod of the candidate is ready by then.")] = "10m",
    min_photos: Annotated[int, typer.Option(min=1, help="Each side has to judge so many before a verdict.")] = 200,
    gate_rate_tolerance: Annotated[
        float, typer.Option(min=0, max=1, help="Difference of the share the gate lets through, beyond chance.")
    ] = 0.05,
    region_rate_tolerance: Annotated[
        float, typer.Option(min=0, help="Relative difference of regions a photo, beyond chance.")
    ] = 0.25,
    error_ratio_tolerance: Annotated[
        float, typer.Option(min=0, max=1, help="Rise of the share of attempts that fail, beyond chance.")
    ] = 0.01,
    latency_tolerance: Annotated[float, typer.Option(min=0, help="Relative rise of the mean seconds a photo.")] = 0.25,
    prometheus_match: Annotated[
        str | None, typer.Option(help='Label matchers of the workers\' series; else namespace="NAMESPACE"; "": all.')
    ] = None,
    interval: Annotated[str, typer.Option(help="Time between two looks.")] = "30s",
    once: Annotated[bool, typer.Option("--once", help="One look, one step; 1: refused, or not tried.")] = False,
    until_done: Annotated[
        bool,
        typer.Option(
            "--until-done", help="End when the promoted set serves (0), was refused or could not be tried (1)."
        ),
    ] = False,
    leave_store: LeaveStore = False,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    dry_run: DryRun = False,
) -> None:
    """Watch promoted.json and bring another promoted set to the workers: verified, canary first, then all or back.

    Ends with --once, --until-done, --dry-run, or a signal; the next one goes on from the Deployment's annotations.

    Example: vehicle-damage rollout --deployment vehicle-damage-worker --models s3://models/serving \
--prometheus http://prometheus:9090 --once
    """
    cluster = _load("api").connect(namespace, kubeconfig=kubeconfig, context=context)
    judgement, machine, refresh, metering = (_load(name) for name in ("judgement", "rollout", "refresh", "prometheus"))
    observe_s, pause_s = _parse_span("observe", observe), _parse_span("interval", interval)
    limit_s = _parse_span("observe-limit", observe_limit) if observe_limit else 4 * observe_s
    if limit_s < observe_s:
        raise SetupError(f"observe-limit: expected at least --observe ({observe}), found {observe_limit}")
    plan = refresh.Plan(
        policy=machine.Policy(
            observe=timedelta(seconds=observe_s),
            observe_limit=timedelta(seconds=limit_s),
            ready_within=timedelta(seconds=_parse_span("ready-within", ready_within)),
            share=canary_share,
        ),
        tolerances=judgement.Tolerances(
            min_photos=min_photos,
            gate_rate=gate_rate_tolerance,
            region_rate=region_rate_tolerance,
            error_ratio=error_ratio_tolerance,
            latency=latency_tolerance,
        ),
        rolls_store_back=not leave_store,
        dry_run=dry_run,
    )
    match = f'namespace="{namespace}"' if prometheus_match is None else prometheus_match
    measuring = metering.Prometheus(prometheus, match=match)
    refresher = refresh.Refresher(cluster, deployment, open_models(models), measuring, plan)
    if once or dry_run:
        step = refresher.look()
        _tell(step, dry_run)
        raise typer.Exit(1 if (step.is_refusal or step.is_untried) and not dry_run else 0)
    _watch(refresher, pause_s, until_done=until_done)


def rollback(
    deployment: Deployment,
    models: Models,
    namespace: Namespace = "vehicle-damage",
    leave_store: LeaveStore = False,
    kubeconfig: Kubeconfig = None,
    context: Context = "",
    dry_run: DryRun = False,
) -> None:
    """End a rollout that goes on, or bring every worker back to the set before, at once; promoted.json follows.

    Example: vehicle-damage rollback --deployment vehicle-damage-worker --models s3://models/serving
    """
    cluster = _load("api").connect(namespace, kubeconfig=kubeconfig, context=context)
    machine, refresh, metering = (_load(name) for name in ("rollout", "refresh", "prometheus"))
    nothing = timedelta()
    plan = refresh.Plan(
        policy=machine.Policy(observe=nothing, observe_limit=nothing, ready_within=nothing),
        rolls_store_back=not leave_store,
        dry_run=dry_run,
    )
    unused = metering.Prometheus("http://127.0.0.1")  # going back asks nobody
    _tell(refresh.Refresher(cluster, deployment, open_models(models), unused, plan).undo(), dry_run)


def _watch(refresher: Any, pause_s: float, *, until_done: bool) -> None:
    """Look again and again; what passes by itself is told and borne."""
    api, told, was_refused = _load("api"), "", False
    while True:
        try:
            step = refresher.look()
        except (api.ClusterUnavailable, api.ClusterConflict, TransientError) as error:
            typer.echo(f"vehicle-damage: {error}; looking again", err=True)
            time.sleep(pause_s)
            continue
        if step.told != told:
            _tell(step, is_dry=False)
            told = step.told
        was_refused |= step.is_refusal
        if until_done and (step.is_done or step.is_untried):
            raise typer.Exit(1 if was_refused or step.is_untried or "was refused" in step.told else 0)
        if step.patch is None:
            time.sleep(pause_s)


def _tell(step: Any, is_dry: bool) -> None:
    typer.echo(f"{'would be done: ' if is_dry and step.patch else ''}{step.told}")
    if is_dry and step.patch:
        typer.echo(json.dumps(step.patch, indent=2))


def _load(name: str) -> Any:
    """A module of service.cluster."""
    try:
        return importlib.import_module(f"service.cluster.{name}")
    except ModuleNotFoundError as error:
        raise SetupError(f"needs vehicle-damage[cluster]: {error.name} is not installed") from error


def _parse_span(option: str, text: str) -> float:
    number, unit = text[:-1], text[-1:]
    try:
        seconds = float(number) * _UNITS[unit]
    except (KeyError, ValueError) as error:
        raise SetupError(f"{option}: expected a number and s, m or h, such as 30m, found {text!r}") from error
    if not 0 < seconds < 30 * 86_400:
        raise SetupError(f"{option}: expected more than 0s and less than 30 days, found {text!r}")
    return seconds
