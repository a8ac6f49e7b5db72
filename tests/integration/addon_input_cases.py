# SPDX-License-Identifier: GPL-3.0-or-later
"""Where pictures come from, the server's models, and a server elsewhere, in Blender; test_addon_ui.py runs each."""

from __future__ import annotations

import dataclasses
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bpy

from tests.integration.addon_panel_cases import EXAMPLES, URL, _with_layout, all_text, reason, reports, show
from tests.integration.addon_session import Session
from tests.integration.fake_hub import serve_hub
from tests.integration.layout_recorder import Recorder, draw
from tests.integration.project_python import project_python

CONTENT = bytes(range(256)) * 20_000
ID, TITLE = "birefnet-lite", "BiRefNet, lite"


def the_viewport_needs_a_window(session: Session) -> None:
    """In the background there is no viewport; the other pictures of the row are offered."""
    lines = draw("FIGURINE_PT_main").lines
    assert "[Paste]" in lines and "[View] (grey)" in lines
    assert "runs without a window" in reason(bpy.ops.figurine.use_viewport)
    session.preferences.command = "figurine serve"
    session.tick()
    views = session.module("jobs.views")
    job = views.JobView("k1", "waiting", "fox", job_id="a" * 32, number=3, settings={"pause_after": "normalize"})
    show(session, server=views.ServerView("running", URL, "0.1.0", ("draft",), True), jobs=(job,), focus="k1")
    assert bpy.ops.figurine.replace_picture(key="k1", source="VIEWPORT") == {"CANCELLED"}
    assert "The viewport cannot be used" in all_text()


def a_row_has_its_picture_and_its_time(session: Session) -> None:
    """In the list: a job's small picture, how far it is, and how long it still takes."""
    views, previews = session.module("jobs.views"), session.module("previews")
    running = views.ServerView("running", URL, "0.1.0", ("draft",), True)
    session.preferences.command = "figurine serve"
    session.tick()
    job = views.JobView(
        "k1", "running", "fox", job_id="a" * 32, number=3, progress=0.31, eta_s=12.3, thumbnail=EXAMPLES / "fox_kid.png"
    )
    other = dataclasses.replace(job, key="k2", state="done", number=2, eta_s=None, thumbnail=EXAMPLES / "pup.png")
    show(session, server=running, jobs=(job, other), focus="k1")
    pictures = {job.thumbnail: 71, other.thumbnail: 72}  # in the background Blender makes none
    previews.thumbnail_icon = pictures.get
    recorder = draw("FIGURINE_PT_jobs")
    assert "<31 % · 12 s>" in recorder.lines, recorder.lines
    assert [recorder.pictures[name] for name in ("3  fox", "2  fox")] == [71, 72], recorder.pictures
    assert {job.thumbnail, other.thumbnail} <= set(previews.pictures_of(job) + previews.pictures_of(other))


def every_model_has_its_row(session: Session) -> None:
    """What is there, what is missing, what runs, what failed; and why nothing can be downloaded."""
    documents, views = session.module("documents"), session.module("jobs.views")
    words = session.module("errors").ServerWords("DiskFull", "The weights need 9 GB.", "Free some space.", True)
    base = documents.Weights("one", "One", "does it", "MIT", "maker/one", "absent", 7_249_192_406, True, 0, None)
    half = documents.Download("downloading", 1_800_000_000, 7_200_000_000, None)
    cases: dict[str, tuple[dict[str, Any], list[str], list[str]]] = {
        "absent": ({}, ["One", "7.2 GB · MIT. Does it.", "[Download…]"], ["Cancel"]),
        "rough": ({"is_size_exact": False}, ["≈ 7.2 GB"], []),
        "begun": ({"fetched_bytes": 3_100_000_000}, ["[Go On Downloading · 3.1 GB are there]"], ["[Download…]"]),
        "running": ({"download": half}, ["<25 % · 1.8 GB of 7.2 GB>"], ["[Download…]", "[Go On"]),
        "present": (
            {"state": "present"},
            ["1 of 1 are on the server, 7.2 GB; 50.0 GB are free there."],
            ["[Download…]"],
        ),
        "damaged": ({"state": "damaged"}, ["download it anew", "[Download…]"], []),
        "failed": (
            {"download": documents.Download("failed", 0, None, words)},
            [words.message, words.hint, "[Dismiss]", "[Download…]"],
            [],
        ),
    }
    bpy.context.preferences.system.use_online_access = True
    session.preferences.command = "figurine serve"
    session.tick()
    for name, (changes, expected, absent) in cases.items():
        _show_models(session, views.ModelsView((dataclasses.replace(base, **changes),), True, 50_000_000_000))
        text = draw("FIGURINE_PT_models").text
        for sentence in expected:
            assert sentence in text, (name, sentence, text)
        assert not any(sentence in text for sentence in absent), (name, text)
    _who_agrees(session, views.ModelsView((base,), True, 5_000_000_000))
    _why_not(session, views, base)


def _show_models(session: Session, view: Any) -> None:
    show(session, server=session.module("jobs.views").ServerView("running", URL, "0.1.0", ("draft",), True))
    session.now.snapshot = dataclasses.replace(session.now.snapshot, models=view)


def _who_agrees(session: Session, view: Any) -> None:
    """The dialog names size, source and licence; without the licence nothing is asked for."""
    _show_models(session, view)
    asked: list[tuple[str, str]] = []
    session.now.engine.fetch_model = lambda *words: asked.append(words)
    recorder = Recorder()
    session.module("operators.models").draw_terms(recorder, view.models[0], view.free_bytes)
    for sentence in ("Size: 7.2 GB", "Free on the server: 5.0 GB", "too little", "From: maker/one", "Licence: MIT"):
        assert sentence in recorder.text, recorder.text
    with reports() as said:
        assert bpy.ops.figurine.fetch_model(weight_id="one") == {"CANCELLED"}
    assert "has to be agreed to" in said.text and not asked
    with reports() as said:
        assert bpy.ops.figurine.fetch_model(weight_id="two", licence="MIT") == {"CANCELLED"}
    assert "does not list these weights" in said.text
    assert bpy.ops.figurine.fetch_model(weight_id="one", licence="MIT") == {"FINISHED"}
    assert asked == [("one", "MIT")]
    assert "No model is being downloaded" in reason(bpy.ops.figurine.cancel_model)
    del session.now.engine.fetch_model


def _why_not(session: Session, views: Any, model: Any) -> None:
    _show_models(session, views.ModelsView((model,), True, obstacle="The server has no neural engine."))
    assert draw("FIGURINE_PT_models").text.count("The server has no neural engine.") == 1
    assert "no neural engine" in reason(bpy.ops.figurine.fetch_model)
    bpy.context.preferences.system.use_online_access = False
    session.tick()
    _show_models(session, views.ModelsView((model,), True))
    text = draw("FIGURINE_PT_models").text
    assert "Allow Online Access" in text and "[Download…] (grey)" in text
    assert "Allow Online Access" in reason(bpy.ops.figurine.fetch_model)
    error = session.module("errors").Refused(
        session.module("errors").ServerWords("WeightsCorrupt", "The manifest cannot be read.", "Mend it.", False), 503
    )
    _show_models(session, views.ModelsView(error=error))
    assert "The manifest cannot be read. Mend it." in draw("FIGURINE_PT_models").text
    show(session, server=views.ServerView("absent"))
    text = draw("FIGURINE_PT_models").text
    assert "told by the server when it runs" in text and "[Start Server]" in text


def a_model_is_downloaded(session: Session) -> None:
    """With a real server and a hub: Download, Cancel, Download again, and the panel says that it is there."""
    bpy.context.preferences.system.use_online_access = True
    with serve_hub(CONTENT) as hub:
        os.environ |= {"HF_ENDPOINT": hub.url, "HF_HUB_DISABLE_XET": "1", "NO_PROXY": "127.0.0.1"}
        os.environ["HF_HOME"] = str(session.folder / "hf")
        session.use_own_server()
        bpy.ops.figurine.start_server()
        session.tick_until(lambda: session.now.snapshot.models.is_known)
        hub.stall_after = 3_000_000
        assert bpy.ops.figurine.fetch_model(weight_id=ID, licence="MIT") == {"FINISHED"}
        session.tick_until(lambda: _model(session).fetched_bytes > 0)
        assert " of 5 MB>" in draw("FIGURINE_PT_models").text
        assert bpy.ops.figurine.cancel_model(weight_id=ID) == {"FINISHED"}
        session.tick_until(lambda: _model(session).download is None)
        assert "[Go On Downloading" in draw("FIGURINE_PT_models").text
        hub.stall_after = None
        assert bpy.ops.figurine.fetch_model(weight_id=ID, licence="MIT") == {"FINISHED"}
        session.tick_until(lambda: _model(session).state == "present")
        session.tick_until(lambda: any(TITLE in message.text for message in session.now.messages))
        assert f"{TITLE} is on the server." in all_text()
        weights = Path(os.environ["FIGURINE_HOME"]) / "weights" / ID / "model.safetensors"
        assert weights.read_bytes() == CONTENT
        session.stop_server()


def _model(session: Session) -> Any:
    return next(model for model in session.now.snapshot.models.models if model.id == ID)


def a_server_elsewhere_is_tested(session: Session) -> None:
    """Preferences: the warning where the token travels openly, and what Test Connection finds, with a real server."""
    chosen = session.preferences
    chosen.mode = "address"
    chosen.token = "t" * 32
    chosen.address = "http://192.168.1.5:47110"
    assert "is not encrypted" in _preferences(session) and "[Test Connection]" in _preferences(session)
    _test_connection(session)
    assert "Allow Online Access is off. Nothing was sent." in _preferences(session)
    chosen.address = "https://figures.example.org"
    text = _preferences(session)
    assert "is not encrypted" not in text and "Nothing was sent" not in text, "that was another address"
    with _server_elsewhere() as (url, token, version):
        chosen.address, chosen.token = url, token
        _test_connection(session)
        assert f"The server is version {version}, and this add-on is version 0.1.0." in _preferences(session)
        session.now.version = version
        chosen.token = "u" * 32
        assert "is version" not in _preferences(session), "that was another token"
        _test_connection(session)
        assert "does not accept the token" in _preferences(session)
        chosen.token = token
        _test_connection(session)
        text = _preferences(session)
        assert f"Reachable: version {version}, draft + neural, its worker runs." in text
        assert token not in text and "u" * 32 not in text
    assert chosen.bl_rna.properties["token"].subtype == "PASSWORD"


@contextmanager
def _server_elsewhere() -> Iterator[list[str]]:
    """A real server's address, token and version."""
    command = [project_python(), "-m", "tests.unit.addon.servers", os.environ["FIGURINE_HOME"]]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=EXAMPLES.parent, text=True, **pipes) as process:
        yield process.stdout.readline().split()


def _test_connection(session: Session) -> None:
    assert bpy.ops.figurine.test_connection() == {"FINISHED"}
    session.tick_until(lambda: not session.now.connection_test.is_running)


def _preferences(session: Session) -> str:
    recorder = Recorder()
    type(session.preferences).draw(_with_layout(session.preferences, recorder), bpy.context)
    return recorder.text
