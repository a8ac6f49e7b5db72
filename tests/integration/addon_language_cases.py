# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface in other languages, asserted inside Blender; test_addon_languages.py runs each function.

The bpy module is built without translations, so that Blender's part is the recorder's here: it looks up what Blender
would. tests/gui has the same in Blender's window.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import string
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import bpy

from tests.integration.addon_panel_cases import reason, show
from tests.integration.addon_session import MODULE, Session
from tests.integration.layout_recorder import Recorder, draw
from tests.integration.spoken_texts import (
    data_texts,
    declared_texts,
    has_words,
    registered_kinds,
    unfinished_texts,
    written_texts,
)

LOCALES = ("ja_JP", "zh_HANT")
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
URL = "http://127.0.0.1:47110"
# Of what the states below are made, names of programs, and Blender's own button: not ours to translate.
DATA = {"fox", "rig", "Cube", "Unity", "Unreal", "Engine", "Godot", "VRM", "glTF", "Play", "Animation", "PyTorch"}
PARTS = ("UpperArm", "LowerArm", "Hand", "MiddleProximal", "UpperLeg", "LowerLeg", "Foot")
ROLES = ("hips", "spine", "head", *(f"{side}{part}" for side in ("left", "right") for part in PARTS))


def every_text_has_its_translations(session: Session) -> None:
    """In all languages, with the same values in it, and none for a text that is gone."""
    texts = _texts(session)
    tables = session.module("languages").read_tables()
    assert set(tables) == set(LOCALES), sorted(tables)
    for locale, table in tables.items():
        missing = sorted(text for text in texts if ("*", text) not in table)
        assert not missing, f"{locale}.json lacks {len(missing)} texts:\n" + "\n".join(missing)
        gone = sorted(text for _, text in table if text not in texts)
        assert not gone, f"{locale}.json translates texts that are gone:\n" + "\n".join(gone)
        for (_, text), local in table.items():
            assert local.strip(), (locale, text)
            assert _fields(local) == _fields(text), (locale, text, local)
    unfinished = unfinished_texts(_folder(session), declared_texts(MODULE)["*"])
    assert not unfinished, "Give these to phrase():\n" + "\n".join(unfinished)


def buttons_may_say_otherwise(session: Session) -> None:
    """What a table holds for buttons alone is said by a button; all else is the same in both contexts."""
    session.folder.joinpath("xx_XX.json").write_text('{"*": {"Close": "a", "Open": "b"}, "Operator": {"Close": "c"}}')
    table = session.module("languages").read_tables(session.folder)["xx_XX"]
    assert table == {("*", "Close"): "a", ("*", "Open"): "b", ("Operator", "Close"): "c", ("Operator", "Open"): "b"}
    buttons = declared_texts(MODULE)["Operator"] | written_texts(_folder(session))["Operator"]
    for table in session.module("languages").read_tables().values():
        own = {text for (context, text), local in table.items() if context == "Operator" and local != table["*", text]}
        assert own <= buttons, own - buttons


def nothing_is_drawn_in_english(session: Session) -> None:
    """Every panel and menu in every state, in a language in which each text that has a translation is in brackets."""
    known = {text for _, text in session.module("languages").read_tables()["ja_JP"]}
    with speaking(session, lambda text: f"⟦{text}⟧" if text in known else text):
        drawn = {line for _ in _states(session) for line in _all_lines()}
    left = {line: english for line in drawn if (english := _outside_brackets(line))}
    assert not left, "\n".join(f"{english}   in: {line}" for line, english in sorted(left.items()))
    assert len(drawn) > 60, len(drawn)


def a_panel_speaks_japanese(session: Session) -> None:
    """What is seen, with values in it; and the reasons of grey buttons, and names that are words of the interface."""
    table = session.module("languages").read_tables()["ja_JP"]
    views = session.module("jobs.views")
    running = views.ServerView("running", URL, "0.1.0", ("draft",), True)
    session.preferences.command = "figurine serve"
    session.tick()
    job = views.JobView("k1", "running", "Pose", progress=0.31, eta_s=12.3)
    with speaking(session, lambda text: table.get(("*", text), text)):
        show(session, server=running, jobs=(job,), focus="k1")
        text = draw("FIGURINE_PT_main").text
        for words in ("サーバー実行中", "[生成] (grey)", "{エンジン}", "Pose: 実行中", "<31 % · 残り12秒>"):
            assert words in text, (words, text)
        assert "先に画像を選んでください" in text.replace(" ", ""), text
        make_rig("Body")
        assert draw("FIGURINE_PT_pose").lines[:3] == ["Body", "[リセット]", "[Tポーズ]"]
        bpy.ops.object.mode_set(mode="EDIT")
        assert "先に編集モードを抜けてください。" in reason(bpy.ops.figurine.reset_pose)
        bpy.ops.object.mode_set(mode="OBJECT")
    assert "Server Running" in draw("FIGURINE_PT_main").text


def make_rig(name: str) -> bpy.types.Object:
    """An armature whose bones have the names of a body's parts, active."""
    rig = bpy.data.objects.new(name, bpy.data.armatures.new(name))
    bpy.context.scene.collection.objects.link(rig)
    bpy.context.view_layer.objects.active = rig
    bpy.ops.object.mode_set(mode="EDIT")
    for place, role in enumerate(ROLES):
        bone = rig.data.edit_bones.new(role)
        side = 1.0 if role.startswith("left") else -1.0
        bone.head, bone.tail = (side, 0.0, 0.1 * place), (side, 0.0, 0.1 * place + 0.1)
    bpy.ops.object.mode_set(mode="OBJECT")
    for bone in rig.data.bones:
        bone["figurine_role"] = bone.name
    return rig


@contextlib.contextmanager
def speaking(session: Session, look_up: Callable[[str], str]) -> Iterator[None]:
    """Have Blender and the add-on look texts up so."""
    languages = session.module("languages")
    names = ("pgettext_iface", "pgettext_tip", "pgettext_rpt")
    before = {name: getattr(languages, name) for name in names}
    try:
        for name in names:
            setattr(languages, name, look_up)
        Recorder.look_up = staticmethod(look_up)
        yield
    finally:
        for name, function in before.items():
            setattr(languages, name, function)
        Recorder.look_up = staticmethod(str)


def _texts(session: Session) -> set[str]:
    folder = _folder(session)
    declared, written = declared_texts(MODULE), written_texts(folder)
    texts = {*declared["*"], *declared["Operator"], *written["*"], *written["Operator"], *data_texts(folder)}
    return {text for text in texts if has_words(text)}


def _folder(session: Session) -> Path:
    return Path(session.module("registration").__file__).parent


def _fields(text: str) -> list[tuple[str, str, str]]:
    """Names of values with their formats, sorted."""
    parts = string.Formatter().parse(text)
    return sorted((name, form or "", change or "") for _, name, form, change in parts if name is not None)


def _outside_brackets(line: str) -> str:
    """Letters that no translation gave, without data."""
    while line != (line := re.sub(r"⟦[^⟦⟧]*⟧", " ", line)):
        pass
    words = re.findall(r"[^\W\d_]{2,}", line.replace("(grey)", "").replace("(picture)", ""))
    return " ".join(word for word in words if word not in DATA)


def _all_lines() -> list[str]:
    """What all panels and menus draw, sentences whole."""
    drawn = []
    for kind in registered_kinds(MODULE):
        if issubclass(kind, bpy.types.Panel | bpy.types.Menu):
            lines = draw(kind.__name__).lines
            drawn += re.split(r"\n(?!\S*⟧)", _joined(lines))
    return drawn


def _joined(lines: list[str]) -> str:
    """Lines, those of one sentence joined again: its brackets are open until its end."""
    text, depth = "", 0
    for line in lines:
        text += (" " if depth else "\n") + line
        depth += line.count("⟦") - line.count("⟧")
    return text


def _states(session: Session) -> Iterator[str]:
    """Every state of server and jobs, one after the other."""
    session.preferences.command = ""
    session.tick()
    show(session, server=session.module("jobs.views").ServerView())
    yield "not installed"
    yield from _engine_states(session)
    session.preferences.command = "figurine serve"
    session.now.start = lambda *_: None
    session.tick()
    session.request.picture = str(EXAMPLES / "adventurer.png")
    yield from _server_states(session)
    yield from _job_states(session)
    session.request.pose_edit = "hosted"
    yield "the picture leaves"
    make_rig("rig")
    yield "a rig"
    bpy.ops.mesh.primitive_cube_add()
    yield "a mesh"
    session.now.complain(session.module("errors").FolderUnknown("//fox"))
    session.now.say(session.module("operators.paste_picture").NOTHING_THERE)
    yield "messages"


def _engine_states(session: Session) -> Iterator[str]:
    """The installed server without the neural engine, and with it."""
    environments, builds = session.module("setup.environments"), session.module("setup.torch_builds")
    torch = environments.Torch("2.13.0+cu130", "13.0", "cuda")
    views = session.module("jobs.views")
    session.now.is_installed = True
    for equipment in (builds.DRAFT_ONLY, builds.Equipment(True)):
        session.now.installed = environments.Installed("e-1", session.now.version, equipment, torch)
        for state in ("absent", "running"):
            show(session, server=views.ServerView(state, URL, "0.1.0", ("draft",), True))
            told = views.ModelsView(is_known=True, obstacle="" if equipment.has_neural else "…")
            session.now.snapshot = dataclasses.replace(session.now.snapshot, models=told)
            yield f"{equipment}: {state}"
    session.now.is_installed, session.now.installed = False, None
    show(session, server=views.ServerView())


def _server_states(session: Session) -> Iterator[str]:
    errors, views = session.module("errors"), session.module("jobs.views")
    troubles = {
        "absent": errors.ServerNotRunning(),
        "unreachable": errors.ServerGone(URL),
        "wrong_version": errors.WrongVersion("9.1.0", "0.1.0"),
        "bad_token": errors.BadToken(URL),
        "offline": errors.OnlineAccessOff(URL),
    }
    for mode in ("managed", "address"):
        session.preferences.mode = mode
        session.tick()
        for state in get_args(views.ServerState):
            show(session, server=views.ServerView(state, URL, "0.1.0", ("draft",), False, troubles.get(state)))
            yield f"{mode}: {state}"
    session.preferences.mode = "managed"
    session.tick()
    for server in _servers_with_devices(session):
        show(session, server=server)
        yield f"managed: {server.compute}"


def _servers_with_devices(session: Session) -> Iterator[Any]:
    documents, views = session.module("documents"), session.module("jobs.views")
    card, cpu = documents.Device("cuda", "4090", 24 << 30), documents.Device("cpu", "64", 64 << 30)
    for devices, state in (((card, cpu), "ready"), *(((cpu,), state) for state in ("ready", "no_gpu", "no_library"))):
        neural = tuple(documents.NeuralStage(stage, state, "…", ()) for stage in ("geometry", "rig"))
        compute = documents.Compute(devices, neural)
        yield views.ServerView("running", URL, "0.1.0", ("draft",), True, compute=compute)


def _job_states(session: Session) -> Iterator[str]:
    errors, views, documents = (session.module(name) for name in ("errors", "jobs.views", "documents"))
    running = views.ServerView("running", URL, "0.1.0", ("draft",), True)
    stages = (
        documents.StageResult("normalize", "draft", 1.4, False, ""),
        documents.StageResult("geometry", "neural", 240.0, True, ""),
    )
    base = views.JobView("k1", "running", "fox", "a" * 32, 3, stage="texture", engine="draft", stages=stages)
    changes: list[dict[str, Any]] = [{"state": state} for state in get_args(views.ViewState)]
    changes += [
        {"eta_s": 0.2},
        {"eta_s": 200.0},
        {"is_cancelling": True},
        {"state": "waiting", "settings": {"pause_after": "normalize"}},
        {"state": "waiting", "settings": {"candidates": 3}},
        {"state": "done", "is_imported": True},
        {"state": "failed", "error": errors.DiskFull.foreseen("/", 3, 2, "try again")},
        {"state": "failed", "error": errors.PictureUnreadable("fox", "it is empty")},
        {"state": "lost", "error": errors.JobLost.elsewhere("fox")},
        {"state": "failed", "error": _asks_about_rig(errors)},
    ]
    for change in changes:
        job = dataclasses.replace(base, **change)
        other = dataclasses.replace(base, key="k2", state="queued")
        for focus in ("k1", None):
            show(session, server=running, jobs=(job, other), focus=focus)
            yield f"{change}"


def _asks_about_rig(errors: Any) -> Any:
    """The server's words are its own."""
    return errors.JobFailed(errors.ServerWords("AlreadyRigged", "…", "", False))
