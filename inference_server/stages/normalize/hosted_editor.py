# SPDX-License-Identifier: GPL-3.0-or-later
"""Pose and view by a hosted instruction editor: the only code of Figurine that sends a picture off this machine.

It is asked for by name alone (`hosted_editor` in the configuration and `hosted` in the job), never as a fallback.
docs/normalization.md says what is sent, what it costs and how it fails.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from inference_server.core.images import decode_image
from inference_server.core.types import UInt8
from inference_server.errors import (
    EditorAnswerUnusable,
    EditorNotSetUp,
    EngineUnavailable,
    FigurineError,
    InputError,
)

PACKAGE = "google-genai>=3.4,<4"  # as in the extra "hosted" of pyproject.toml
# Image models take 10 to 60 seconds, and longer when they are busy.
TIMEOUT_S = 180.0
# Requests in all. One that was answered by an error is not billed as a rule; the provider decides.
ATTEMPTS = 4
# 4K square is 16.8 megapixels; nothing larger is sold.
MAX_MEGAPIXELS = 20.0
SMALLEST_SIDE_PX = 256
# How often the waiting job looks whether it was cancelled.
_LOOK_EVERY_S = 0.2


@dataclass(frozen=True)
class EditedImage:
    """rgb: (H, W, 3) uint8, sRGB, of a size that the editor chose. model: as the provider names its version.
    attempts: requests that were sent; each may be billed."""

    rgb: UInt8
    model: str
    seconds: float
    attempts: int


@dataclass(frozen=True)
class HostedEditor:
    """Who edits and where. key: never shown. timeout_s: for each request. attempts: requests at most; overload and
    lost quota are asked again, a late or broken answer is not, because it may have been billed already."""

    model: str
    key: str | None = field(repr=False)
    base_url: str
    timeout_s: float = TIMEOUT_S
    attempts: int = ATTEMPTS

    def edit(
        self, picture: bytes, prompt: str, raise_if_cancelled: Callable[[], None], aspect_ratio: str = "1:1"
    ) -> EditedImage:
        """Send one picture and wait for its edit.

        picture: an RGB PNG without metadata. aspect_ratio: of the answer ("1:1", "3:4").
        A cancelled job returns within a second; its request goes on alone, is not repeated, and may be billed.
        The same picture gives another edit each time: keep what was accepted.
        Raises EngineUnavailable (the package is missing), EditorNotSetUp, EditorUnavailable, EditorRefused,
        EditorAnswerUnusable, and what raise_if_cancelled raises.
        """
        raise_if_cancelled()
        if self.key is None:
            raise EditorNotSetUp(
                "The hosted editor has no key.", "Set gemini_key in the server's config.toml, or FIGURINE_GEMINI_KEY."
            )
        call = _Call(self, self.key, picture, prompt, aspect_ratio)
        started = time.monotonic()
        call.start()
        try:
            while call.is_alive():
                call.join(_LOOK_EVERY_S)
                raise_if_cancelled()
        except BaseException:
            call.is_abandoned.set()
            raise
        if call.error is not None:
            raise call.error
        rgb = _decode(call.content)
        return EditedImage(rgb, call.model, time.monotonic() - started, call.requests)


class _Call(threading.Thread):
    """One request on its own thread, which can be left behind: a socket that waits cannot be interrupted."""

    def __init__(self, editor: HostedEditor, key: str, picture: bytes, prompt: str, aspect_ratio: str) -> None:
        super().__init__(name="hosted-edit", daemon=True)
        self.is_abandoned = threading.Event()
        self.error: FigurineError | None = None
        self.content, self.model, self.requests = b"", "", 0
        self._editor, self._key = editor, key
        self._picture, self._prompt, self._aspect_ratio = picture, prompt, aspect_ratio

    def run(self) -> None:
        """Leaves either an error or the answer."""
        try:
            from inference_server.stages.normalize import gemini
        except ImportError:
            self.error = _missing_package()
        else:
            editor = self._editor
            question = gemini.Question(
                picture=self._picture,
                prompt=self._prompt,
                aspect_ratio=self._aspect_ratio,
                model=editor.model,
                key=self._key,
                base_url=editor.base_url,
                timeout_s=editor.timeout_s,
                attempts=editor.attempts,
            )
            answer = gemini.ask(question, self.is_abandoned)
            if isinstance(answer, FigurineError):
                self.error = answer
            else:
                self.content, self.model, self.requests = answer.content, answer.model, answer.requests


def _missing_package() -> EngineUnavailable:
    return EngineUnavailable(
        f"The hosted editor needs the package {PACKAGE}, which is missing here or of another version.",
        f'Run: "{sys.executable}" -m pip install "{PACKAGE}"',
    )


def _decode(content: bytes) -> UInt8:
    """The picture of an answer: (H, W, 3) uint8. Judged by its header before it is decoded."""
    try:
        rgba = decode_image(content, "It", MAX_MEGAPIXELS).rgba
    except InputError as error:
        raise EditorAnswerUnusable(
            f"The hosted editor's picture cannot be used. {error.message}",
            "Try again, or go on without the hosted editor.",
        ) from error
    if min(rgba.shape[:2]) < SMALLEST_SIDE_PX:
        raise EditorAnswerUnusable(
            f"The hosted editor's picture is only {rgba.shape[1]} × {rgba.shape[0]} pixels.",
            "Try again, or go on without the hosted editor.",
        )
    return rgba[..., :3].copy()
