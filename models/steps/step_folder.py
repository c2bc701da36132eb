"""A step's folder: its files, what made them (step.json) and their digest (manifest.json); complete or not there.

A step is done if its folder says that the same options made it of the same inputs. While it works it has a folder of
its own beside it, <name>.work; steps that resume find there what an interrupted run left.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from models.data.folder_writing import new_folder
from models.data.manifest import load_manifest, write_manifest
from models.data.photos import DataError

STEP_NAME: Final = "step.json"
SCHEMA: Final = 1

Work = Callable[[Path, Path], Mapping[str, Any]]


@dataclass(frozen=True)
class StepDone:
    """A completed step.

    Attributes:
        folder: where it lies.
        digest: of its files.
        options: what it was made with, JSON values.
        result: what it told, JSON values.
        was_there: it had been done before.
    """

    folder: Path
    digest: str
    options: Mapping[str, Any]
    result: Mapping[str, Any]
    was_there: bool


def run_step(
    out: Path, step: str, options: Mapping[str, Any], inputs: Mapping[str, Path], work: Work, *, resumes: bool = False
) -> StepDone:
    """Do a step once: what is complete and made of the same things is taken as it is.

    Args:
        out: the step's folder.
        step: its name.
        options: whatever changes the result; JSON values, or what str() tells apart.
        inputs: name to folder of an earlier step, or a data folder with a manifest.
        work: gets the new folder and the folder of its own; returns what it has to tell.
        resumes: the folder of its own is as an interrupted run of the same step left it, else empty.

    Raises:
        DataError: an input is incomplete, or out holds the work of other options or inputs: the first that differs.
    """
    record = json.loads(
        json.dumps(
            {
                "schema": SCHEMA,
                "step": step,
                "options": dict(options),
                "inputs": {name: load_manifest(folder).digest for name, folder in inputs.items()},
            },
            default=str,
        )
    )
    scratch = scratch_of(out)
    for killed in out.parent.glob(f".{out.name}-*.partial"):
        shutil.rmtree(killed, ignore_errors=True)
    if (out / STEP_NAME).is_file():
        done = _take(out, record)
        shutil.rmtree(scratch, ignore_errors=True)
        return done
    if not resumes:
        shutil.rmtree(scratch, ignore_errors=True)
    _claim(scratch, record)
    try:
        with new_folder(out) as folder:
            result = json.loads(json.dumps(dict(work(folder, scratch))))
            content = json.dumps({**record, "result": result}, indent=1)
            (folder / STEP_NAME).write_text(f"{content}\n", encoding="utf-8")
            digest = write_manifest(folder).digest
    except BaseException:
        if not resumes or [path.name for path in scratch.iterdir()] == [STEP_NAME]:  # nothing to resume from
            shutil.rmtree(scratch)
        raise
    shutil.rmtree(scratch)
    return StepDone(out, digest, record["options"], result, was_there=False)


def check_made_of(folder: Path, **inputs: Path) -> None:
    """Refuse a step that was made of something else than the steps it is used with.

    Args:
        folder: the step's.
        inputs: name of an input of that step to the folder that it should have been.

    Raises:
        DataError: it was another, or one of them is not complete.
    """
    made_of = _load_record(folder / STEP_NAME)["inputs"]
    for name, expected in inputs.items():
        if made_of.get(name) != load_manifest(expected).digest:
            raise DataError(f"{folder}: made of another {name} than {expected}")


def same_input(first: Path, second: Path, name: str) -> None:
    """Refuse two steps that were made of different inputs of one name.

    Raises:
        DataError: they were, or one of them is not complete.
    """
    digests = [_load_record(folder / STEP_NAME)["inputs"].get(name) for folder in (first, second)]
    if digests[0] != digests[1]:
        raise DataError(f"{first}, {second}: made of different {name}")


def scratch_of(out: Path) -> Path:
    """Where a step keeps what it resumes from until its folder is complete."""
    return out.with_name(f"{out.name}.work")


def load_step(folder: Path, step: str) -> StepDone:
    """Open the folder of a step that is done.

    Raises:
        DataError: it is not complete, changed, or another step's.
    """
    content = _load_record(folder / STEP_NAME)
    if content["step"] != step:
        raise DataError(f"{folder}: expected the folder of step {step}, found {content['step']}")
    return StepDone(folder, load_manifest(folder).digest, content["options"], content["result"], was_there=True)


def _take(out: Path, record: Mapping[str, Any]) -> StepDone:
    content = _load_record(out / STEP_NAME)
    _compare(out, content, record)
    return StepDone(out, load_manifest(out).digest, content["options"], content["result"], was_there=True)


def _claim(scratch: Path, record: Mapping[str, Any]) -> None:
    """Make a step's scratch folder, or take over the one that an interrupted run of the same step left."""
    path = scratch / STEP_NAME
    if path.is_file():
        _compare(scratch, _load_record(path), record)
        return
    scratch.mkdir(parents=True, exist_ok=True)
    partial = scratch / f".{STEP_NAME}.partial"
    partial.write_text(json.dumps({**record, "result": None}, indent=1) + "\n", encoding="utf-8")
    partial.replace(path)


def _compare(folder: Path, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    for kind in ("schema", "step"):
        if found[kind] != expected[kind]:
            raise DataError(
                f"{folder}: {kind}: made with {found[kind]!r}, found {expected[kind]!r}; choose another out"
            )
    for kind in ("options", "inputs"):
        for name in sorted({*found[kind], *expected[kind]}):
            before, now = found[kind].get(name), expected[kind].get(name)
            if before != now:
                raise DataError(f"{folder}: {kind}: {name}: made with {before!r}, found {now!r}; choose another out")


def _load_record(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}: the step is not complete") from error
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from error
    if not isinstance(content, dict) or {"schema", "step", "options", "inputs", "result"} - content.keys():
        raise DataError(f"{path}: no record of a step")
    return content
