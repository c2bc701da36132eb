"""How a command ends: what the user got wrong, and what may pass by itself."""

import errno
from collections.abc import Callable

import pytest
import typer

from models.command_errors import reasons_told
from models.data.photos import DataError
from models.object_store import StoreError, StoreUnavailableError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (lambda: DataError("data: none"), 2),
        (lambda: StoreError("store: damaged"), 2),
        (lambda: FileNotFoundError(errno.ENOENT, "no such file"), 2),
        (lambda: StoreUnavailableError("store: SlowDown"), 75),
        (lambda: ConnectionResetError("gone"), 75),
        (lambda: OSError(errno.ESTALE, "stale file handle"), 75),
        (lambda: OSError(errno.EIO, "input/output error"), 75),
    ],
)
def test_only_what_cannot_pass_is_refused(error: Callable[[], Exception], code: int, capsys: pytest.CaptureFixture):
    with pytest.raises(typer.Exit) as ended, reasons_told():
        raise error()
    assert ended.value.exit_code == code
    told = capsys.readouterr().err
    assert told.startswith("error: ")
    assert told.rstrip().endswith("; trying again may help") is (code == 75)
