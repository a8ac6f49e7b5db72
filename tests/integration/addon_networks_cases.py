# SPDX-License-Identifier: GPL-3.0-or-later
"""The neural engine's libraries in the panel, asserted inside Blender; test_addon_networks.py runs each function."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import Any

import bpy

from tests.integration.addon_panel_cases import URL, all_text, reason, show
from tests.integration.addon_session import Session
from tests.integration.layout_recorder import Recorder, draw

ADD, PROCESSOR, REMOVE = "[Add the Neural Engine…]", "[Processor…]", "[Remove…]"


def models_offer_the_engine(session: Session) -> None:
    """Where the installed server lacks it, running or not, and nowhere else."""
    views, documents = session.module("jobs.views"), session.module("documents")
    model = documents.Weights("one", "One", "does it", "MIT", "maker/one", "absent", 7_249_192_406, True, 0, None)
    stopped = views.ServerView("absent")
    running = views.ServerView("running", URL, "0.1.0", ("draft",), True)
    lacking = views.ModelsView((model,), True, 50_000_000_000, "This server has no networks.")
    _go_online(session)
    assert ADD not in draw("FIGURINE_PT_models").text, "nothing is installed yet"
    assert "[Install with the Neural Engine…]" in draw("FIGURINE_PT_main").text
    _install(session, _draft(session))
    for server, view in ((stopped, views.ModelsView()), (running, lacking)):
        _show(session, server, view)
        text = draw("FIGURINE_PT_models").text
        assert ADD in text and REMOVE not in text, text
    assert "has the draft engine alone" in text and "[Download…] (grey)" in text, text
    assert "has the draft engine alone" in reason(bpy.ops.figurine.fetch_model)
    _install(session, _neural(session))
    _show(session, running, dataclasses.replace(lacking, obstacle=""))
    text = draw("FIGURINE_PT_models").text
    assert ADD not in text and f"{PROCESSOR} {REMOVE}" in text, text
    assert "Neural engine: NVIDIA GPU · PyTorch 2.13.0+cu130" in text, text
    assert "[Download…]" in text and "[Download…] (grey)" not in text, text
    session.preferences.mode = "address"
    session.tick()
    _show(session, running, lacking)
    text = draw("FIGURINE_PT_models").text
    assert not any(button in text for button in (ADD, PROCESSOR, REMOVE)), text
    assert "Choose one in Preferences" in text, text


def grey_buttons_say_why(session: Session) -> None:
    """Without Online Access, and while there is nothing to remove."""
    assert "Allow Online Access" in reason(bpy.ops.figurine.add_neural)
    _go_online(session)
    assert bpy.ops.figurine.add_neural.poll()
    assert "not installed" in reason(bpy.ops.figurine.remove_neural)
    _install(session, _neural(session))
    assert bpy.ops.figurine.remove_neural.poll()
    session.preferences.command = "figurine serve"
    session.tick()
    assert "Server Command" in reason(bpy.ops.figurine.add_neural)


def dialogs_say_what_it_costs(session: Session) -> None:
    """Both sizes for Automatic, one for each choice; and what stays when it is removed."""
    operators = session.module("operators.networks")
    for processor, expected in {"auto": (True, True), "nvidia": (True, False), "cpu": (False, True)}.items():
        recorder = Recorder()
        kind = operators.FIGURINE_OT_add_neural
        kind.draw(_operator(kind, recorder, processor), bpy.context)
        found = tuple(words in recorder.text for words in ("With an NVIDIA GPU: ≈", "On the CPU: ≈"))
        assert found == expected, (processor, recorder.text)
        assert "{Processor}" in recorder.text and "need a GPU" in recorder.text, recorder.text
    _install(session, _neural(session))
    recorder = Recorder()
    kind = operators.FIGURINE_OT_remove_neural
    kind.draw(_operator(kind, recorder, ""), bpy.context)
    assert "PyTorch 2.13.0+cu130" in recorder.text and "models stay" in recorder.text, recorder.text


def buttons_install_what_they_say(session: Session) -> None:
    """What the installer is given; an update keeps it, and what is said at the end fits it."""
    _go_online(session)
    runtime = session.module("runtime")
    asked: list[Any] = []
    runtime.Installer = lambda installation: asked.append(installation.equipment) or _Done()
    _install(session, _draft(session))
    assert bpy.ops.figurine.install_server() == {"FINISHED"}
    assert bpy.ops.figurine.add_neural(processor="cpu") == {"FINISHED"}
    _install(session, _neural(session))
    assert bpy.ops.figurine.install_server() == {"FINISHED"}
    assert bpy.ops.figurine.remove_neural() == {"FINISHED"}
    wanted = session.module("setup.torch_builds").Equipment
    assert asked == [wanted(), wanted(True, "cpu"), wanted(True, "nvidia"), wanted()], asked
    session.now.look_for_installation = lambda: None
    _install(session, _neural(session))
    session.tick()
    assert "installed with the neural engine" in all_text()
    del session.now.look_for_installation


class _Done:
    """An installation that is over as soon as it begins."""

    state, step, progress, error = "done", "Testing", 1.0, None

    def start(self) -> None:
        pass

    def close(self, timeout_s: float) -> None:
        pass

    def tail(self, count: int) -> tuple[str, ...]:
        return ()


def _operator(kind: Any, recorder: Recorder, processor: str) -> Any:
    rna = getattr(bpy.ops.figurine, kind.bl_idname.partition(".")[2]).get_rna_type()
    return SimpleNamespace(layout=recorder, bl_rna=rna, processor=processor)


def _go_online(session: Session) -> None:
    bpy.context.preferences.system.use_online_access = True
    session.tick()


def _show(session: Session, server: Any, models: Any) -> None:
    show(session, server=server)
    session.now.snapshot = dataclasses.replace(session.now.snapshot, models=models)


def _install(session: Session, installed: Any) -> None:
    """As if it lay on the disk."""
    session.now.is_installed, session.now.installed = True, installed


def _draft(session: Session) -> Any:
    return session.module("setup.environments").Installed("e-1", session.now.version)


def _neural(session: Session) -> Any:
    environments, builds = session.module("setup.environments"), session.module("setup.torch_builds")
    torch = environments.Torch("2.13.0+cu130", "13.0", "cuda")
    return environments.Installed("e-2", session.now.version, builds.Equipment(True, "nvidia"), torch)
