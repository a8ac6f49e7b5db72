# SPDX-License-Identifier: GPL-3.0-or-later
"""How the worker says what went wrong: a code of the server's error tree, a sentence, and what to do next."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Literal

FailureCode = Literal["MeshInvalid", "UnsupportedMedia", "SettingInvalid", "DiskFull", "ExportCrashed"]

# Blender's own writers report a full disk only as "could not write": below this much free space that is the reason.
FULL_DISK_BYTES = 64 * 1024
_FULL = (errno.ENOSPC, errno.EDQUOT)


class WorkerFailure(Exception):
    """A verb ended without its result. `message` says what happened and why; `hint` says what to do next."""

    def __init__(self, code: FailureCode, message: str, hint: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def to_document(self) -> dict[str, dict[str, str]]:
        """The result document of a failed run."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}


def describe(error: Exception, folder: Path) -> WorkerFailure:
    """The typed failure behind any exception. `folder`: where the worker writes."""
    if is_disk_full(error, folder):
        return WorkerFailure(
            "DiskFull",
            f"No space is left in {folder} to write the model.",
            "Free some space there, or choose another output folder, and run it again.",
        )
    if isinstance(error, WorkerFailure):
        return error
    return WorkerFailure(
        "ExportCrashed",
        f"Blender did not finish the model: {reason_of(error)}.",
        "Run it again; if it fails again, report it together with the log.",
    )


def is_disk_full(error: BaseException, folder: Path) -> bool:
    """Whether a full disk is behind the error: its cause, its text (Blender wraps Python's), or no space at all."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _FULL:
            return True
        cause = cause.__cause__ or cause.__context__
    if f"[Errno {errno.ENOSPC}]" in str(error):
        return True
    return isinstance(error, RuntimeError) and shutil.disk_usage(folder).free < FULL_DISK_BYTES


def reason_of(error: Exception) -> str:
    """One line out of an exception: Blender's operators put a whole, truncated traceback into the text."""
    text = str(error)
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("Location:")]
    if not lines:
        return type(error).__name__
    if "Traceback (most recent call last)" not in text:
        return lines[0].removeprefix("Error: ").rstrip(".")
    return "its content makes no sense" if "truncated" in lines[-1] else lines[-1]
