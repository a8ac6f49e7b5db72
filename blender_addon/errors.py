# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel can have to say. Each error carries what happened and why (`message`) and what to do next (`hint`).

FigurineError
├── set-up        ServerNotInstalled · InstallFailed · InstallCancelled · ServerStartFailed · ServerEnded
├── connection    LinkError: ServerNotRunning · ServerSilent · ServerGone · NotFigurine · WrongVersion
│                 BadToken · AddressInvalid · OnlineAccessOff
├── the server's  Refused (a reply) · JobFailed (a job's end): its words, unchanged
├── the job       JobLost · ResultMissing · ResultDamaged
└── this machine  PictureUnreadable · MeshUnusable · DiskFull · FolderUnwritable · JournalDamaged
                  ImportFailed · ClipUnusable · FolderUnknown · OutputUnwritable · InternalFault
"""

from __future__ import annotations

import errno
import math
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from .phrases import phrase
from .server_sentences import ServerText


@dataclass(frozen=True)
class ServerWords:
    """The `error` of a reply or of a job, meant to be shown as it is."""

    code: str
    message: ServerText
    hint: ServerText
    retryable: bool


class FigurineError(Exception):
    """code: stable identifier, the class's name or the server's code. message: what happened and why. hint: what to do
    next. retryable: whether the same may work later. details: for Copy Diagnostics, never needed to understand it.
    """

    retryable = False

    def __init__(self, message: str, hint: str = "", details: str = "") -> None:
        super().__init__(message)
        self.code = type(self).__name__
        self.message = message
        self.hint = hint
        self.details = details

    def __eq__(self, other: object) -> bool:
        """Two errors that say the same are equal, so that a view with an error equals its repeat."""
        return isinstance(other, FigurineError) and self._words() == other._words()

    def __hash__(self) -> int:
        return hash(self._words())

    def _words(self) -> tuple[str, str, str, bool]:
        return self.code, self.message, self.hint, self.retryable


class ServerNotInstalled(FigurineError):
    """There is no server on this machine yet."""

    def __init__(self) -> None:
        super().__init__(
            "The Figurine server is not installed.",
            "Click Install Server; it takes a few minutes, once. Or enter the address of a server in Preferences.",
        )


class InstallFailed(FigurineError):
    """The server could not be installed; what was there before still is."""

    retryable = True


class InstallCancelled(FigurineError):
    """The artist stopped the installation."""

    retryable = True

    def __init__(self) -> None:
        super().__init__("The installation was cancelled; nothing was changed.", "Click Install Server to begin again.")


class ServerStartFailed(FigurineError):
    """The server was started and did not come to answer."""

    retryable = True


class ServerEnded(FigurineError):
    """The server ran and ended without being asked to."""

    retryable = True

    def __init__(self, reason: str) -> None:
        super().__init__(
            phrase("The server ended by itself: {reason}.", reason=phrase(reason)),
            "Click Start Server; jobs go on where they were.",
        )


class LinkError(FigurineError):
    """No request can reach a server that is ours; jobs are not touched by it and go on when it is over."""

    retryable = True


class ServerNotRunning(LinkError):
    """Nothing answers where the server should be. url: empty where no running server is known."""

    def __init__(self, url: str = "", details: str = "") -> None:
        if url:
            super().__init__(
                phrase("No server answers at {url}.", url=url),
                "Click Start Server, or start it on that machine, or correct the address in Preferences.",
                details,
            )
        else:
            super().__init__("The Figurine server is not running.", "Click Start Server.", details)


class ServerSilent(LinkError):
    """It takes connections and says nothing."""

    def __init__(self, url: str, timeout_s: float, details: str = "") -> None:
        super().__init__(
            phrase(
                "The server at {url} takes the connection and has not answered for {timeout_s:g} seconds.",
                url=url,
                timeout_s=timeout_s,
            ),
            "It is asked again by itself. If it stays so, stop and start the server.",
            details,
        )


class ServerGone(LinkError):
    """It was there, jobs are on it, and it does not answer any more."""

    def __init__(self, url: str, details: str = "") -> None:
        super().__init__(
            phrase("The server at {url} does not answer any more, in the middle of a job.", url=url),
            "Nothing is lost: click Start Server, and the job goes on where it was.",
            details,
        )


class NotFigurine(LinkError):
    """Another program answers there."""

    def __init__(self, url: str, details: str = "") -> None:
        super().__init__(
            phrase("What answers at {url} is not a Figurine server.", url=url),
            "Another program may use this port: click Start Server, which takes a free one, or correct the address in "
            "Preferences.",
            details,
        )


class WrongVersion(LinkError):
    """Server and add-on do not fit."""

    def __init__(self, server_version: str, our_version: str) -> None:
        super().__init__(
            phrase(
                "The server is version {server_version}, and this add-on is version {our_version}.",
                server_version=server_version,
                our_version=our_version,
            ),
            "Click Install Server to bring it to the same version, and start it again; or update the add-on.",
        )


class BadToken(LinkError):
    """The server does not accept the token."""

    def __init__(self, url: str, details: str = "") -> None:
        super().__init__(
            phrase("The server at {url} does not accept the token.", url=url),
            "Enter the token that it was started with in Preferences; clear it for the server that this add-on starts.",
            details,
        )


class AddressInvalid(LinkError):
    """What is entered in Preferences is no address."""

    retryable = False

    def __init__(self, text: str, why: str) -> None:
        shown = without_login(text)
        super().__init__(
            phrase("“{shown}” is no address of a server: {why}.", shown=shown, why=phrase(why)),
            "Enter one like 127.0.0.1:47110 in Preferences.",
        )


class OnlineAccessOff(LinkError):
    """Blender forbids add-ons the network; a server on this machine needs none."""

    retryable = False

    def __init__(self, address: str) -> None:
        super().__init__(
            phrase(
                "{address} is another machine, and Blender's Allow Online Access is off. Nothing was sent.",
                address=address,
            ),
            "Turn on Preferences > System > Network > Allow Online Access, or use a server on this machine.",
        )


class PictureUnreadable(FigurineError):
    """The file of the picture cannot be sent."""

    def __init__(self, name: str, why: str, hint: str = "Choose another picture.") -> None:
        super().__init__(phrase("{name} cannot be used: {why}.", name=name, why=phrase(why)), hint)


class Refused(FigurineError):
    """The server answered a request with an error, in these words. status: of HTTP."""

    def __init__(self, words: ServerWords, status: int, details: str = "") -> None:
        super().__init__(words.message, words.hint, details)
        self.code = words.code
        self.retryable = words.retryable
        self.status = status

    @property
    def is_not_found(self) -> bool:
        """Whether the server has no such thing."""
        return self.status == HTTPStatus.NOT_FOUND


class JobFailed(FigurineError):
    """A job ended with an error, in these words."""

    def __init__(self, words: ServerWords, details: str = "") -> None:
        super().__init__(words.message, words.hint, details)
        self.code = words.code
        self.retryable = words.retryable


class JobLost(FigurineError):
    """The server does not know the job any more."""

    @classmethod
    def forgotten(cls, name: str) -> JobLost:
        """The server answers, and has no such job."""
        return cls(
            phrase(
                "The server does not have the job {name} any more: old jobs are deleted, or its data "
                "folder was emptied.",
                name=name,
            ),
            "Click Retry to send the picture again, or choose it anew.",
        )

    @classmethod
    def elsewhere(cls, name: str) -> JobLost:
        """The job is on a server that is not the chosen one."""
        return cls(
            phrase("The job {name} is on another server than the one that is chosen now.", name=name),
            "Choose that server again in Preferences to see it, or click Retry to send the picture to this one.",
        )


class ResultMissing(FigurineError):
    """The job's files were deleted on the server."""

    def __init__(self, name: str) -> None:
        super().__init__(
            phrase("The server does not have the files of {name} any more.", name=name), "Generate it again."
        )


class ResultDamaged(FigurineError):
    """What came is not what the server announced."""

    retryable = True

    def __init__(self, file: str, why: str) -> None:
        super().__init__(
            phrase("{file} did not arrive as the server announced it: {why}.", file=file, why=phrase(why)),
            "Click Retry to fetch it again.",
        )


class DiskFull(FigurineError):
    """No space is left on this machine."""

    retryable = True

    def __init__(self, folder: str, then: str = "try again", shortage: str = "") -> None:
        message = phrase("No space is left on this machine, in {folder}.", folder=folder)
        if shortage:
            message = phrase(
                "There is too little space on this machine, in {folder}: {shortage}.", folder=folder, shortage=shortage
            )
        super().__init__(message, phrase("Free some space there, then {then}.", then=phrase(then)))

    @classmethod
    def foreseen(cls, folder: str, needed_bytes: int, free_bytes: int, then: str) -> DiskFull:
        """It would run full."""
        needed_gb, free_gb = math.ceil(needed_bytes / 1e8) / 10, math.floor(free_bytes / 1e8) / 10
        return cls(
            folder,
            then,
            phrase("{needed_gb} GB are needed, {free_gb} GB are free", needed_gb=needed_gb, free_gb=free_gb),
        )


class FolderUnwritable(FigurineError):
    """The add-on may not write into its folder."""

    retryable = True

    def __init__(self, folder: str, why: str, then: str = "try again") -> None:
        super().__init__(
            phrase("{folder} cannot be written: {why}.", folder=folder, why=phrase(why)),
            phrase("Make the folder writable, then {then}.", then=phrase(then)),
        )


class FolderUnknown(FigurineError):
    """A folder in Preferences is given by the place of a file that has none."""

    def __init__(self, text: str) -> None:
        super().__init__(
            phrase("“{text}” lies beside the open Blender file, which was never saved: it was not taken.", text=text),
            "Enter the whole path in Preferences, or save the file first.",
        )


class JournalDamaged(FigurineError):
    """The list of jobs on this machine cannot be read."""

    def __init__(self, kept_as: str) -> None:
        super().__init__(
            phrase("The list of jobs on this machine was damaged; it was set aside as {kept_as}.", kept_as=kept_as),
            "Jobs that the server has are still listed, and can be imported from there.",
        )


class OutputUnwritable(FigurineError):
    """The file that the command line is to write cannot be written."""

    def __init__(self, output: Path, why: str) -> None:
        super().__init__(
            phrase("{output} cannot be written: {why}.", output=output, why=phrase(why)), "Give another file with -o."
        )


class InternalFault(FigurineError):
    """A fault of the add-on itself."""

    def __init__(self, error: Exception) -> None:
        super().__init__(
            phrase("The add-on met a fault of its own: {fault}.", fault=type(error).__name__),
            "Jobs on the server go on. Copy the diagnostics and report it.",
            "".join(traceback.format_exception(error)),
        )


class MeshUnusable(FigurineError):
    """The mesh cannot be sent; nothing was changed."""

    def __init__(self, name: str, why: str, then: str) -> None:
        super().__init__(phrase("{name} cannot be used: {why}.", name=name, why=phrase(why)), then)


class ImportFailed(FigurineError):
    """The result could not be brought into the scene; nothing of it was left there."""


class ClipUnusable(FigurineError):
    """A file's animation cannot be put on the rig; nothing was changed."""


def without_login(address: str) -> str:
    """The address without the name and password that it may hold."""
    return re.sub(r"^(\w+://)?.*@", r"\1…@", address, flags=re.DOTALL)


@contextmanager
def typed_file_errors(folder: Path, then: str = "try again") -> Iterator[None]:
    """Turn what a file system says into DiskFull or FolderUnwritable. then: what to do when the folder is in order."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(str(folder), then) from error
        raise FolderUnwritable(str(folder), error.strerror or str(error), then) from error
