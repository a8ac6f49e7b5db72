# SPDX-License-Identifier: GPL-3.0-or-later
"""The single measurements of the draft bench, each made once and kept: one picture, or one asset in one way."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from inference_server.cli import main as figurine
from tests.bench.draft_assets import judge, write_plain_inflation, write_true_skeleton
from tests.bench.draft_pictures import measure_picture, see_skeleton

ROOT = Path(__file__).resolve().parents[2]
CODE = ("models/draft", "inference_server/stages", "inference_server/core")
QUICK_PICTURES, QUICK_ASSETS = 5, 4  # of so many, one
SUFFIXES = (".png", ".jpg", ".webp")


@dataclass(frozen=True)
class Inputs:
    """pictures, assets: files and folders. judge: the folder of the evaluation tool."""

    pictures: tuple[Path, ...]
    assets: tuple[Path, ...]
    judge: Path


def find_inputs(shared: Path, *, is_quick: bool) -> Inputs:
    """The examples, and the pictures and assets of the shared folder where it is there."""
    folders = [ROOT / "examples", *([shared / "images"] if shared.is_dir() else [])]
    pictures = sorted(path for folder in folders for path in folder.iterdir() if path.suffix in SUFFIXES)
    assets = sorted((shared / "dev_assets").glob("*/gt.npz"))
    steps = (QUICK_PICTURES, QUICK_ASSETS) if is_quick else (1, 1)
    return Inputs(
        tuple(pictures[:: steps[0]]), tuple(path.parent for path in assets[:: steps[1]]), shared.absolute() / "eval"
    )


class Bench:
    """Makes measurements or finds them again. measured: what was asked for in this run, by way and stem."""

    def __init__(self, inputs: Inputs, work: Path) -> None:
        self.inputs = inputs
        self.work = work / code_digest()
        self.measured: dict[str, dict[str, Any]] = {"picture": {}, "again": {}, "rig": {}, "truth": {}, "full": {}}
        self.measured["plain"] = {}
        self._is_warm = False

    def picture(self, path: Path) -> dict[str, Any]:
        """See `draft_pictures.measure_picture`."""
        return self._kept("picture", path.stem, functools.partial(self._measure_picture, path))

    def again(self, path: Path) -> dict[str, Any]:
        """The digests of the same picture's results, made in another data folder."""
        return self._kept("again", path.stem, functools.partial(self._digests, path))

    def rig(self, asset: Path) -> dict[str, Any]:
        """The judge on the asset's mesh with the draft engine's own skeleton."""
        return self._kept("rig", asset.name, lambda: self._judge_rig("rig", asset))

    def truth(self, asset: Path) -> dict[str, Any]:
        """The judge on the asset's mesh bound to its true skeleton."""
        return self._kept("truth", asset.name, lambda: self._judge_rig("truth", asset))

    def full(self, asset: Path) -> dict[str, Any]:
        """The judge on the figure made of the asset's picture."""
        return self._kept("full", asset.name, lambda: self._judge_full(asset))

    def plain(self, asset: Path) -> dict[str, Any]:
        """The judge on a plain inflation of the same picture."""
        return self._kept("plain", asset.name, lambda: self._judge_plain(asset))

    def folder(self, way: str, stem: str) -> Path:
        """Where the results of one item lie."""
        return self.work / way / stem

    @property
    def home(self) -> Path:
        """Figurine's data folder of all items."""
        return self.work / "home"

    def _kept(self, way: str, stem: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        path = self.folder(way, stem) / "measured.json"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            text = json.dumps(measure())
            path.write_text(text, encoding="utf-8")
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        self.measured[way][stem] = found
        return found

    def _measure_picture(self, path: Path) -> dict[str, Any]:
        if not self._is_warm:  # imports and first calls are not the engine's
            run_figurine("run", ROOT / "examples" / "lantern.png", self.folder("warm", "lantern"), self.work / "warm")
            self._is_warm = True
        out = self.folder("picture", path.stem) / "out"
        run_figurine("run", path, out, self.home)
        return measure_picture(path, out, self.home)

    def _digests(self, path: Path) -> dict[str, Any]:
        folder = self.folder("again", path.stem)
        run_figurine("run", path, folder / "out", folder / "home")
        digests: dict[str, Any] = _report(folder / "out")["digests"]
        return digests

    def _judge_rig(self, way: str, asset: Path) -> dict[str, Any]:
        folder = self.folder(way, asset.name)
        extra: tuple[str, ...] = ()
        if way == "truth":
            write_true_skeleton(asset, folder / "rig.json")
            extra = ("--skeleton", str(folder / "rig.json"))
        run_figurine("rig", asset / "mesh.glb", folder / "out", self.home, *extra)
        return judge(self.inputs.judge, "rig-only", asset, folder / "out" / "figure.fbx") | {
            "report": _report(folder / "out")
        }

    def _judge_full(self, asset: Path) -> dict[str, Any]:
        out = self.folder("full", asset.name) / "out"
        run_figurine("run", self.picture_of(asset), out, self.home)
        seen = see_skeleton(out, self.home)
        return judge(self.inputs.judge, "full", asset, out / "figure.fbx") | {"report": _report(out)} | seen

    def _judge_plain(self, asset: Path) -> dict[str, Any]:
        mesh = self.folder("plain", asset.name) / "plain.glb"
        write_plain_inflation(self.picture_of(asset), mesh)
        return judge(self.inputs.judge, "full", asset, mesh)

    def picture_of(self, asset: Path) -> Path:
        """The picture that the asset's makers recommend."""
        meta = json.loads((asset / "meta.json").read_text(encoding="utf-8"))
        return asset / f"{meta['recommended_input']}_rgba.png"


def run_figurine(verb: str, source: Path, out: Path, home: Path, *extra: str) -> None:
    """One command in this process, so that what is loaded stays loaded."""
    with _environment(FIGURINE_HOME=str(home)), contextlib.redirect_stdout(None):
        code = figurine([verb, str(source), "--out", str(out), "--name", "figure", "--quiet", *extra])
    if code:
        raise RuntimeError(f"figurine {verb} {source} ended with {code}")


@contextlib.contextmanager
def _environment(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _report(out: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((out / "report.json").read_text(encoding="utf-8"))
    return report


def code_digest(folders: tuple[str, ...] = CODE, without: frozenset[str] = frozenset()) -> str:
    """Twelve digits that change with the engine's code. without: names of files that do not count."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if path.name not in without:
                digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
