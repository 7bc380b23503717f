"""A folder that cannot be locked or written is named in one line, and no other error is blamed on it."""

import errno
import fcntl
import os
from pathlib import Path

import pytest

from worker.errors import OperatorError
from worker.local.services import exclusive_folder


def error_of(code: int, path: str | None = None) -> OSError:
    return OSError(code, os.strerror(code), path)


def test_s11_a_file_system_without_locks_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_locks(*_: object) -> None:
        raise error_of(errno.ENOLCK)

    monkeypatch.setattr(fcntl, "flock", without_locks)
    with pytest.raises(OperatorError, match="ZIK_HOME") as caught, exclusive_folder(tmp_path, command="zik up"):
        pass
    assert f"cannot use {tmp_path / 'lock'}" in str(caught.value)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS], ids=os.strerror)
def test_s11_a_disk_that_takes_nothing_is_named(tmp_path: Path, code: int) -> None:
    """Writing to an open file raises an error without a name."""
    with pytest.raises(OperatorError) as caught, exclusive_folder(tmp_path, command="zik up"):
        raise error_of(code)
    assert f"cannot use {tmp_path}: {os.strerror(code)}" in str(caught.value)


@pytest.mark.parametrize("error", [error_of(errno.EPIPE), error_of(errno.ENOENT, "/elsewhere")], ids=str)
def test_an_error_about_something_else_is_not_blamed_on_it(tmp_path: Path, error: OSError) -> None:
    with pytest.raises(OSError, match=error.strerror) as caught, exclusive_folder(tmp_path, command="zik up"):
        raise error
    assert caught.value is error
