# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that waits for the artist, in Blender: its picture before and after, and what can be done; test_addon_ui.py
runs each function.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import bpy
import numpy as np

from tests.integration.addon_cases import armatures
from tests.integration.addon_panel_cases import URL, all_text, reason, reports, show
from tests.integration.addon_session import MODULE, Session
from tests.integration.layout_recorder import draw

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FOX, PUP = EXAMPLES / "fox_kid.png", EXAMPLES / "pup.png"


def what_is_judged_is_shown(session: Session) -> None:
    """Two pictures beside each other, findings with their severity, the steps, and the ways on; each sentence once."""
    job = _waiting_job(session)
    text = all_text()
    assert "Before [Open Picture] (picture) After [Open Picture] (picture)" in text
    assert "It is blurred." in text and "Background: alpha of the picture" in text
    assert text.count("It is blurred.") == 1, "as a finding, not as a warning too"
    assert "It is estimated." in text
    assert text.index("[Approve]") < text.index("[Change…]") < text.index("[Other Picture]")
    assert draw("FIGURINE_PT_main").lines.count("[Open Picture]") == 2
    icons = draw("FIGURINE_PT_main").icons
    assert (icons["It is blurred."], icons["It leans."]) == ("ERROR", "INFO")
    clean = dataclasses.replace(job, review=dataclasses.replace(job.review, diagnoses=()))
    _show_job(session, clean)
    assert "Nothing was found in it that would harm the model." in all_text()
    _show_job(session, dataclasses.replace(job, review=None))
    text = all_text()
    assert "The pictures are on their way." in text and "[Approve]" in text and "(picture)" not in text
    _show_job(session, dataclasses.replace(job, review=None, settings={"pause_after": "geometry"}))
    text = all_text()
    assert "[Continue]" in text and "[Approve]" not in text and "on their way" not in text
    assert "has pictures to judge" in reason(bpy.ops.figurine.open_picture)
    _several_wait(session, job)
    _one_failed(session, job)


def _several_wait(session: Session, job: Any) -> None:
    """The second of them is judged where it is highlighted in the list."""
    second = dataclasses.replace(job, key="k2", name="pup", number=4, created_s=9.0)
    views = session.module("jobs.views")
    show(session, server=views.ServerView("running", URL, "0.1.0", ("draft",), True), jobs=(second, job), focus="k1")
    text = draw("FIGURINE_PT_main").text
    assert "fox: waiting" in text and "1 more for you to look at; see Jobs below." in text
    bpy.context.window_manager.figurine.active = 0
    assert draw("FIGURINE_PT_jobs").text.count("(picture)") == 2
    bpy.context.window_manager.figurine.active = 1
    assert "(picture)" not in draw("FIGURINE_PT_jobs").text, "it is shown at large already"


def _one_failed(session: Session, job: Any) -> None:
    errors = session.module("errors")
    words = errors.ServerWords("NoSubject", "No subject was found in the picture.", "Use another.", False)
    failed = dataclasses.replace(job, state="failed", review=None, error=errors.JobFailed(words))
    _show_job(session, failed)
    text = draw("FIGURINE_PT_main").text
    assert "[Retry]" in text and "[Other Picture]" in text and "[Approve]" not in text
    assert "waits for you" in reason(bpy.ops.figurine.change_job)
    _show_job(session, dataclasses.replace(failed, state="done", error=None))
    assert "takes another picture" in reason(bpy.ops.figurine.replace_picture)


def _waiting_job(session: Session) -> Any:
    """Before the panel: a job that waits after its cut-out."""
    review, views = session.module("jobs.review"), session.module("jobs.views")
    found = (review.Diagnosis(0.8, "It is blurred."), review.Diagnosis(0.2, "It leans."))
    judged = review.Review(FOX, PUP, ("background: alpha of the picture", "framing: centred and squared"), found)
    job = views.JobView("k1", "waiting", "fox", job_id="a" * 32, number=3, review=judged)
    warnings = ("It is blurred.", "It is estimated.")
    job = dataclasses.replace(job, settings={"pause_after": "normalize"}, warnings=warnings)
    session.preferences.command = "figurine serve"
    session.tick()
    _show_job(session, job)
    return job


def _show_job(session: Session, job: Any) -> None:
    views = session.module("jobs.views")
    show(session, server=views.ServerView("running", URL, "0.1.0", ("draft",), True), jobs=(job,), focus=job.key)
    paths = session.module("previews").pictures_of(job)
    session.module("previews").show_thumbnails(paths)


def every_source_of_another_picture(session: Session) -> None:
    """What each source hands over, under which name, and what is said where there is none."""
    _waiting_job(session)
    asked: list[tuple[Path, Any]] = []
    session.now.engine.replace_picture = lambda key, picture, settings, mask: asked.append((picture, settings))
    replace = bpy.ops.figurine.replace_picture
    assert replace(key="k1", source="FILE", filepath=str(PUP)) == {"FINISHED"}
    assert asked.pop() == (PUP, {"name": "pup"})
    session.request.picture = str(FOX)
    assert replace(key="k1", source="REQUEST") == {"FINISHED"}
    assert asked.pop() == (FOX, {"name": "fox_kid"})
    session.request.name = "Kit"
    assert replace(key="k1", source="REQUEST") == {"FINISHED"}
    assert asked.pop() == (FOX, {}), "the artist has named it"
    painted = bpy.data.images.new("Painted", 4, 4)
    painted.pixels.foreach_set(np.ones(64, np.float32))
    assert replace(key="k1", source="IMAGE", image="Painted") == {"FINISHED"}
    assert asked.pop()[0].name == "Painted.png"
    bpy.context.window_manager.clipboard = str(PUP)
    if bpy.context.window_manager.clipboard:  # without a window some Blenders have none
        assert replace(key="k1", source="CLIPBOARD") == {"FINISHED"}
        assert asked.pop()[0] == PUP
    for words, given in (
        ("there is no such file", {"source": "FILE", "filepath": str(EXAMPLES / "gone.png")}),
        ("nothing was rendered yet", {"source": "RENDER"}),
    ):
        assert replace(key="k1", **given) == {"CANCELLED"}
        assert words in all_text()
    session.request.picture = ""
    assert replace(key="k1", source="REQUEST") == {"CANCELLED"}
    assert "none is chosen there" in all_text()
    assert not asked
    del session.now.engine.replace_picture


def before_and_after_and_approve(session: Session) -> None:
    """A job waits with its pictures; approved, it becomes a character in the file in which that was done."""
    session.use_own_server()
    session.generate(FOX, engine="draft", pause_after="normalize", texture_px="1024")
    key = _wait_for_review(session)
    review = session.job().review
    assert review.before != review.after and review.steps
    session.tick()
    assert {review.before, review.after} <= _held(session)
    text = draw("FIGURINE_PT_main").text
    assert text.count("(picture)") >= 2 and "[Approve]" in text and "Cut Out draft" in text
    assert not armatures()
    assert bpy.ops.figurine.resume_job(key=key) == {"FINISHED"}
    session.tick_until(lambda: len(armatures()) == 1)
    assert session.job().review is None
    session.tick()
    assert not {review.before, review.after} & _held(session), "pictures that are not shown are not held"
    session.stop_server()


def changed_and_looked_at_again(session: Session) -> None:
    """A change is done and waits again; one that changes nothing leaves the job alone."""
    session.use_own_server()
    session.generate(PUP, engine="draft", pause_after="normalize", import_when_done=False)
    key = _wait_for_review(session)
    with reports() as said:
        assert bpy.ops.figurine.change_job(key=key, kind="auto") == {"CANCELLED"}
    assert "Nothing was changed" in said.text
    assert bpy.ops.figurine.change_job(key=key, kind="none", height=0.5) == {"FINISHED"}
    session.tick_until(lambda: session.job().settings.get("kind") == "none" and session.job().review is not None)
    settings = session.job().settings
    assert (settings["height_m"], settings["pause_after"], settings["engine"]) == (0.5, "normalize", "draft")
    assert session.job().state == "waiting" and [stage.stage for stage in session.job().stages] == ["normalize"]
    with reports() as said:
        assert bpy.ops.figurine.change_job(key=key, editor="hosted") == {"CANCELLED"}
    assert "Allow Online Access is off" in said.text
    assert bpy.ops.figurine.cancel(key=key) == {"FINISHED"}
    session.tick_until(lambda: session.job().state == "cancelled", 10)
    assert "(picture)" not in draw("FIGURINE_PT_main", open_panels=False).text.partition("cancelled")[2]
    session.stop_server()


def another_picture_is_looked_at_too(session: Session) -> None:
    """Another picture starts the same job again, and waits like the first; one without a subject can be replaced."""
    session.use_own_server()
    session.generate(FOX, engine="draft", pause_after="normalize", kind="none", texture_px="1024")
    key = _wait_for_review(session)
    first, number = session.job().review, session.job().number
    assert bpy.ops.figurine.replace_picture(key=key, source="FILE", filepath=str(PUP)) == {"FINISHED"}
    session.tick_until(lambda: session.job().review not in (None, first))
    job = session.job()
    assert (job.number, job.name, job.state, job.settings["kind"]) == (number, "pup", "waiting", "none")
    blank = bpy.data.images.new("blank", 64, 64)
    blank.generated_color = (1, 1, 1, 1)
    blank.filepath_raw, blank.file_format = str(session.folder / "blank.png"), "PNG"
    blank.save()
    assert bpy.ops.figurine.replace_picture(key=key, source="FILE", filepath=blank.filepath_raw) == {"FINISHED"}
    session.tick_until(lambda: session.job().state == "failed")
    assert "[Other Picture]" in draw("FIGURINE_PT_main").text
    assert bpy.ops.figurine.replace_picture(key=key, source="FILE", filepath=str(PUP)) == {"FINISHED"}
    _wait_for_review(session)
    assert not session.now.messages, "what was said of the failure is over"
    bpy.ops.figurine.resume_job(key=key)
    session.tick_until(lambda: len(armatures()) == 1)
    assert armatures()[0].name.startswith("pup")
    session.stop_server()


def another_file_is_open_meanwhile(session: Session) -> None:
    """A job waits on through undo and other files; what is approved in one comes into that one."""
    session.use_own_server()
    bpy.ops.ed.undo_push(message="Start")
    session.generate(FOX, engine="draft", pause_after="normalize", kind="none", texture_px="1024")
    key = _wait_for_review(session)
    review = session.job().review
    bpy.ops.mesh.primitive_cube_add()
    bpy.ops.ed.undo_push(message="A cube")
    bpy.ops.ed.undo()
    bpy.ops.wm.read_homefile()
    session.tick()
    assert (session.job().state, session.job().review) == ("waiting", review)
    assert draw("FIGURINE_PT_main").text.count("(picture)") >= 2
    bpy.ops.figurine.resume_job(key=key)
    session.tick_until(lambda: len(armatures()) == 1)
    assert not any(message.offers_import for message in session.now.messages)
    session.stop_server()


def several_pictures_become_a_queue(session: Session) -> None:
    """Several files that are dropped at once are sent at once, one job each; what is no picture is counted."""
    session.preferences.mode = "address"
    session.tick()
    files = [{"name": name} for name in ("fox_kid.png", "README.md", "pup.png", "robot.jpg")]
    with reports() as said:
        dropped = bpy.ops.figurine.drop_picture(directory=str(EXAMPLES), files=files)
    assert dropped == {"FINISHED"}
    assert "3 pictures are in the queue, each as a job. No pictures, and left out: 1 of the files." in said.text
    assert {job.name for job in session.now.engine.snapshot.jobs} == {"fox_kid", "pup", "robot"}
    assert bpy.ops.figurine.drop_picture(directory=str(EXAMPLES), files=[{"name": "lantern.png"}]) == {"FINISHED"}
    assert len(session.now.engine.snapshot.jobs) == 3, "a single one is chosen first"
    assert Path(session.request.picture).name == "lantern.png"


def switched_off_while_it_waits(session: Session) -> None:
    """Nothing of the pictures stays in Blender; switched on again, the job waits with them."""
    session.use_own_server()
    session.generate(FOX, engine="draft", pause_after="normalize", import_when_done=False)
    key = _wait_for_review(session)
    session.tick()
    images = set(bpy.data.images)
    previews = session.module("previews")
    bpy.ops.preferences.addon_disable(module=MODULE)
    assert set(bpy.data.images) == images and previews._collection is None
    assert not [name for name in dir(bpy.types) if name.upper().startswith("FIGURINE")]
    bpy.ops.preferences.addon_enable(module=MODULE)
    session.use_own_server()
    session.tick_until(lambda: (job := session.now.job(key)) is not None and job.review is not None)
    bpy.ops.figurine.cancel(key=key)
    session.tick_until(lambda: session.now.job(key).state == "cancelled", 30)
    session.stop_server()


def _held(session: Session) -> set[Path]:
    """The pictures that are ready to be drawn."""
    return {Path(key.partition(":")[2]) for key in session.module("previews")._collection}


def _wait_for_review(session: Session) -> str:
    """The key of the job that was asked for last, when it waits with its pictures."""
    session.tick_until(lambda: session.job() is not None and session.job().review is not None)
    assert session.job().state == "waiting"
    return str(session.now.focus)
