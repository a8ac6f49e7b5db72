# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may import whom: the rules of the architecture, held against every import in the tree."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("inference_server", "models", "blender_addon")
OURS = frozenset(PACKAGES)
BLENDER = frozenset(
    {"bpy", "mathutils", "bmesh", "addon_utils", "_cycles", "bpy_extras", "gpu", "blf", "rna_keymap_ui"}
)
HEAVY = frozenset({"torch", "diffusers", "transformers", "trimesh", "skimage", "scipy", "cv2", "igl", "gpytoolbox"})
HOSTED = frozenset({"google.genai", "httpx2"})


@dataclass(frozen=True)
class Rule:
    """What the modules under these names may import. ours: prefixes of our own modules. libraries: top-level names of
    others, None for any. late_ours, late_libraries: what else is allowed inside functions.
    """

    under: tuple[str, ...]
    ours: tuple[str, ...]
    libraries: frozenset[str] | None
    late_ours: tuple[str, ...] = ()
    late_libraries: frozenset[str] | None = frozenset()


# The first rule that fits a module counts.
RULES = (
    Rule(
        ("inference_server.core.types", "inference_server.core.exchange", "inference_server.core.lifeline"),
        (),
        frozenset({"numpy"}),
    ),
    Rule(
        ("inference_server.core",),
        ("inference_server.core", "inference_server.errors"),
        frozenset({"numpy", "PIL", "psutil"}),
    ),
    # The hosted editor's SDK; imported late, and by nothing but the editor.
    Rule(
        ("inference_server.stages.normalize.gemini", "inference_server.stages.normalize.gemini_http"),
        ("inference_server.stages.normalize.gemini_http", "inference_server.errors"),
        frozenset({"google", "httpx2"}),
    ),
    Rule(
        ("inference_server.stages.normalize.hosted_editor",),
        ("inference_server.core.images", "inference_server.core.types", "inference_server.errors"),
        frozenset(),
        late_ours=("inference_server.stages.normalize.gemini",),
    ),
    Rule(
        ("inference_server.stages",),
        ("inference_server.core", "inference_server.stages", "inference_server.errors", "inference_server.weights"),
        frozenset({"numpy", "psutil"}),
        late_ours=("models",),
        late_libraries=HEAVY,
    ),
    Rule(
        ("inference_server.blender_worker",),
        (
            "inference_server.blender_worker",
            "inference_server.core.exchange",
            "inference_server.core.lifeline",
            "inference_server.core.types",
            "blender_addon.voxel",
            "blender_addon.figure.voxel_figure",
            "blender_addon.figure.voxel_source",
            "blender_addon.skeleton_map",
        ),
        BLENDER | {"numpy"},
    ),
    # The HTTP process: nothing that decodes, computes or leads to a model.
    Rule(
        ("inference_server.api", "inference_server.app", "inference_server.security", "inference_server.http_server"),
        (
            "inference_server.api",
            "inference_server.security",
            "inference_server.core.chains",
            "inference_server.core.choices",
            "inference_server.core.correction",
            "inference_server.core.hints",
            "inference_server.core.rig_document",
            "inference_server.core.settings",
            "inference_server.core.skeleton_edits",
            "inference_server.core.types",
            "inference_server.jobs.store",
            "inference_server.jobs.queue",
            "inference_server.jobs.faults",
            "inference_server.jobs.folder",
            "inference_server.jobs.model",
            "inference_server.config",
            "inference_server.errors",
            "inference_server.logs",
            "inference_server.weights",
        ),
        frozenset({"flask", "werkzeug", "waitress", "sqlalchemy"}),
    ),
    # Fetches weights; asked for by name alone, never by a job.
    Rule(
        ("inference_server.weights_hub",),
        ("inference_server.errors", "inference_server.weights"),
        frozenset({"requests", "tqdm"}),
        late_libraries=frozenset({"huggingface_hub", "httpx"}),
    ),
    # Reads a published pickle once, at the artist's word; never in a job.
    Rule(
        ("inference_server.weights_convert",),
        ("inference_server.errors", "inference_server.weights"),
        frozenset(),
        late_ours=("models",),
        late_libraries=frozenset({"safetensors"}),
    ),
    Rule(
        ("inference_server",),
        ("inference_server",),
        frozenset({"numpy", "PIL", "psutil", "platformdirs", "tqdm", "sqlalchemy", "filelock", "requests"}),
    ),
    Rule(
        ("models.draft",),
        ("models.draft",),
        frozenset({"numpy", "PIL"}) | HEAVY - {"torch", "diffusers", "transformers"},
    ),
    Rule(("models",), ("models",), None),
    Rule(("blender_addon",), ("blender_addon",), BLENDER | {"numpy", "requests", "urllib3"}),
)


@dataclass(frozen=True)
class Import:
    """One imported name. is_late: inside a function."""

    name: str
    line: int
    is_late: bool


def imports_of(module: str, source: str, is_package: bool) -> Iterator[Import]:
    """Every import of a module's source, absolute; `from a import b` gives a.b."""
    package = module if is_package else module.rpartition(".")[0]

    def walk(node: ast.AST, is_late: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                yield from (Import(alias.name, child.lineno, is_late) for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                if child.level:
                    above = package.split(".")[: len(package.split(".")) - child.level + 1]
                    base = ".".join([*above, *filter(None, [base])])
                yield from (Import(f"{base}.{alias.name}", child.lineno, is_late) for alias in child.names)
            else:
                is_function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
                yield from walk(child, is_late or is_function)

    yield from walk(ast.parse(source), False)


def is_under(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)


def violations(module: str, source: str, is_package: bool = False) -> list[str]:
    """What the module imports and may not."""
    rule = next(rule for rule in RULES if is_under(module, rule.under))
    found = []
    for item in imports_of(module, source, is_package):
        top = item.name.partition(".")[0]
        if top in sys.stdlib_module_names:
            continue
        # `from inference_server import __version__`: the package itself, which imports nothing.
        if item.name == "inference_server.__version__":
            continue
        if top in OURS:
            is_allowed = is_under(item.name, rule.ours + (rule.late_ours if item.is_late else ()))
        else:
            late = rule.late_libraries if item.is_late else frozenset()
            is_allowed = rule.libraries is None or late is None or top in rule.libraries | late
            is_allowed = is_allowed and not (top in BLENDER and rule.libraries is None)
        if not is_allowed:
            found.append(f"{module}:{item.line} imports {item.name}{' in a function' * item.is_late}")
    return found


def modules() -> list[tuple[str, Path]]:
    """Dotted name and file of every module of the product."""
    found = []
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found.append((".".join(parts[:-1] if parts[-1] == "__init__" else parts), path))
    return found


def test_the_tree_is_walked() -> None:
    names = {name for name, _ in modules()}
    assert {"inference_server", "inference_server.core.types", "inference_server.cli", "models"} <= names


def test_every_import_is_allowed() -> None:
    found = [
        sentence
        for name, path in modules()
        for sentence in violations(name, path.read_text(encoding="utf-8"), path.name == "__init__.py")
    ]
    assert not found, "\n".join(found)


def test_the_addons_root_imports_nothing_when_it_is_imported() -> None:
    for name, path in modules():
        if name == "blender_addon":
            early = [item.name for item in imports_of(name, path.read_text(), True) if not item.is_late]
            assert [item for item in early if not item.startswith("__future__")] == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("inference_server.core.types", "from inference_server.errors import FigurineError"),
        ("inference_server.core.exchange", "from inference_server.core.types import Float32"),
        ("inference_server.core.exchange", "def f():\n    import PIL"),
        ("inference_server.core.cache", "import scipy.ndimage"),
        ("inference_server.core.cache", "def f():\n    import torch"),
        ("inference_server.core.cache", "from inference_server import config"),
        ("inference_server.core.cache", "from inference_server.stages import registry"),
        ("inference_server.stages.rig.draft", "from models.draft import weights"),
        ("inference_server.stages.rig.draft", "import trimesh"),
        ("inference_server.stages.rig.draft", "class A:\n    import trimesh"),
        ("inference_server.stages.rig.draft", "def f():\n    import bpy"),
        ("inference_server.stages.rig.draft", "def f():\n    from inference_server import config"),
        ("inference_server.stages.normalize.draft", "def f():\n    from google import genai"),
        ("inference_server.stages.normalize.hosted_editor", "from google import genai"),
        ("inference_server.stages.normalize.hosted_editor", "from inference_server.stages.normalize import gemini"),
        ("inference_server.stages.normalize.gemini", "from inference_server.config import Config"),
        ("inference_server.cli", "import torch"),
        ("inference_server.app", "from inference_server.core import images"),
        ("inference_server.api.jobs", "from inference_server.stages import registry"),
        ("inference_server.api.jobs", "def f():\n    import PIL"),
        ("inference_server.api.uploads", "import numpy"),
        ("inference_server.security", "from inference_server.jobs import worker"),
        ("inference_server.jobs.worker", "import flask"),
        ("inference_server.commands.make", "def f():\n    import bpy"),
        ("inference_server.commands.make", "def f():\n    import trimesh"),
        ("inference_server.commands.make", "from blender_addon import client"),
        ("inference_server.blender_worker.rig", "from inference_server.core.codec import pack"),
        ("inference_server.blender_worker.rig", "from inference_server import errors"),
        ("inference_server.blender_worker.rig", "from blender_addon import panels"),
        ("inference_server.blender_worker.rig", "import PIL"),
        ("models.draft.weights", "def f():\n    import torch"),
        ("models.draft.weights", "from inference_server.core.types import Mesh"),
        ("models.common.attention", "import bpy"),
        ("models.common.attention", "def f():\n    from inference_server import errors"),
        ("blender_addon.client", "def f():\n    from inference_server import config"),
        ("blender_addon.client", "from models import draft"),
        ("blender_addon.client", "import flask"),
    ],
)
def test_a_forbidden_import_is_found(module: str, source: str) -> None:
    assert len(violations(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("inference_server.core.cache", "from inference_server.core import types, exchange\nfrom PIL import Image"),
        ("inference_server.stages.rig.draft", "def f():\n    from models.draft import weights\n    import trimesh"),
        ("inference_server.blender_worker.rig", "import bpy\nfrom inference_server.core.exchange import Exchange"),
        ("inference_server.blender_worker.rig", "from blender_addon.voxel import grid"),
        ("models.birefnet.network", "import torch\nfrom models.common import attention"),
        ("blender_addon.operators.rig", "from ..client import Client\nfrom . import pose\nimport bpy"),
    ],
)
def test_an_allowed_import_is_not(module: str, source: str) -> None:
    assert violations(module, source) == []


@pytest.mark.parametrize(
    ("start", "absent"),
    [
        ("from inference_server import cli; cli._build_parser()", HEAVY | BLENDER | HOSTED),
        ("from inference_server.stages.normalize import hosted_editor", HEAVY | BLENDER | HOSTED),
        ("import inference_server.app", HEAVY | BLENDER | HOSTED | {"PIL", "models", "inference_server.stages"}),
    ],
)
def test_the_command_and_the_server_start_without_anything_heavy(start: str, absent: frozenset[str]) -> None:
    script = f"import sys; {start}; print(*sorted(set(sys.modules) & {set(absent)!r}))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == []
