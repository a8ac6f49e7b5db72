# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way a job can fail.

    FigurineError
    ├── InputError 400            ImageUnreadable · ImageTooLarge 413 · UnsupportedMedia 415 · MaskInvalid · NoSubject
    │                             MeshInvalid · SkeletonInvalid · CorrectionInvalid · SettingInvalid · AlreadyRigged
    │                             OutputUnwritable · RequestInvalid · UploadTooLarge 413 · RangeInvalid 416
    ├── AccessError 403           BadToken 401 · ForeignHost · ForeignOrigin
    ├── NotFound 404
    ├── MethodNotAllowed 405
    ├── StateError 409            JobFinished · QueueFull 429 · ServerRunning
    ├── ResourceError 503         EngineUnavailable · WeightsMissing · WeightsCorrupt · OutOfMemory · DeviceLost
    │                             DiskFull 507 · BlenderMissing · EditorNotSetUp · EditorUnavailable
    ├── StageError 500            EmptySurface · BakeFailed · RigFailed · ExportCrashed · WorkerLost · EditorRefused
    │                             EditorAnswerUnusable
    ├── Cancelled 409
    ├── DeadlineExceeded 504
    └── InternalError 500

Each error carries a stable ``code``, what happened and why (``message``), what to do next (``hint``), and whether
the same request may succeed later (``retryable``). The command line shows message and hint on one line; the panel
shows them word for word.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar


class FigurineError(Exception):
    """Root of the tree. ``message`` says what happened and why; ``hint`` says what to do next."""

    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def code(self) -> str:
        """Stable identifier: the class's name."""
        return type(self).__name__

    def to_document(self) -> dict[str, object]:
        """The one JSON shape in which every surface reports an error."""
        return {"code": self.code, "message": self.message, "hint": self.hint, "retryable": self.retryable}

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InputError(FigurineError):
    """What was handed in cannot be used as it is."""

    http_status = 400
    exit_code = 2


class ImageUnreadable(InputError):
    """The file is missing, empty, damaged, or not a picture."""


class ImageTooLarge(InputError):
    """The picture's header announces more pixels than are accepted; it was not decoded."""

    http_status = 413


class UnsupportedMedia(InputError):
    """The file is of a kind that is not read."""

    http_status = 415


class MaskInvalid(InputError):
    """The mask does not fit its picture, or marks nothing or everything as the subject."""


class NoSubject(InputError):
    """No character or object stands out in the picture."""


class MeshInvalid(InputError):
    """The mesh has no surface that can be rigged."""


class AlreadyRigged(InputError):
    """The mesh brings a rig, and nobody said whether to keep it or to replace it."""


class SkeletonInvalid(InputError):
    """The skeleton file does not describe one tree of bones."""


class CorrectionInvalid(InputError):
    """The correction names bones that are not there, or would leave no usable skeleton."""


class SettingInvalid(InputError):
    """A setting is unknown, or its value is outside its range."""


class OutputUnwritable(InputError):
    """The results cannot be written where they were asked for."""


class RequestInvalid(InputError):
    """The request lacks a part, repeats one, or has one that is not understood."""


class UploadTooLarge(InputError):
    """The request's body is larger than is accepted."""

    http_status = 413


class RangeInvalid(InputError):
    """The part of a file that was asked for lies outside it."""

    http_status = 416


class AccessError(FigurineError):
    """The caller may not do this."""

    http_status = 403


class BadToken(AccessError):
    """The bearer token is missing or wrong."""

    http_status = 401


class ForeignHost(AccessError):
    """The Host header names another machine."""


class ForeignOrigin(AccessError):
    """A web page of another origin sent the request."""


class NotFound(FigurineError):
    """There is no such job, artifact or page."""

    http_status = 404


class MethodNotAllowed(FigurineError):
    """This address does not do that."""

    http_status = 405


class StateError(FigurineError):
    """The request does not fit the job's state."""

    http_status = 409


class JobFinished(StateError):
    """The job has already ended."""


class QueueFull(StateError):
    """As many jobs wait as the server accepts."""

    http_status = 429
    retryable = True


class ServerRunning(StateError):
    """Another server has this data folder, or this port."""


class ResourceError(FigurineError):
    """Something this machine needs is missing or used up."""

    http_status = 503


class EngineUnavailable(ResourceError):
    """The engine that was asked for cannot run here."""


class WeightsMissing(EngineUnavailable):
    """A network's weight files are not on this machine."""


class WeightsCorrupt(ResourceError):
    """A weight file differs from its published size or digest."""


class OutOfMemory(ResourceError):
    """The device ran out of memory."""

    retryable = True


class DeviceLost(ResourceError):
    """The accelerator stopped answering."""

    retryable = True


class DiskFull(ResourceError):
    """No space is left where results or work files are written."""

    http_status = 507
    exit_code = 2
    retryable = True


class BlenderMissing(ResourceError):
    """Neither the bpy module nor a Blender program was found."""


class EditorNotSetUp(EngineUnavailable):
    """The hosted editor's key, model or address is missing or was not accepted."""


class EditorUnavailable(ResourceError):
    """The hosted editor could not be reached, is overloaded, or has no quota left."""

    retryable = True


class StageError(FigurineError):
    """A stage ran and could not produce its result."""


class EmptySurface(StageError):
    """The geometry stage found no surface."""


class BakeFailed(StageError):
    """The texture could not be painted."""


class RigFailed(StageError):
    """No valid skeleton or weights came out."""


class ExportCrashed(StageError):
    """Blender ended before its files were complete."""

    retryable = True


class WorkerLost(StageError):
    """The worker process ended, again and again, while it ran the job."""


class EditorRefused(StageError):
    """The hosted editor's rules forbid the picture, or what came of it."""


class EditorAnswerUnusable(StageError):
    """The hosted editor answered without a picture that can be used; another try may bring one."""

    retryable = True


class Cancelled(FigurineError):
    """The job was stopped on request."""

    http_status = 409


class DeadlineExceeded(FigurineError):
    """The work took longer than allowed."""

    http_status = 504
    retryable = True


class InternalError(FigurineError):
    """A fault of Figurine itself; the log has its traceback."""


@contextmanager
def typed_system_errors(where: str) -> Iterator[None]:
    """Turn "no space left", "may not write" and "out of memory" into errors of the tree; `where` names the place."""
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory(
            "The machine ran out of memory.", "Close other programs, or use a smaller picture."
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(
                f"No space is left in {where}.", "Free some space there, or choose another place."
            ) from error
        if error.errno in (
            errno.EACCES,
            errno.EPERM,
            errno.EROFS,
            errno.ENOTDIR,
            errno.EISDIR,
            errno.EEXIST,
            errno.ENAMETOOLONG,
        ):
            raise OutputUnwritable(
                f"{where} cannot be written: {error.strerror}.", "Choose a folder that you may write to."
            ) from error
        raise
