# SPDX-License-Identifier: GPL-3.0-or-later
"""What every test shares: an own data folder, marks that skip with a reason, and a look for processes left behind."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import hypothesis.configuration
import numpy as np
import psutil
import pytest
from PIL import Image, ImageDraw

from inference_server.core.pipeline import Outcome
from inference_server.core.types import (
    ExportedFiles,
    Mesh,
    Provenance,
    Rig,
    RiggedAsset,
    Skeleton,
    Skin,
    StageRecord,
    TexturedMesh,
)

ROOT = Path(__file__).resolve().parents[1]
# The measuring data lie beside the checkout; most machines do not have them.
SHARED_ROOT = ROOT.parent / "shared"
# A child that was told to end is given this long to be gone.
_FAREWELL_S = 1.0
_SKIPS = {
    "shared": (SHARED_ROOT.is_dir(), "needs the measuring data beside the checkout (../shared)"),
    "blender": (
        importlib.util.find_spec("bpy") is not None or "FIGURINE_BLENDER" in os.environ,
        "needs Blender: neither the bpy module nor FIGURINE_BLENDER is there",
    ),
}

# Names the stage cache that tests share; see `share_stages` of tests/integration/jobs.py.
STAGES_VARIABLE = "TESTS_STAGE_CACHE"

_scratch: Path | None = None
_leftovers: list[str] = []


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """All that tests write goes to one temporary folder, children's data too."""
    global _scratch
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job; children would inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    _scratch = Path(tempfile.mkdtemp(prefix="figurine-tests-"))
    os.environ["FIGURINE_HOME"] = str(_scratch / "home")
    os.environ["TMPDIR"] = str(_scratch / "tmp")  # where Blender makes its session folders
    (_scratch / "tmp").mkdir()
    os.environ.setdefault(STAGES_VARIABLE, str(_scratch / "stages"))  # processes that share the tests share it
    if config.option.basetemp is None:
        config.option.basetemp = str(_scratch / "tests")
    hypothesis.configuration.set_hypothesis_home_dir(_scratch / "hypothesis")
    hypothesis.settings.register_profile("figurine", database=None, deadline=None, derandomize=True)
    hypothesis.settings.load_profile("figurine")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave no file behind."""
    if _scratch is not None:
        shutil.rmtree(_scratch, ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip, with the reason, what this machine cannot run."""
    for item in items:
        for mark, (is_possible, reason) in _SKIPS.items():
            if item.get_closest_marker(mark) is not None and not is_possible:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """What a process that ran tests left behind, where they run in several."""
    _leftovers.extend(node.workeroutput.get("leftovers", ()))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process that outlives the tests is a failure."""
    if not session.config.getoption("numprocesses", None):
        _end_leftovers()
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["leftovers"] = _leftovers
    if _leftovers:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _end_leftovers() -> None:
    _, alive = psutil.wait_procs(psutil.Process().children(recursive=True), timeout=_FAREWELL_S)
    for process in alive:
        try:
            _leftovers.append(f"{process.pid} {' '.join(process.cmdline())}")
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(alive, timeout=_FAREWELL_S)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name them."""
    for process in _leftovers:
        terminalreporter.write_line(f"FAILED: the tests left a process behind: {process}", red=True)


@pytest.fixture(autouse=True, scope="session")
def figurine_home() -> Iterator[Path]:
    """The data folder of this run, which child processes find in FIGURINE_HOME."""
    yield Path(os.environ["FIGURINE_HOME"])


@pytest.fixture(scope="session")
def shared_root() -> Path:
    """The measuring data; only for tests marked `shared`."""
    return SHARED_ROOT


@pytest.fixture(scope="session")
def examples_root() -> Path:
    """The pictures of the repository."""
    return ROOT / "examples"


@pytest.fixture(scope="session")
def sphere() -> Mesh:
    """A closed icosphere of radius 0.5 m on the ground: 162 vertices, 320 faces."""
    import trimesh

    ball = trimesh.creation.icosphere(subdivisions=2, radius=0.5)
    return Mesh(ball.vertices + np.array([0.0, 0.5, 0.0]), ball.faces)


@pytest.fixture(scope="session")
def box() -> Mesh:
    """A closed box, 0.4 × 2.0 × 0.6 m, its lowest corner at (1, 2, 3)."""
    import trimesh

    cuboid = trimesh.creation.box(extents=(0.4, 2.0, 0.6))
    return Mesh(cuboid.vertices + np.array([1.2, 3.0, 3.3]), cuboid.faces)


@pytest.fixture(scope="session")
def tiny_skeleton() -> Skeleton:
    """Hips, a spine, two legs: a humanoid of five bones, 1 m high."""
    heads = [[0, 0.5, 0], [0, 0.6, 0], [0.1, 0.5, 0], [-0.1, 0.5, 0], [0, 0.9, 0.01]]
    tails = [[0, 0.6, 0], [0, 0.9, 0.01], [0.12, 0, 0.02], [-0.12, 0, 0.02], [0, 1.0, 0.02]]
    return Skeleton(
        names=("hips", "spine", "leg.L", "leg.R", "head"),
        roles=("hips", "spine", "leftFoot", "rightFoot", "head"),
        parents=np.array([-1, 0, 0, 0, 1]),
        heads=np.array(heads),
        tails=np.array(tails),
        rolls=np.array([0.0, 0.1, -0.2, 0.2, 3.0]),
        kind="humanoid",
        confidence=0.75,
        guessed=("spine",),
    )


@pytest.fixture
def tiny_outcome(sphere: Mesh, tiny_skeleton: Skeleton, tmp_path: Path) -> Outcome:
    """What a job returns, for the sphere bound to one bone; its files hold their suffixes."""
    files = [tmp_path / name for name in ("asset.fbx", "asset.glb", "preview.png")]
    for path in files:
        path.write_bytes(path.suffix[1:].encode())
    count = len(sphere.vertices)
    textured = TexturedMesh(sphere, np.full((len(sphere.faces), 3, 2), 0.5), np.zeros((4, 4, 3)))
    rig = Rig(tiny_skeleton, Skin(np.zeros((count, 4)), np.tile([1.0, 0, 0, 0], (count, 1))))
    records = (
        StageRecord("rig", "draft", 1, 0, "key", 0.1, 10, False, notes=("a note",)),
        StageRecord("export", "blender", 1, 0, "key", 0.2, 20, False),
    )
    asset = RiggedAsset(textured, rig, Provenance("source", "0.1.0", 0, records[:1]))
    return Outcome(asset, ExportedFiles(*files, blender_version="5.0.1"), records)


@pytest.fixture(scope="session")
def make_figure_picture() -> Callable[..., Image.Image]:
    """Draws a simple person; see `_figure_picture`."""
    return _figure_picture


def _figure_picture(side_px: int = 256, *, background: tuple[int, int, int, int] = (0, 0, 0, 0)) -> Image.Image:
    """An RGBA picture of a person with the arms held away: head, body, arms, legs, each of its own colour."""
    picture = Image.new("RGBA", (side_px, side_px), background)
    draw = ImageDraw.Draw(picture)

    def scaled(*shares: float) -> tuple[float, ...]:
        return tuple(share * side_px for share in shares)

    limb = max(2, round(0.08 * side_px))
    for side in (-1, 1):
        draw.line(scaled(0.5, 0.36, 0.5 + side * 0.28, 0.52), fill=(214, 150, 120, 255), width=limb)
        draw.line(scaled(0.5 + side * 0.06, 0.6, 0.5 + side * 0.11, 0.94), fill=(40, 60, 120, 255), width=limb)
    draw.rounded_rectangle(scaled(0.4, 0.32, 0.6, 0.66), radius=0.05 * side_px, fill=(200, 60, 50, 255))
    draw.ellipse(scaled(0.38, 0.06, 0.62, 0.32), fill=(230, 180, 150, 255))
    return picture
