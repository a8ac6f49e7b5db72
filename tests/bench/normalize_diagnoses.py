# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures the diagnostics on pictures whose defects are known, and prints one table.

    python -m tests.bench.normalize_diagnoses [--quick] [--output DIR] [--shared DIR]

Takes the pictures of ../shared that bring their own alpha, damages them, and draws dolls for the limbs.
`--output` gets normalize_diagnoses.json and .md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np

from models.draft.diagnose import diagnose
from tests.bench.normalize_defects import (
    SIDES,
    blur,
    crop_to_subject,
    cut,
    draw_doll,
    enlarge,
    put_beside,
    turn,
)
from tests.bench.normalize_scenes import load_subjects, place

ROOT = Path(__file__).resolve().parents[2]
CUT_SHARES = (0.1, 0.2)
TURNS_DEG = (-14.0, -10.0, -6.0, 6.0, 10.0, 14.0)
TILT_TOLERANCE_DEG = 4.0
LONGEST_S = 0.5
ROOM_PX = 8  # an original this far from every edge of its picture is whole
ENLARGED_FROM_PX = (256, 384)


@dataclass(frozen=True)
class Line:
    """bar: what must hold, as shown; holds: None where nothing was promised."""

    test: str
    bar: str
    measured: str
    holds: bool | None


def main() -> int:
    """Returns the exit code: 0 where every bar holds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="every fifth picture")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--shared", type=Path, default=ROOT.parent / "shared")
    options = parser.parse_args()
    subjects = list(load_subjects(options.shared / "images", is_quick=options.quick).values())
    if not subjects:
        parser.error(f"no pictures with alpha under {options.shared / 'images'}: give their folder with --shared")
    cv2.setNumThreads(1)
    placed = [place(subject) for subject in subjects]
    lines = [
        *measure_crops(subjects, placed),
        *measure_tilts(placed),
        *measure_sharpness(subjects),
        *measure_counts(placed),
        *measure_limbs(),
        measure_time(placed),
    ]
    rows = [f"| {line.test} | {line.bar} | {line.measured} | {MARKS[line.holds]} |" for line in lines]
    markdown = "\n".join(["| test | bar | measured | holds |", "|---|---|---|---|", *rows])
    print(markdown)
    if options.output:
        options.output.mkdir(parents=True, exist_ok=True)
        document = json.dumps([asdict(line) for line in lines], indent=1)
        (options.output / "normalize_diagnoses.json").write_text(document, encoding="utf-8")
        (options.output / "normalize_diagnoses.md").write_text(markdown + "\n", encoding="utf-8")
    return 0 if all(line.holds is not False for line in lines) else 1


MARKS = {True: "yes", False: "**no**", None: "–"}


def codes(rgba: np.ndarray) -> set[str]:
    return {finding.code for finding in diagnose(rgba)}


def measure_crops(subjects: list[np.ndarray], placed: list[np.ndarray]) -> Iterator[Line]:
    found = ["cropped" in codes(cut(rgba, side, share)) for rgba in placed for side in SIDES for share in CUT_SHARES]
    yield _share(f"cut by {CUT_SHARES[0]:.0%} or {CUT_SHARES[1]:.0%} at one side", "cropped ≥ 98 %", found, 0.98, 1.0)
    yield _share("whole, with room", "cropped ≤ 2 %", ["cropped" in codes(rgba) for rgba in placed], 0.0, 0.02)
    whole = [subject for subject in subjects if _has_room(subject)]
    tight = ["cropped" in codes(crop_to_subject(subject)) for subject in whole]
    yield _share("whole, framed without any margin", "cropped ≤ 2 %", tight, 0.0, 0.02)


def _has_room(rgba: np.ndarray) -> bool:
    edges = rgba[:ROOM_PX], rgba[-ROOM_PX:], rgba[:, :ROOM_PX], rgba[:, -ROOM_PX:]
    return not any((edge[..., 3] > 12).any() for edge in edges)


def measure_tilts(placed: list[np.ndarray]) -> Iterator[Line]:
    errors, applied = [], 0
    for rgba in placed:
        for degrees in TURNS_DEG:
            for finding in diagnose(turn(rgba, degrees)):
                if finding.code == "tilt":
                    applied += 1
                    errors.append(abs(finding.measure - degrees))
    worst = max(errors, default=0.0)
    within = all(error <= TILT_TOLERANCE_DEG for error in errors)
    many = len(placed) * len(TURNS_DEG)
    measured = f"worst {worst:.0f}°, median {np.median(errors or [0]):.0f}°; applied to {applied} of {many}"
    yield Line("turned by 6°, 10°, 14° either way", "within 4° where applied", measured, within)
    yield _share("as they are", "tilt ≤ 2 %", ["tilt" in codes(rgba) for rgba in placed], 0.0, 0.02)


def measure_sharpness(subjects: list[np.ndarray]) -> Iterator[Line]:
    falsely = np.mean(["blur" in codes(subject) for subject in subjects])
    for sigma in (2.0, 4.0):
        found = np.mean(["blur" in codes(blur(subject, sigma)) for subject in subjects])
        balanced = float(found + 1 - falsely) / 2
        measured = f"{balanced:.1%} ({found:.0%} found, {falsely:.0%} false)"
        yield Line(f"blurred by {sigma:.0f} px of 768", "balanced accuracy ≥ 95 %", measured, balanced >= 0.95)
    large = [subject for subject in subjects if max(crop_to_subject(subject).shape[:2]) >= 768]
    soft = {"blur", "fake_resolution"}
    falsely = np.mean([bool(soft & codes(subject)) for subject in large])
    for side in ENLARGED_FROM_PX:
        found = np.mean([bool(soft & codes(enlarge(subject, side))) for subject in large])
        measured = f"{float(found + 1 - falsely) / 2:.1%} ({found:.0%} found, {falsely:.0%} false)"
        yield Line(f"enlarged from {side} px", "warns", measured, None)


def measure_counts(placed: list[np.ndarray]) -> Iterator[Line]:
    pairs = ["several_subjects" in codes(put_beside(rgba)) for rgba in placed]
    yield _share("two, apart", "several ≥ 98 %", pairs, 0.98, 1.0)
    yield _share("one", "several ≤ 2 %", ["several_subjects" in codes(rgba) for rgba in placed], 0.0, 0.02)


def measure_limbs() -> Iterator[Line]:
    apart, merged = [], []
    for arm_deg in (0.0, 5.0, 25.0, 35.0, 45.0, 60.0, 75.0, 90.0):
        for leg_deg in (0.0, 5.0, 8.0, 12.0):
            for thickness in (0.35, 0.5, 0.65):
                rgba, arms_apart, legs_apart = draw_doll(arm_deg, leg_deg, thickness)
                is_merged = "limbs_merged" in codes(rgba)
                (apart if arms_apart and legs_apart else merged).append(is_merged)
    yield _share("dolls with a limb at the body", "warns", merged, None, None)
    yield _share("dolls in A and T pose", "limbs merged ≤ 5 %", apart, 0.0, 0.05)


def measure_time(placed: list[np.ndarray]) -> Line:
    """CPU time of the whole diagnosis at 1024 px."""
    start = time.process_time()
    for rgba in placed:
        diagnose(rgba)
    seconds = (time.process_time() - start) / len(placed)
    return Line("whole diagnosis of 1024 px", f"< {LONGEST_S} s CPU", f"{seconds:.2f} s", seconds < LONGEST_S)


def _share(test: str, bar: str, found: list[bool], least: float | None, most: float | None) -> Line:
    share = float(np.mean(found))
    holds = None if least is None or most is None else least <= share <= most
    return Line(test, bar, f"{share:.1%} of {len(found)}", holds)


if __name__ == "__main__":
    sys.exit(main())
