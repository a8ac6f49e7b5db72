# SPDX-License-Identifier: GPL-3.0-or-later
"""Every case of the add-on is run by make test and in every Blender."""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from pathlib import Path

from tests.integration.addon_fixtures import CASE_FILES, HERE
from tests.integration.addon_sessions import session_case_names
from tests.integration.project_python import ROOT
from tests.matrix.pieces import LEFT_OUT, pieces

# What every Blender brings, and the environments of the matrix beside it.
IN_BLENDER = {
    "bpy",
    "bmesh",
    "mathutils",
    "addon_utils",
    "bl_pkg",
    "bpy_extras",
    "io_scene_fbx",
    "gpu",
    "numpy",
    "requests",
}


def test_no_file_of_cases_is_left_out() -> None:
    ran = {piece.name for piece in pieces()}
    assert ran == {file.stem for file in HERE.glob("*_cases.py")} - {"blender_worker_cases"}


def test_no_case_is_left_out_without_a_reason() -> None:
    ran = Counter(case for piece in pieces() for case in piece.cases)
    assert max(ran.values()) == 1
    everything = "".join(file.read_text(encoding="utf-8") for file in HERE.glob("*_cases.py"))
    written = re.findall(r"^def case_(\w+)\(", everything, re.MULTILINE)
    written += [name for name in session_case_names() if name not in LEFT_OUT]
    assert sorted(ran) == sorted(written)


def test_the_runner_has_the_files_that_it_is_asked_for() -> None:
    text = (HERE / "addon_case_runner.py").read_text(encoding="utf-8")
    modules = re.search(r"^MODULES = \((.*?)^\)", text, re.MULTILINE | re.DOTALL)
    assert modules is not None
    assert [f"{name}.py" for name in re.findall(r"\w+", modules[1])] == list(CASE_FILES)


def test_every_installed_case_is_a_test_too() -> None:
    tests = "".join(file.read_text(encoding="utf-8") for file in HERE.glob("test_*.py"))
    names = [case.partition(".")[2] for case in session_case_names()]
    assert not [name for name in names if not re.search(rf"\b{name}\b", tests)]


def test_cases_need_nothing_that_a_blender_lacks() -> None:
    seen: set[Path] = set()
    waiting = [*HERE.glob("addon_*_cases.py"), HERE / "addon_case_runner.py", HERE / "addon_session.py"]
    foreign: set[tuple[str, str]] = set()
    while waiting:
        file = waiting.pop()
        if file in seen:
            continue
        seen.add(file)
        for module in _modules(file):
            if module.partition(".")[0] == "tests":
                waiting += [found for found in [ROOT / f"{module.replace('.', '/')}.py"] if found.is_file()]
            elif module.partition(".")[0] not in {*sys.stdlib_module_names, *IN_BLENDER, "blender_addon"}:
                foreign.add((file.name, module))
    assert not foreign


def _modules(file: Path) -> list[str]:
    """What a file imports when it is imported."""
    found: list[str] = []
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            found += [entry.name for entry in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            home = ".".join(file.relative_to(ROOT).parts[: -node.level]) + "." if node.level else ""
            found += [f"{home}{node.module}", *(f"{home}{node.module}.{entry.name}" for entry in node.names)]
    return found
