# SPDX-License-Identifier: GPL-3.0-or-later
"""One edit by a Gemini image model, through google-genai. Imported only when an edit is asked for.

Nothing that is raised here carries what the SDK raised: its exceptions hold the request, and that holds the key.
"""

from __future__ import annotations

import json
import logging
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import httpx2
from google import genai
from google.genai import errors, types

from inference_server.errors import (
    Cancelled,
    EditorAnswerUnusable,
    EditorNotSetUp,
    EditorRefused,
    EditorUnavailable,
    FigurineError,
    InternalError,
)
from inference_server.stages.normalize.gemini_http import Abandoned, AnswerLate, AnswerTooLarge, BoundedClient

# The API has two names; the SDK would take one from the environment.
API_VERSION = "v1"
# A 4K picture is 25 MiB as PNG and a third more as base64.
MAX_ANSWER_BYTES = 64 << 20
IMAGE_SIZE = "1K"  # the smallest that is sold: a subject of 860 to 1000 pixels, more than the models use
RETRIED_STATUSES = [408, 429, 500, 502, 503, 504]
FIRST_DELAY_S, LONGEST_DELAY_S, JITTER_S = 2.0, 30.0, 1.0
LIST_TIMEOUT_S = 20.0
MODELS_READ, MODELS_SHOWN = 1000, 12
LONGEST_QUOTE = 200  # characters of the provider's words in a message
# What a candidate or a prompt ends with where the provider's rules were the reason.
REFUSALS = frozenset(
    {
        "SAFETY",
        "RECITATION",
        "BLOCKLIST",
        "PROHIBITED_CONTENT",
        "SPII",
        "MODEL_ARMOR",
        "JAILBREAK",
        "IMAGE_SAFETY",
        "IMAGE_PROHIBITED_CONTENT",
        "IMAGE_RECITATION",
    }
)
TRY_AGAIN = "Try again, or go on without the hosted editor."
_REFUSED_HINT = "Use another picture, or go on without the hosted editor."
_LATER_HINT = "Try again later, or go on without the hosted editor."

log = logging.getLogger("figurine.hosted")


@dataclass(frozen=True)
class Question:
    """picture: an RGB PNG file. timeout_s: for each request. attempts: requests at most, the first one included."""

    picture: bytes
    prompt: str
    aspect_ratio: str
    model: str
    key: str = field(repr=False)
    base_url: str
    timeout_s: float
    attempts: int


@dataclass(frozen=True)
class Answer:
    """content: bytes of a picture file, unchecked. model: its version, as the provider names it."""

    content: bytes
    model: str
    requests: int


def ask(question: Question, is_abandoned: threading.Event) -> Answer | FigurineError:
    """Send the picture, wait, and return what came of it; errors are returned, not raised, so that they have no chain.

    EditorNotSetUp, EditorUnavailable, EditorRefused, EditorAnswerUnusable, InternalError; Cancelled once abandoned.
    """
    try:
        return _ask(question, is_abandoned)
    except Abandoned:
        return Cancelled("The job was cancelled while the hosted editor worked.")
    except Exception as error:  # whatever else the SDK raises may quote the request
        shown = traceback.format_exc().replace(question.key, "****")
        log.error("The hosted editor's SDK failed: %s", shown)
        return InternalError(
            f"The hosted editor's library failed ({type(error).__name__}).",
            "The log has more. Go on without the hosted editor, and report this.",
        )


def _ask(question: Question, is_abandoned: threading.Event) -> Answer | FigurineError:
    try:
        with BoundedClient(question.key, question.timeout_s, MAX_ANSWER_BYTES, is_abandoned) as http:
            reply = _client(question, http, question.attempts).models.generate_content(
                model=question.model,
                contents=[types.Part.from_bytes(data=question.picture, mime_type="image/png"), question.prompt],
                config=types.GenerateContentConfig(
                    response_modalities=["IMAGE"],
                    image_config=types.ImageConfig(aspect_ratio=question.aspect_ratio, image_size=IMAGE_SIZE),
                    automatic_continuation=False,  # each continuation would be billed
                ),
            )
        return _read(reply, question, http.requests)
    except errors.APIError as error:
        return _of_status(error, question, is_abandoned)
    except AnswerLate:
        return EditorUnavailable(
            f"The hosted editor did not answer within {question.timeout_s:g} seconds; the request may still be billed.",
            _LATER_HINT,
        )
    except AnswerTooLarge:
        return EditorAnswerUnusable(
            f"The hosted editor's answer is larger than {MAX_ANSWER_BYTES >> 20} MiB and was not read.", TRY_AGAIN
        )
    except (httpx2.ConnectError, httpx2.TimeoutException, httpx2.ProxyError):
        return EditorUnavailable(
            f"The hosted editor at {question.base_url} cannot be reached.",
            "Check the network and hosted_url, or go on without the hosted editor.",
        )
    except httpx2.RequestError:
        return EditorUnavailable(
            "The connection to the hosted editor broke before its answer was complete; the request may still be "
            "billed.",
            _LATER_HINT,
        )
    except (errors.UnknownApiResponseError, json.JSONDecodeError):
        return EditorAnswerUnusable("The hosted editor's answer cannot be read: it is no JSON.", TRY_AGAIN)


def _client(question: Question, http: BoundedClient, attempts: int) -> genai.Client:
    retries = types.HttpRetryOptions(
        attempts=attempts,
        initial_delay=FIRST_DELAY_S,
        max_delay=LONGEST_DELAY_S,
        jitter=JITTER_S,
        http_status_codes=RETRIED_STATUSES,
    )
    options = types.HttpOptions(
        base_url=question.base_url,
        api_version=API_VERSION,
        timeout=round(question.timeout_s * 1000),
        retry_options=retries,
        httpx_client=http,
    )
    return genai.Client(enterprise=False, api_key=question.key, http_options=options)


def _read(reply: Any, question: Question, requests: int) -> Answer | FigurineError:
    """The first picture of a reply that is no thought, or why there is none."""
    feedback = reply.prompt_feedback
    if feedback is not None and feedback.block_reason is not None:
        return _refused("did not take the picture", feedback.block_reason.value)
    candidate = reply.candidates[0] if reply.candidates else None
    parts = (candidate.content.parts if candidate and candidate.content else None) or []
    told = [part for part in parts if not part.thought]
    for part in told:
        if part.inline_data is not None and part.inline_data.data:
            model = _quote(reply.model_version or question.model)
            return Answer(part.inline_data.data, model, requests)
    reason = candidate.finish_reason.value if candidate and candidate.finish_reason else "no reason given"
    if reason in REFUSALS:
        return _refused("refused the edit", reason)
    words = " ".join(part.text for part in told if part.text)
    if words:
        return EditorAnswerUnusable(
            f"The hosted editor answered in words instead of a picture: “{_quote(words)}”", TRY_AGAIN
        )
    return EditorAnswerUnusable(f"The hosted editor sent no picture ({_quote(reason)}).", TRY_AGAIN)


def _refused(what: str, reason: str) -> EditorRefused:
    return EditorRefused(f"The hosted editor {what}: its provider's rules forbid it ({reason}).", _REFUSED_HINT)


def _of_status(error: errors.APIError, question: Question, is_abandoned: threading.Event) -> FigurineError:
    said = _quote(str(error.message or error.status or "no reason given"))
    if error.code in (401, 403) or (error.code == 400 and _is_about_key(error)):
        return EditorNotSetUp(
            f"The hosted editor did not accept the key: “{said}”",
            "Check gemini_key in the server's configuration, and that its project may use image models.",
        )
    if error.code == 404:
        return EditorNotSetUp(
            f"The hosted editor has no model {question.model}: “{said}”", _name_models(question, is_abandoned)
        )
    if error.code == 429:
        wait = _find(error.details, "retryDelay")
        when = f"in {wait.removesuffix('s')} seconds" if wait else "later"
        return EditorUnavailable(
            f"The hosted editor's quota is used up: “{said}”", f"Try again {when}, or check the key's plan and quota."
        )
    if error.code == 408 or error.code >= 500:
        return EditorUnavailable(f"The hosted editor is not available ({error.code}): “{said}”", _LATER_HINT)
    return EditorNotSetUp(
        f"The hosted editor rejected the request ({error.code}): “{said}”",
        "Check hosted_model and hosted_url, or go on without the hosted editor.",
    )


def _name_models(question: Question, is_abandoned: threading.Event) -> str:
    """What to do about a model that is not there: the hint."""
    try:
        timeout_s = min(LIST_TIMEOUT_S, question.timeout_s)
        with BoundedClient(question.key, timeout_s, MAX_ANSWER_BYTES, is_abandoned) as http:
            models = _client(question, http, 1).models.list()
            names = sorted({(model.name or "").removeprefix("models/") for model in islice(models, MODELS_READ)})
    except Exception:  # the list is a courtesy; what went wrong with it helps nobody
        names = []
    shown = [_quote(name) for name in names if "image" in name or "banana" in name][:MODELS_SHOWN]
    if not shown:
        return "Set hosted_model to an image model of the provider."
    return f"Set hosted_model to one that is there: {', '.join(shown)}."


def _is_about_key(error: errors.APIError) -> bool:
    reason = _find(error.details, "reason") or ""
    return reason.startswith("API_KEY") or "api key" in str(error.message).lower()


def _find(details: Any, name: str) -> str | None:
    """The first text member of that name anywhere in an error's JSON."""

    def walk(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            if isinstance(value.get(name), str):
                yield value[name]
            for inner in value.values():
                yield from walk(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner)

    return next(walk(details), None)


def _quote(text: str) -> str:
    """The provider's words on one line."""
    line = " ".join(text.split())
    line = "".join(character for character in line if character.isprintable())
    return line if len(line) <= LONGEST_QUOTE else f"{line[:LONGEST_QUOTE]}…"
