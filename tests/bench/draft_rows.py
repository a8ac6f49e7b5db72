# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold of the draft engine, row by row: which items each needs, its bar, and what came out."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.draft_assets import category
from tests.bench.draft_items import Bench
from tests.bench.draft_skeletons import find_faults, is_frontal_neutral, load_labels

SMALLEST_PIECE = 0.005  # of the faces
TWICE = 3  # pictures are made a second time
STAGES = ("normalize", "geometry", "texture", "rig")


@dataclass(frozen=True)
class Line:
    """One line of the table. holds: None where nothing could be measured."""

    row: str
    measure: str
    bar: str
    value: str
    holds: bool | None
    count: int


Pick = Callable[[list[float]], float]


def at_most(row: str, measure: str, bar: float, values: Iterable[float | None], pick: Pick = statistics.median) -> Line:
    """pick(values) ≤ bar; values that could not be measured are left out."""
    found, count = _picked(values, pick)
    return Line(row, measure, f"≤ {bar:g}", f"{found:.3g}", None if not count else found <= bar, count)


def at_least(
    row: str, measure: str, bar: float, values: Iterable[float | None], pick: Pick = statistics.median
) -> Line:
    """pick(values) ≥ bar; values that could not be measured are left out."""
    found, count = _picked(values, pick)
    return Line(row, measure, f"≥ {bar:g}", f"{found:.3g}", None if not count else found >= bar, count)


def _picked(values: Iterable[float | None], pick: Pick) -> tuple[float, int]:
    known = [float(value) for value in values if value is not None]
    return (float(pick(known)) if known else float("nan")), len(known)


def mesh_row(bench: Bench) -> list[Line]:
    """Closed, oriented, no specks; equal digests where made twice."""
    found = _pictures(bench)
    good = [
        all(mesh[key] for key in ("watertight", "winding_consistent", "outward"))
        and mesh["smallest_piece"] >= SMALLEST_PIECE
        for mesh in (item["mesh"] for item in found.values())
    ]
    again = [
        bench.again(path) == bench.picture(path)["digests"]
        for path in bench.inputs.pictures[:: max(1, len(bench.inputs.pictures) // TWICE)][:TWICE]
    ]
    return [
        at_least("mesh", "closed, manifold, consistent, no island < 0.5 %", 1, good, np.mean),
        at_least("mesh", "deterministic", 1, again, np.mean),
    ]


def valid_row(bench: Bench) -> list[Line]:
    """The draft's own rigs, and every asset bound to its true skeleton."""
    rigs = [
        *(bench.truth(asset) for asset in bench.inputs.assets),
        *(bench.rig(asset) for asset in bench.inputs.assets),
    ]
    good = [item["weights"] for item in _pictures(bench).values()]
    good += [
        item["sanity"]["unweighted_vertices"] == 0
        and item["skin"]["max_influences"] <= 4
        and item["skin"]["sum_err_max"] <= 1e-3
        for item in rigs
    ]
    return [at_least("valid", "weights finite, ≥ 0, sum 1, ≤ 4, none unweighted", 1, good, np.mean)]


def front_row(bench: Bench) -> list[Line]:
    """The front view against the picture."""
    found = _pictures(bench).values()
    iou, mae = [item["silhouette_iou"] for item in found], [item["render_mae"] for item in found]
    return [
        at_least("front", "silhouette IoU, median", 0.985, iou),
        at_least("front", "silhouette IoU of 95 %", 0.955, iou, lambda values: float(np.quantile(values, 0.05))),
        at_least("front", "silhouette IoU, worst", 0.87, iou, min),
        at_most("front", "unlit render MAE, median", 0.030, mae),
        at_most("front", "unlit render MAE, worst", 0.05, mae, max),
    ]


def time_row(bench: Bench) -> list[Line]:
    """Picture to rig in a warm process, without the export."""
    seconds = [sum(item["seconds"][stage] for stage in STAGES) for item in _pictures(bench).values()]
    return [
        at_most("time", "seconds a picture, median", 3, seconds),
        at_most("time", "seconds a picture, worst", 8, seconds, max),
    ]


def rig_row(bench: Bench) -> list[Line]:
    """The engine's own skeletons on the assets' meshes."""
    humanoids = [bench.rig(asset) for asset in _assets(bench, "humanoid")]
    creatures = [bench.rig(asset) for asset in _assets(bench, "creature")]
    return [
        at_most("rig", "humanoids: J2J ×100", 6.0, [item["skeleton"]["j2j"] for item in humanoids]),
        at_most("rig", "humanoids: B2B ×100", 4.0, [item["skeleton"]["b2b"] for item in humanoids]),
        at_most("rig", "humanoids: motion30 %", 0.35, [_motion(item) for item in humanoids]),
        at_most("rig", "creatures: J2J ×100", 8.5, [item["skeleton"]["j2j"] for item in creatures]),
        at_most("rig", "creatures: motion30 %", 0.8, [_motion(item) for item in creatures]),
    ]


def weights_row(bench: Bench) -> list[Line]:
    """Weights on the true skeleton."""
    found = [bench.truth(asset) for asset in bench.inputs.assets]
    return [
        at_most("weights", "true skeleton: L1", 0.50, [item["skin_vs_gt"]["l1_named"] for item in found]),
        at_most("weights", "true skeleton: motion30 %", 0.25, [_motion(item) for item in found]),
        at_most("weights", "true skeleton: stretch60 p99", 2.0, [_stretch(item) for item in found]),
    ]


def figure_row(bench: Bench) -> list[Line]:
    """Picture to rig: humanoids absolutely, all else against plain inflation."""
    found = [bench.full(asset) for asset in _assets(bench, "humanoid")]
    others = [*_assets(bench, "robot"), *_assets(bench, "creature")]
    ratios = [_distance(bench.full(asset)) / _distance(bench.plain(asset)) for asset in others]
    return [
        at_most("figure", "humanoids: CD %", 0.75, [_distance(item) for item in found]),
        at_least("figure", "humanoids: F@.02", 0.92, [item["geometry"]["fscore@0.02"] for item in found]),
        at_least("figure", "humanoids: NC", 0.85, [item["geometry"]["normal_consistency"] for item in found]),
        at_least("figure", "humanoids: IoU4, no ICP", 0.84, [item["appearance_no_icp"]["iou_mean"] for item in found]),
        at_most("figure", "humanoids: J2J ×100", 6.5, [item["skeleton"]["j2j"] for item in found]),
        at_least("figure", "others: share better than plain inflation", 0.8, [r < 1 for r in ratios], np.mean),
        at_most("figure", "others: CD over plain inflation's", 0.75, ratios),
    ]


def facing_row(bench: Bench) -> list[Line]:
    """The figures of the assets' pictures."""
    facing = [bench.full(asset)["yaw_offset"] == 0 for asset in bench.inputs.assets]
    return [at_least("facing", "figures that face −Y", 0.9, facing, np.mean)]


def kind_row(bench: Bench) -> list[Line]:
    """Humanoids told from all else."""
    labels = load_labels()
    pairs = [
        (item["kind"]["value"] == "humanoid", labels[stem]["kind"] == "humanoid")
        for stem, item in _pictures(bench).items()
        if stem in labels
    ]
    return [
        at_least("kind", "humanoids: precision", 0.85, [truth for said, truth in pairs if said], np.mean),
        at_least("kind", "humanoids: recall", 0.85, [said for said, truth in pairs if truth], np.mean),
    ]


def skeleton_row(bench: Bench) -> list[Line]:
    """Fully right skeletons, of pictures and of the assets' pictures; see `draft_skeletons`."""
    labels = load_labels()
    right = [
        not find_faults(labels[path.stem], bench.picture(path), path, _subject(bench, "picture", path.stem))
        for path in bench.inputs.pictures
        if is_frontal_neutral(labels.get(path.stem, {}))
    ]
    right += [
        not find_faults(
            labels[asset.name], bench.full(asset), bench.picture_of(asset), _subject(bench, "full", asset.name)
        )
        for asset in bench.inputs.assets
        if is_frontal_neutral(labels.get(asset.name, {}))
    ]
    return [at_least("skeleton", "fully right, frontal neutral characters", 0.75, right, np.mean)]


def stretch_row(bench: Bench) -> list[Line]:
    """Figures and rigged meshes, each in its own skeleton."""
    figures = [_stretch(bench.full(asset)) for asset in bench.inputs.assets]
    meshes = [_stretch(bench.rig(asset)) for asset in bench.inputs.assets]
    return [
        at_most("stretch", "figures: stretch p99 at 60°", 2.2, figures),
        at_most("stretch", "rigged meshes: stretch p99 at 60°", 2.2, meshes),
    ]


def seconds_table(bench: Bench) -> list[str]:
    """Markdown: seconds of each stage over the measured pictures."""
    found = [item["seconds"] for item in bench.measured["picture"].values()]
    if not found:
        return []
    stages = [*STAGES, "export"]
    rows = ["| seconds | " + " | ".join(stages) + " |", "|---|" + "---|" * len(stages)]
    for name, pick in (("median", statistics.median), ("worst", max)):
        rows.append(f"| {name} | " + " | ".join(f"{pick([item[s] for item in found]):.2f}" for s in stages) + " |")
    return rows


def _pictures(bench: Bench) -> dict[str, dict[str, Any]]:
    return {path.stem: bench.picture(path) for path in bench.inputs.pictures}


def _assets(bench: Bench, group: str) -> list[Path]:
    return [asset for asset in bench.inputs.assets if category(asset) == group]


def _subject(bench: Bench, way: str, stem: str) -> Path:
    return bench.folder(way, stem) / "out" / "subject.png"


def _motion(item: dict[str, Any]) -> float | None:
    return item.get("skin_vs_gt", {}).get("motion_err30_diag_pct")


def _stretch(item: dict[str, Any]) -> float | None:
    return item.get("deform", {}).get("stretch60", {}).get("p99")


def _distance(item: dict[str, Any]) -> float:
    distance: float = item["geometry"]["cd_diag_pct"]
    return distance


ROWS: dict[str, Callable[[Bench], list[Line]]] = {
    "mesh": mesh_row,
    "valid": valid_row,
    "front": front_row,
    "time": time_row,
    "rig": rig_row,
    "weights": weights_row,
    "figure": figure_row,
    "facing": facing_row,
    "kind": kind_row,
    "skeleton": skeleton_row,
    "stretch": stretch_row,
}
