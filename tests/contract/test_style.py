# SPDX-License-Identifier: GPL-3.0-or-later
"""The budgets that no linter holds: length of files and functions, number of parameters, the licence line."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LICENCE_LINE = "# SPDX-License-Identifier: GPL-3.0-or-later"
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
MAX_PARAMETERS = 6
# Blender calls these by position and decides how many there are.
SIGNATURES_OF_BLENDER = {"draw_item"}
NOT_OURS = {"out", "dist", "build"}


def python_files() -> list[Path]:
    """Every Python file of the repository."""
    folders = [path for path in ROOT.iterdir() if path.is_dir() and path.name not in NOT_OURS]
    below = [file for folder in folders if not folder.name.startswith(".") for file in folder.rglob("*.py")]
    return sorted([*ROOT.glob("*.py"), *below])


def overruns(path: Path) -> list[str]:
    """What in the file is longer than allowed."""
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
    found = []
    lines = text.splitlines()
    if len(lines) > MAX_FILE_LINES:
        found.append(f"{name} has {len(lines)} lines")
    if lines[:1] != [LICENCE_LINE]:
        found.append(f"{name} does not start with its licence")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MAX_FUNCTION_LINES:
                found.append(f"{name}:{node.lineno} {node.name} has {length} lines")
            asked = [
                argument
                for argument in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
                if argument.arg not in ("self", "cls")
            ]
            is_free = path.is_relative_to(ROOT / "tests") or node.name in SIGNATURES_OF_BLENDER  # fixtures and cases
            if len(asked) > MAX_PARAMETERS and not is_free:
                found.append(f"{name}:{node.lineno} {node.name} has {len(asked)} parameters")
    return found


def test_every_file_keeps_to_the_budgets() -> None:
    files = python_files()
    assert Path(__file__) in files
    found = [sentence for path in files for sentence in overruns(path)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("x = 1\n", "licence"),
        (f"{LICENCE_LINE}\n" + "x = 1\n" * MAX_FILE_LINES, "401 lines"),
        (f"{LICENCE_LINE}\ndef f():\n" + "    x = 1\n" * MAX_FUNCTION_LINES, "f has 51 lines"),
        (f"{LICENCE_LINE}\ndef f(a, b, c, d, *, e, f, g): ...\n", "f has 7 parameters"),
    ],
)
def test_an_overrun_is_found(tmp_path: Path, content: str, word: str) -> None:
    path = tmp_path / "module.py"
    path.write_text(content, encoding="utf-8")
    found = overruns(path)
    assert len(found) == 1
    assert word in found[0]
