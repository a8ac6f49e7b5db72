# SPDX-License-Identifier: GPL-3.0-or-later
"""What the panel says in each state, asserted inside Blender; test_addon_ui.py runs each function."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy

from tests.integration.addon_session import Session
from tests.integration.layout_recorder import PANELS, Recorder, draw

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
URL = "http://127.0.0.1:47110"


def every_state_has_its_sentence(session: Session) -> None:
    """Draw everything in every state of the server."""
    errors, views = session.module("errors"), session.module("jobs.views")
    states = {
        "not_running": (views.ServerView("absent", error=errors.ServerNotRunning()), "Server Stopped"),
        "gone": (views.ServerView("unreachable", URL, error=errors.ServerGone(URL)), "Server Not Reached"),
        "other": (views.ServerView("unreachable", URL, error=errors.NotFigurine(URL)), "Server Not Reached"),
        "version": (
            views.ServerView("wrong_version", URL, "9.1.0", error=errors.WrongVersion("9.1.0", "0.1.0")),
            "Server of Another Version",
        ),
        "token": (views.ServerView("bad_token", URL, error=errors.BadToken(URL)), "Token Refused"),
        "offline": (views.ServerView("offline", URL, error=errors.OnlineAccessOff(URL)), "Online Access Is Off"),
    }
    _not_installed(session)
    session.preferences.command = "figurine serve"
    session.tick()
    session.request.picture = str(EXAMPLES / "adventurer.png")
    for name, (view, title) in states.items():
        show(session, server=view)
        text = all_text()
        assert title in text, (name, text)
        if name != "not_running":
            assert view.error.message in text and view.error.hint in text, (name, text)
        assert ("[Generate] (grey)" in text) == (name in ("version", "token", "offline")), (name, text)
        assert text.count(view.error.message) <= 1, (name, text)
    show(session, server=views.ServerView("running", URL, "0.1.0", ("draft",), True))
    assert draw("FIGURINE_PT_main").lines[:3] == ["Server Running", "[Stop]", "0.1.0 · draft"]
    text = all_text()
    assert "[Generate]" in text and "[Generate] (grey)" not in text
    assert "[Start Server] (grey)" in text  # in the menu


def _not_installed(session: Session) -> None:
    show(session, server=session.module("jobs.views").ServerView())
    text = all_text()
    assert "1 Install the Server" in text and "2 Choose a Picture" in text and "3 Generate" in text
    assert "[Install Server] (grey)" in text and "Allow Online Access is off" in text
    assert "[Generate] (grey)" in text
    assert "download" in reason(bpy.ops.figurine.install_server)
    assert "Install the server first" in reason(bpy.ops.figurine.generate)
    assert "not installed" in reason(bpy.ops.figurine.start_server)
    assert "does not run" in reason(bpy.ops.figurine.stop_server)


def every_job_has_its_rows(session: Session) -> None:
    """Draw a job in every state, with stages, warnings, errors and what can be done."""
    errors, views, documents = session.module("errors"), session.module("jobs.views"), session.module("documents")
    words = errors.ServerWords("NoSubject", "Nothing stands out from the background.", "Cut it out first.", False)
    cut_out = documents.StageResult("normalize", "draft", 1.4, False, "The neural engine has no weights here.")
    running = views.ServerView("running", URL, "0.1.0", ("draft",), True)
    session.preferences.command = "figurine serve"
    session.tick()
    base = views.JobView("k1", "running", "fox", job_id="a" * 32, number=3, stages=(cut_out,))
    cases: dict[str, tuple[dict[str, Any], list[str]]] = {
        "sending": ({"stages": ()}, ["fox: sending", "<Sending the picture>", "[Cancel]"]),
        "queued": ({"stages": ()}, ["<Waiting for its turn>"]),
        "running": (
            {"stage": "geometry", "engine": "draft", "stage_progress": 0.5, "progress": 0.31, "eta_s": 12.3},
            ["<31 % · 12 s left>", "Cut Out draft · 1 s", "The neural engine has no weights here.", "Shape <draft>"],
        ),
        "waiting": ({}, ["[Continue]", "waits for you", "[Cancel]"]),
        "fetching": ({"stage_progress": 0.5}, ["<Fetching the result · 50 %>"]),
        "done": ({"warnings": ("The legs touch.",)}, ["The legs touch.", "[Import]", "[Rerun…]"]),
        "failed": ({"error": errors.JobFailed(words)}, [words.message, words.hint, "[Retry]", "[Copy Diagnostics]"]),
        "cancelled": ({}, ["fox: cancelled", "[Retry]"]),
        "lost": ({"error": errors.JobLost.forgotten("fox")}, ["does not have the job fox any more", "[Retry]"]),
    }
    for state, (changes, expected) in cases.items():
        job = dataclasses.replace(base, state=state, **changes)
        show(session, server=running, jobs=(job,), focus="k1")
        text = all_text()
        for sentence in expected:
            assert sentence in text, (state, sentence, text)
        assert not job.error or text.count(job.error.message) == 1, text
    several = dataclasses.replace(base, state="waiting", settings={"seed": 4, "candidates": 3})
    show(session, server=running, jobs=(several,), focus="k1")
    text = all_text()
    assert "Choose the shape" in text and "[1]" in text and "[3]" in text and "[4]" not in text
    show(session, server=running, jobs=(dataclasses.replace(base, state="done", is_imported=True),), focus=None)
    text = all_text()
    assert "[Import Again]" in text and "Imported" in text and "fox: done" not in text
    assert "files of this job are not on this computer" in reason(bpy.ops.figurine.open_folder)
    assert "did not fail" in reason(bpy.ops.figurine.retry_job)
    assert "nothing to cancel" in reason(bpy.ops.figurine.cancel)


def a_picture_that_leaves_is_said(session: Session) -> None:
    """The hosted editor tells that the picture leaves, and waits for Online Access; the others need neither."""
    running = session.module("jobs.views").ServerView("running", URL, "0.1.0", ("draft",), True)
    session.preferences.command = "figurine serve"
    session.tick()
    session.request.picture = str(EXAMPLES / "adventurer.png")
    show(session, server=running)
    for pose_edit in ("auto", "off", "local"):
        session.request.pose_edit = pose_edit
        text = all_text()
        assert "leaves this computer" not in text and "[Generate] (grey)" not in text, (pose_edit, text)
    session.request.pose_edit = "hosted"
    text = all_text()
    assert "The picture leaves this computer: the server sends it to an image service." in text
    assert "Each edit may cost money." in text
    assert "[Generate] (grey)" in text and not bpy.app.online_access
    assert "Allow Online Access" in reason(bpy.ops.figurine.generate)
    assert "The picture would be sent to a service" in text
    bpy.context.preferences.system.use_online_access = True
    session.tick()
    text = all_text()
    assert "[Generate]" in text and "[Generate] (grey)" not in text and "leaves this computer" in text
    settings = session.module("operators.generate").request_of(session.request).settings
    assert (settings["editor"], settings["normalize_steps"]) == ("hosted", {"pose": "on"})


def messages_are_shown_until_dismissed(session: Session) -> None:
    """Errors and offers, with what can be done about them."""
    errors = session.module("errors")
    session.now.complain(errors.DiskFull("/there"))
    session.now.complain(errors.DiskFull("/there"))
    session.now.complain(errors.PictureUnreadable("fox.png", "it is a text file"))
    text = all_text()
    assert text.count("No space is left on this machine, in /there.") == 1
    assert "fox.png cannot be used: it is a text file. Choose another picture." in text
    assert text.count("[Copy Diagnostics]") >= 2 and text.count("[Dismiss]") == 2
    for message in list(session.now.messages):
        bpy.ops.figurine.dismiss(number=message.number)
    assert "No space" not in all_text()


def voxels_are_offered(session: Session) -> None:
    """The button says what it would voxelize, or why it cannot."""
    bpy.ops.wm.read_homefile(app_template="", use_empty=True)
    assert draw("FIGURINE_PT_voxels").lines[-3:] == [
        "[Voxelize] (grey)",
        "[Voxelize] (grey)",
        "[Export Voxels (.vox)…] (grey)",
    ]
    assert "Select a mesh: it becomes the active object." in draw("FIGURINE_PT_voxels").text
    bpy.ops.mesh.primitive_cube_add()
    bpy.context.object.name = "Body"
    bpy.ops.mesh.primitive_cube_add()
    bpy.context.object.name = "Hat"
    assert draw("FIGURINE_PT_voxels").lines == ["Hat", "[Voxelize]", "[Voxelize]", "[Export Voxels (.vox)…]"]
    bpy.data.objects["Body"].select_set(True)
    assert draw("FIGURINE_PT_voxels").lines[0] == "Hat and 1 more"
    assert bpy.ops.figurine.voxelize(size=4) == {"FINISHED"}
    assert draw("FIGURINE_PT_voxels").lines[0] == "Hat Voxels"


def pictures_from_blender(session: Session) -> None:
    """An image that was painted here is sent as it is; a path from the clipboard is taken; so is a dropped file."""
    import numpy as np

    image = bpy.data.images.new("Painted", 4, 2, alpha=True)
    pixels = np.zeros((2, 4, 4), dtype=np.float32)
    pixels[1, 0] = 1.0, 0.5, 0.25, 1.0  # rows go upward: this is the upper left
    image.pixels.foreach_set(pixels.ravel())
    assert bpy.ops.figurine.use_image(image="Painted") == {"FINISHED"}
    request = session.module("operators.generate").request_of(session.request)
    assert request.picture.name == "Painted.png" and request.settings["name"] == "Painted"
    loaded = bpy.data.images.load(str(request.picture))
    read = np.empty(32, dtype=np.float32)
    loaded.pixels.foreach_get(read)
    assert np.abs(read.reshape(2, 4, 4)[1, 0] - pixels[1, 0]).max() < 0.01
    assert "figurine" not in bpy.data.images  # no copy stays
    dropped = EXAMPLES / "fox_kid.png"
    bpy.ops.figurine.drop_picture(filepath=str(dropped))
    assert (session.request.image, Path(session.request.picture)) == (None, dropped)
    with reports() as said:
        assert bpy.ops.figurine.drop_picture(filepath=str(EXAMPLES / "README.md")) == {"CANCELLED"}
    assert "README.md is no picture. PNG, JPEG, WebP, AVIF and GIF can be used." in said.text
    assert Path(session.request.picture) == dropped
    session.request.picture = str(EXAMPLES / "gone.png")
    session.preferences.command = "figurine serve"
    session.tick()
    assert bpy.ops.figurine.generate() == {"CANCELLED"}
    assert "gone.png cannot be used: there is no such file" in all_text()


def pictures_of_other_formats(session: Session) -> None:
    """An image on disk that the server does not read is sent as a PNG; one that it reads, as it is."""
    for name, format_ in (("there.tga", "TARGA"), ("there.bmp", "BMP"), ("there.jpg", "JPEG")):
        path = session.folder / name
        made = bpy.data.images.new("made", 8, 8)
        made.filepath_raw, made.file_format = str(path), format_
        made.save()
        bpy.data.images.remove(made)
        session.request.image = bpy.data.images.load(str(path))
        picture = session.module("operators.generate").request_of(session.request).picture
        if format_ == "JPEG":
            assert picture == path
        else:
            assert picture.suffix == ".png" and picture.read_bytes()[:4] == b"\x89PNG"


def the_preview_is_of_the_file_as_it_is(session: Session) -> None:
    """A picture that is written anew and chosen once more is read once more."""
    previews = session.module("previews")
    path, other = session.folder / "picture.png", str(EXAMPLES / "fox_kid.png")

    def shown(side: int) -> tuple[int, ...]:
        image = bpy.data.images.new("drawn", side, side // 2)
        image.filepath_raw, image.file_format = str(path), "PNG"
        image.save()
        bpy.data.images.remove(image)
        os.utime(path, (side, side))  # by which Blender knows a file of the same second
        assert previews.show_picture(str(path))
        sides = tuple(previews._collection[f"picture:{path}"].image_size)
        assert previews.show_picture(other)
        return sides

    before = shown(16)
    assert min(before) > 0
    assert shown(64) != before


def lengths_are_metres(session: Session) -> None:
    """The height is typed in the scene's unit and sent in metres."""
    request_of = session.module("operators.generate").request_of
    session.request.picture = str(EXAMPLES / "fox_kid.png")
    for system, scale, height in (("METRIC", 1.0, 1.7), ("METRIC", 0.01, 170.0), ("METRIC", 0.001, 1700.0)):
        units = bpy.context.scene.unit_settings
        units.system, units.scale_length = system, scale
        session.request.height = height
        assert request_of(session.request).settings["height_m"] == 1.7, (system, scale)
    units.system, session.request.height = "NONE", 1.7
    assert request_of(session.request).settings["height_m"] == 1.7


def a_drop_cannot_be_repeated(session: Session) -> None:
    """Blender's redo panel does an operator once more: a job would be sent twice."""
    session.preferences.mode = "address"
    session.tick()
    path = str(EXAMPLES / "fox_kid.png")
    assert bpy.ops.figurine.drop_picture("EXEC_DEFAULT", True, filepath=path, generate=True) == {"FINISHED"}
    assert len(session.now.engine.snapshot.jobs) == 1
    assert "REGISTER" not in bpy.types.FIGURINE_OT_drop_picture.bl_options  # what the redo panel asks for
    assert bpy.ops.figurine.drop_picture.get_rna_type().properties["generate"].is_hidden


def where_results_come_by_themselves(session: Session) -> None:
    """Into the file and the scene where they were asked for; otherwise it is said why not."""
    importing, mark = session.module("importing"), session.module("runtime").FileMark
    here = mark(2, "/a.blend", "Scene")
    assert importing.reason_to_offer(mark(1, "/a.blend", "Scene"), here) == ""
    assert "another Blender file" in importing.reason_to_offer(mark(1, "", "Scene"), here)
    assert "the scene Second" in importing.reason_to_offer(mark(2, "/a.blend", "Second"), here)
    assert "an earlier session" in importing.reason_to_offer(None, here)


def the_log_is_looked_for_when_it_is_asked_for(session: Session) -> None:
    """Drawing the button asks no disk; pressing it without a log says why nothing opens."""
    assert bpy.ops.figurine.open_log.poll()
    with reports() as said:
        assert bpy.ops.figurine.open_log() == {"CANCELLED"}
    assert "The server was never started from this Blender." in said.text


def nothing_secret_is_copied(session: Session) -> None:
    """Diagnostics name what matters, and never the token."""
    secret = "s3cret-" * 5
    session.preferences.mode = "address"
    session.preferences.token = secret
    session.preferences.address = "127.0.0.1:1"
    session.tick()
    errors = session.module("errors")
    session.now.complain(errors.FigurineError("It broke.", "Mend it.", f"details with {secret}"))
    session.now.paths.log.write_text(f"a line of the log {secret}\n")
    text = session.module("diagnostics").diagnostics(session.now, bpy.app.version_string)
    assert secret not in text and str(Path.home()) not in text
    for word in ("Figurine 0.1.0", bpy.app.version_string, "It broke.", "details with (token)", "a line of the log"):
        assert word in text, text


def preferences_are_drawn(session: Session) -> None:
    """Both kinds of connection, and what Online Access is for."""
    recorder = Recorder()
    chosen = session.preferences
    chosen.mode = "managed"
    type(chosen).draw(_with_layout(chosen, recorder), bpy.context)
    assert "{Server Command}" in recorder.text and "Allow Online Access is off" in recorder.text
    recorder = Recorder()
    chosen.mode = "address"
    type(chosen).draw(_with_layout(chosen, recorder), bpy.context)
    assert "{Token}" in recorder.text and "{Server Command}" not in recorder.text


def folders_stay_where_they_are(session: Session) -> None:
    """What is entered in Preferences is a whole path from then on, whatever file is open."""
    chosen, now = session.preferences, session.now
    chosen.home = "~/figurine data"
    assert chosen.home == str(Path.home() / "figurine data")
    chosen.install_folder = "//server"
    assert chosen.install_folder == ""
    assert [message.text for message in now.messages] == [
        "“//server” lies beside the open Blender file, which was never saved: it was not taken."
    ]
    (session.folder / "project").mkdir()
    bpy.ops.wm.save_as_mainfile(filepath=str(session.folder / "project/scene.blend"))
    chosen.home = "//data"
    chosen.install_folder = "//server"
    bpy.ops.wm.read_homefile()
    session.tick()
    assert now.choices.connection.home == session.folder / "project/data"
    assert now.choices.install_folder == session.folder / "project/server"
    chosen.home = ""
    session.tick()
    assert now.choices.connection.home == session.module("connection").default_home()


def what_waits_says_for_what(session: Session) -> None:
    """A request while the server starts: no bar that says it is being sent, and no advice to start the server."""
    errors, views = session.module("errors"), session.module("jobs.views")
    session.preferences.command = "figurine serve"
    session.tick()
    away = views.ServerView("absent", error=errors.ServerNotRunning())
    job = views.JobView("k1", "sending", "fox", error=errors.ServerNotRunning())
    show(session, server=away, jobs=(job,), focus="k1")
    text = all_text()
    assert "<Waits for the server>" in text and "[Cancel]" in text, text
    assert "Sending the picture" not in text and "Click Start Server." not in text, text


def _with_layout(chosen: Any, recorder: Recorder) -> Any:
    names = [item.identifier for item in chosen.bl_rna.properties if item.identifier not in ("rna_type", "bl_idname")]
    return SimpleNamespace(layout=recorder, bl_rna=chosen.bl_rna, **{name: getattr(chosen, name) for name in names})


def show(session: Session, *, server: Any, jobs: tuple[Any, ...] = (), focus: str | None = None) -> None:
    """Put a snapshot before the panel, as if the engine had sent it."""
    session.now.snapshot = session.module("jobs.views").Snapshot(server, jobs)
    session.now.focus = focus
    session.module("mirror").mirror_jobs(bpy.context.window_manager.figurine, session.now)


def all_text() -> str:
    """What all panels show, folded ones open."""
    for kind in PANELS:
        draw(kind, open_panels=False)
    return " ".join(draw(kind).text for kind in PANELS)


@contextlib.contextmanager
def reports() -> Iterator[SimpleNamespace]:
    """What operators that Python calls report, which Blender prints."""
    said = SimpleNamespace(text="")
    sys.stdout.flush()
    kept = os.dup(1)
    with tempfile.TemporaryFile() as printed:
        os.dup2(printed.fileno(), 1)
        try:
            yield said
        finally:
            sys.stdout.flush()
            os.dup2(kept, 1)
            os.close(kept)
        printed.seek(0)
        said.text = printed.read().decode()


def reason(operator: Any) -> str:
    """What the tooltip of the grey button says."""
    assert not operator.poll()
    try:
        operator()
    except RuntimeError as error:
        return str(error)
    raise AssertionError("It could be pressed.")
