"""How a command ends that cannot do what was asked, or not yet: its reason on stderr, and an exit code."""

import errno
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import typer

from models.data.photos import DataError
from models.object_store import StoreError, StoreUnavailableError

EXIT_REFUSED: Final = 2
EXIT_TRY_AGAIN: Final = 75  # as sysexits.h has it: a Job is tried again after it
EXIT_STOPPED: Final = {"max_minutes": 0, "SIGINT": 130, "SIGTERM": 143}
"""By what stopped a training that can go on."""
_PASSING: Final = frozenset({errno.EIO, errno.ESTALE, errno.EAGAIN, errno.ENETUNREACH, errno.EHOSTUNREACH})


@contextmanager
def reasons_told() -> Iterator[None]:
    """Turn what the user got wrong into a line on stderr (faulty annotations: a line a fault) and exit code 2.

    A store or a network file system that does not answer is nobody's mistake: EXIT_TRY_AGAIN.

    A training that was asked to stop ends with EXIT_STOPPED: it can go on.
    """
    from models.data.formats import FaultyAnnotationsError  # noqa: PLC0415 - every command imports this module
    from models.training.errors import TrainingStopped  # noqa: PLC0415

    try:
        yield
    except TrainingStopped as stopped:
        typer.echo(str(stopped), err=True)
        raise typer.Exit(EXIT_STOPPED.get(stopped.reason, EXIT_STOPPED["SIGTERM"])) from stopped
    except FaultyAnnotationsError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(EXIT_REFUSED) from error
    except (DataError, StoreError, ValueError, OSError) as error:
        may_pass = _may_pass(error)
        typer.echo(f"error: {error}{'; trying again may help' if may_pass else ''}", err=True)
        raise typer.Exit(EXIT_TRY_AGAIN if may_pass else EXIT_REFUSED) from error
    except zipfile.BadZipFile as error:
        typer.echo(f"error: a step's arrays are damaged: {error}", err=True)
        raise typer.Exit(EXIT_REFUSED) from error
    except ModuleNotFoundError as error:
        typer.echo(f"error: needs vehicle-damage[train]: {error.name} is not installed", err=True)
        raise typer.Exit(EXIT_REFUSED) from error


def _may_pass(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno in _PASSING:
        return True
    return isinstance(error, StoreUnavailableError | ConnectionError | TimeoutError)
