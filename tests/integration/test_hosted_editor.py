# SPDX-License-Identifier: GPL-3.0-or-later
"""The hosted editor through the real SDK against a fake of the service; the key is in nothing that comes out.

The last test asks the real service, where GEMINI_API_KEY allows it; it costs some cents.
"""

from __future__ import annotations

import gzip
import logging
import os
import sys
import threading
import time
import tomllib
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from inference_server.core.codec import png_bytes
from inference_server.errors import (
    Cancelled,
    EditorAnswerUnusable,
    EditorNotSetUp,
    EditorRefused,
    EditorUnavailable,
    EngineUnavailable,
    FigurineError,
    InternalError,
)
from inference_server.stages.normalize.edit_prompt import build_prompt
from inference_server.stages.normalize.hosted_editor import HostedEditor
from tests.integration.fake_gemini import (
    KEY,
    MODEL,
    FakeGemini,
    Reply,
    data_reply,
    error_reply,
    fake_gemini,
    json_reply,
    parts_reply,
    picture_reply,
    png,
)

pytest.importorskip("google.genai", reason="needs the extra hosted (google-genai), which is not installed")

from inference_server.stages.normalize import gemini

ROOT = Path(__file__).resolve().parents[2]
# Read before the fixture below takes it from the environment.
LIVE_KEY = os.environ.get("GEMINI_API_KEY", "")
LIVE_MODEL = os.environ.get("FIGURINE_HOSTED_MODEL", MODEL)
PICTURE = png(64, 128)
PROMPT = build_prompt("humanoid", "light grey")


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gemini, "FIRST_DELAY_S", 0.01)
    monkeypatch.setattr(gemini, "LONGEST_DELAY_S", 0.02)
    monkeypatch.setattr(gemini, "JITTER_S", 0.01)
    for name in ("GOOGLE_API_KEY", "GEMINI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def fake() -> Iterator[FakeGemini]:
    with fake_gemini() as server:
        yield server
    for thread in threading.enumerate():
        if thread.name == "hosted-edit":
            thread.join(10)
            assert not thread.is_alive()


@pytest.fixture
def editor(fake: FakeGemini) -> HostedEditor:
    return HostedEditor(MODEL, KEY, fake.url, timeout_s=10)


@pytest.fixture
def everything_said(caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """All that was logged, by anybody at any level, or printed."""
    caplog.set_level(logging.DEBUG)
    return lambda: "\n".join([caplog.text, *capfd.readouterr()])


def never() -> None:
    """The job is not cancelled."""


def failure(editor: HostedEditor) -> FigurineError:
    """What an edit fails with, after a look at all that it could tell of the key."""
    with pytest.raises(FigurineError) as caught:
        editor.edit(PICTURE, PROMPT, never)
    error = caught.value
    shown = "".join(traceback.format_exception(error)) + repr(error) + str(error.to_document())
    seen: BaseException | None = error
    while seen is not None:
        shown += repr(seen) + str(vars(seen))
        seen = seen.__cause__ or seen.__context__
    assert KEY not in shown
    assert error.message.endswith((".", "”"))
    assert error.hint
    return error


def test_an_edit_sends_the_picture_and_brings_another(editor: HostedEditor, fake: FakeGemini) -> None:
    edited = editor.edit(PICTURE, PROMPT, never, aspect_ratio="3:4")
    assert edited.rgb.shape == (512, 512, 3)
    assert edited.rgb.dtype == np.uint8
    assert (edited.rgb == 200).all(), "the thought's picture was taken"
    assert (edited.model, edited.attempts) == (f"{MODEL}-001", 1)
    assert edited.seconds > 0
    [request] = fake.requests
    assert request.path == f"/v1/models/{MODEL}:generateContent"
    assert request.headers["x-goog-api-key"] == KEY
    assert request.picture == PICTURE
    assert request.prompt == PROMPT
    settings = request.body["generationConfig"]
    assert settings["responseModalities"] == ["IMAGE"]
    assert settings["imageConfig"] == {"aspectRatio": "3:4", "imageSize": "1K"}


def test_nothing_but_picture_and_words_leaves_the_machine(editor: HostedEditor, fake: FakeGemini) -> None:
    editor.edit(PICTURE, PROMPT, never)
    [request] = fake.requests
    assert set(request.body) == {"contents", "generationConfig"}
    assert len(request.body["contents"][0]["parts"]) == 2


@pytest.mark.parametrize("variable", ["GOOGLE_GENAI_USE_VERTEXAI", "GOOGLE_GENAI_USE_ENTERPRISE"])
def test_the_environment_of_other_programs_changes_nothing(
    editor: HostedEditor, fake: FakeGemini, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "true")
    monkeypatch.setenv("GOOGLE_GENAI_API_VERSION", "v9")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("GEMINI_API_KEY", "another-key-of-another-program")
    editor.edit(PICTURE, PROMPT, never)
    assert fake.requests[0].path.startswith("/v1/")


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_overload_is_asked_again(editor: HostedEditor, fake: FakeGemini, status: int) -> None:
    fake.replies = [error_reply(status, "busy"), error_reply(status, "busy"), picture_reply()]
    assert editor.edit(PICTURE, PROMPT, never).attempts == 3
    assert len(fake.requests) == 3


@pytest.mark.parametrize(
    ("reply", "expected", "words", "requests"),
    [
        (error_reply(400, "API key not valid."), EditorNotSetUp, "did not accept the key", 1),
        (error_reply(401, "who?"), EditorNotSetUp, "did not accept the key", 1),
        (error_reply(403, "no image models for you"), EditorNotSetUp, "no image models for you", 1),
        (error_reply(400, "aspect ratio is odd"), EditorNotSetUp, "aspect ratio is odd", 1),
        (Reply(302, headers={"Location": "http://127.0.0.1:9/"}), EditorNotSetUp, "302", 1),
        (error_reply(429, "Quota exceeded"), EditorUnavailable, "quota is used up", 3),
        (error_reply(500, "Internal"), EditorUnavailable, "not available (500)", 3),
        (Reply(502, b"<html>Bad gateway</html>"), EditorUnavailable, "not available (502)", 3),
        (error_reply(503, "overloaded"), EditorUnavailable, "overloaded", 3),
        (parts_reply(None, "IMAGE_SAFETY"), EditorRefused, "IMAGE_SAFETY", 1),
        (parts_reply(None, "PROHIBITED_CONTENT"), EditorRefused, "PROHIBITED_CONTENT", 1),
        (parts_reply([{"text": "No."}], "SAFETY"), EditorRefused, "SAFETY", 1),
        (json_reply({"promptFeedback": {"blockReason": "OTHER"}}), EditorRefused, "did not take the picture", 1),
        (parts_reply(None, "NO_IMAGE"), EditorAnswerUnusable, "NO_IMAGE", 1),
        (json_reply({"candidates": []}), EditorAnswerUnusable, "no reason given", 1),
        (json_reply({}), EditorAnswerUnusable, "sent no picture", 1),
        (parts_reply([{"text": "I cannot\ndo that."}]), EditorAnswerUnusable, "“I cannot do that.”", 1),
        (Reply(200, b"<html>a login page</html>"), EditorAnswerUnusable, "no JSON", 1),
        (Reply(200, b""), EditorAnswerUnusable, "", 1),
        (data_reply(b"GIF, believe me"), EditorAnswerUnusable, "not a picture", 1),
        (data_reply(png(64, 1)[:-30]), EditorAnswerUnusable, "damaged", 1),
        (data_reply(png(64, 1)), EditorAnswerUnusable, "only 64 × 64 pixels", 1),
        (data_reply(png(4500, 1)), EditorAnswerUnusable, "4500 × 4500", 1),
        (data_reply(b"<svg/>", "image/svg+xml"), EditorAnswerUnusable, "not a picture", 1),
        (picture_reply(cut_after=0), EditorUnavailable, "broke", 1),
        (picture_reply(cut_after=300), EditorUnavailable, "broke", 1),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_goes_wrong_is_typed_and_said(
    editor: HostedEditor,
    fake: FakeGemini,
    everything_said: Callable[[], str],
    reply: Reply,
    expected: type[FigurineError],
    words: str,
    requests: int,
) -> None:
    fake.replies = [reply]
    error = failure(replace(editor, attempts=3))
    assert type(error) is expected
    assert words in error.message
    assert len(fake.requests) == requests
    assert KEY not in everything_said()


def test_a_missing_model_names_those_that_are_there(editor: HostedEditor, fake: FakeGemini) -> None:
    fake.replies = [error_reply(404, "models/x is not found")]
    error = failure(editor)
    assert type(error) is EditorNotSetUp
    assert MODEL in error.message
    assert error.hint == f"Set hosted_model to one that is there: gemini-9-image, {MODEL}."
    fake.lists_models = False
    assert failure(editor).hint == "Set hosted_model to an image model of the provider."


def test_a_wrong_key_is_said_to_be_wrong(editor: HostedEditor, everything_said: Callable[[], str]) -> None:
    other = "a-key-that-is-not-the-right-one"
    error = failure(replace(editor, key=other))
    assert type(error) is EditorNotSetUp
    assert not error.retryable
    assert other not in everything_said() + str(error)


@pytest.mark.parametrize("status", [400, 403, 404, 429, 500])
def test_a_service_that_repeats_the_key_does_not_spread_it(
    editor: HostedEditor, fake: FakeGemini, everything_said: Callable[[], str], status: int
) -> None:
    fake.replies = [error_reply(status, f"API key {KEY} is bad", [{"reason": KEY}])]
    assert "****" in failure(editor).message
    fake.replies = [parts_reply([{"text": f"Your key is {KEY}."}])]
    assert "****" in failure(editor).message
    assert KEY not in everything_said()


def test_the_wait_that_the_service_asks_for_is_passed_on(editor: HostedEditor, fake: FakeGemini) -> None:
    fake.replies = [error_reply(429, "slow down", [{"@type": "RetryInfo", "retryDelay": "34s"}])]
    error = failure(editor)
    assert "in 34 seconds" in error.hint
    assert error.retryable


@pytest.mark.parametrize("reply", [Reply(hangs=True), picture_reply(drips=True)], ids=["hangs", "drips"])
def test_a_late_answer_is_not_paid_twice(editor: HostedEditor, fake: FakeGemini, reply: Reply) -> None:
    fake.replies = [reply]
    error = failure(replace(editor, timeout_s=0.4))
    assert type(error) is EditorUnavailable
    assert "within 0.4 seconds" in error.message
    assert len(fake.requests) == 1


def test_a_service_that_is_not_there(editor: HostedEditor) -> None:
    error = failure(replace(editor, base_url="http://127.0.0.1:9", attempts=2))
    assert type(error) is EditorUnavailable
    assert "http://127.0.0.1:9 cannot be reached" in error.message


@pytest.mark.parametrize("is_packed", [False, True])
def test_an_oversized_answer_is_not_read_to_its_end(
    editor: HostedEditor, fake: FakeGemini, monkeypatch: pytest.MonkeyPatch, is_packed: bool
) -> None:
    monkeypatch.setattr(gemini, "MAX_ANSWER_BYTES", 1 << 20)
    body = picture_reply().body + b" " * (2 << 20)
    headers = {"Content-Type": "application/json"} | ({"Content-Encoding": "gzip"} if is_packed else {})
    fake.replies = [Reply(body=gzip.compress(body) if is_packed else body, headers=headers)]
    error = failure(editor)
    assert type(error) is EditorAnswerUnusable
    assert "larger than 1 MiB" in error.message
    assert len(fake.requests) == 1


def test_a_packed_answer_is_read(editor: HostedEditor, fake: FakeGemini) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    fake.replies = [Reply(body=gzip.compress(picture_reply().body), headers=headers)]
    assert (editor.edit(PICTURE, PROMPT, never).rgb == 200).all()


def test_a_cancelled_job_does_not_wait_and_asks_no_more(editor: HostedEditor, fake: FakeGemini) -> None:
    fake.replies = [Reply(hangs=True)]
    moment = {"cancelled": 0.0}

    def cancelled() -> None:
        if fake.requests:
            moment["cancelled"] = moment["cancelled"] or time.monotonic()
            raise Cancelled("The job was cancelled.")

    with pytest.raises(Cancelled):
        editor.edit(PICTURE, PROMPT, cancelled)
    assert time.monotonic() - moment["cancelled"] < 1.0
    assert len(fake.requests) == 1


def test_an_abandoned_request_is_not_repeated(
    editor: HostedEditor, fake: FakeGemini, monkeypatch: pytest.MonkeyPatch, everything_said: Callable[[], str]
) -> None:
    monkeypatch.setattr(gemini, "FIRST_DELAY_S", 0.5)
    monkeypatch.setattr(gemini, "LONGEST_DELAY_S", 0.5)
    fake.replies = [error_reply(503, "busy")]

    def cancelled() -> None:
        if fake.requests:
            raise Cancelled("The job was cancelled.")

    with pytest.raises(Cancelled):
        editor.edit(PICTURE, PROMPT, cancelled)
    for thread in threading.enumerate():
        if thread.name == "hosted-edit":
            thread.join(10)
    assert len(fake.requests) == 1
    assert "ERROR" not in everything_said()


@pytest.mark.filterwarnings("ignore:NEW_REASON is not a valid FinishReason")
def test_a_reason_that_the_sdk_does_not_know(editor: HostedEditor, fake: FakeGemini) -> None:
    fake.replies = [parts_reply(None, "NEW_REASON")]
    assert "NEW_REASON" in failure(editor).message


def test_a_fault_of_the_sdk_is_ours_and_logged_without_the_key(
    editor: HostedEditor, monkeypatch: pytest.MonkeyPatch, everything_said: Callable[[], str]
) -> None:
    def fail(*words: Any, **named: Any) -> None:
        raise TypeError(f"unexpected {KEY}")

    monkeypatch.setattr(gemini.genai, "Client", fail)
    error = failure(editor)
    assert type(error) is InternalError
    said = everything_said()
    assert "TypeError" in said
    assert KEY not in said


def test_without_a_key_nothing_is_sent(editor: HostedEditor, fake: FakeGemini) -> None:
    error = failure(replace(editor, key=None))
    assert type(error) is EditorNotSetUp
    assert "gemini_key" in error.hint
    assert fake.requests == []


def test_without_the_package_the_install_line_is_shown(editor: HostedEditor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "inference_server.stages.normalize.gemini")
    monkeypatch.delattr("inference_server.stages.normalize.gemini")
    monkeypatch.setitem(sys.modules, "google.genai", None)
    error = failure(editor)
    assert type(error) is EngineUnavailable
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert f'"{sys.executable}" -m pip install "{extras["hosted"][0]}"' in error.hint


def test_the_key_is_in_no_representation(editor: HostedEditor) -> None:
    question = gemini.Question(PICTURE, PROMPT, "1:1", MODEL, KEY, editor.base_url, 1.0, 1)
    assert KEY not in f"{editor!r}{editor}{question!r}{question}"


@pytest.mark.full
@pytest.mark.skipif(not LIVE_KEY, reason="asks the real service and costs money: set GEMINI_API_KEY to run it")
def test_the_real_service_edits_a_picture(tmp_path: Path) -> None:
    with Image.open(ROOT / "examples" / "adventurer.png") as drawn:
        picture = png_bytes(np.asarray(drawn.convert("RGB")))
    editor = HostedEditor(LIVE_MODEL, LIVE_KEY, "https://generativelanguage.googleapis.com")
    edited = editor.edit(picture, PROMPT, never, aspect_ratio="3:4")
    assert min(edited.rgb.shape[:2]) >= 768
    assert edited.rgb.std() > 10
    (tmp_path / "edited.png").write_bytes(png_bytes(edited.rgb))
