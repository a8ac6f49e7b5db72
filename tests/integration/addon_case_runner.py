# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the importer's cases in this Python's Blender; needs nothing but bpy, numpy and the checkout.

    python -m tests.integration.addon_case_runner FIXTURES.json SCRATCH ANSWER.json [CASE…]

ANSWER.json: {case: {seconds, trouble, measured}}, written anew after each case: a crash leaves what was done.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

import bpy

from tests.integration import (
    addon_animation_cases,
    addon_bound_cases,
    addon_candidate_cases,
    addon_clip_cases,
    addon_failure_cases,
    addon_import_cases,
    addon_mirror_cases,
    addon_modifier_cases,
    addon_output_cases,
    addon_pose_cases,
    addon_registration_cases,
    addon_rigging_cases,
    addon_skin_cases,
    addon_state_cases,
)
from tests.integration.addon_scene import Bench

# Posing, animation and re-rigging register parts by themselves: the add-on as a whole cannot be switched on after them.
MODULES = (
    addon_import_cases,
    addon_state_cases,
    addon_failure_cases,
    addon_registration_cases,
    addon_pose_cases,
    addon_animation_cases,
    addon_clip_cases,
    addon_skin_cases,
    addon_rigging_cases,
    addon_candidate_cases,
    addon_output_cases,
    addon_bound_cases,
    addon_mirror_cases,
    addon_modifier_cases,
)


def main(fixtures: Path, scratch: Path, answer: Path, wanted: list[str]) -> None:
    """Each case in factory settings, with a scratch folder of its own."""
    results = json.loads(fixtures.read_text(encoding="utf-8"))
    cases = {name[5:]: case for module in MODULES for name, case in vars(module).items() if name.startswith("case_")}
    verdicts = {}
    for name in wanted or cases:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        bench = Bench(results, Path(tempfile.mkdtemp(dir=scratch, prefix=f"{name}-")))
        start, trouble = time.perf_counter(), ""
        try:
            cases[name](bench)
        except Exception:
            trouble = traceback.format_exc()
        seconds = time.perf_counter() - start
        verdicts[name] = {"seconds": seconds, "trouble": trouble, "measured": bench.measured}
        answer.write_text(json.dumps(verdicts), encoding="utf-8")
        print(name, "failed" if trouble else "passed", round(seconds, 2), bench.measured, trouble, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4:])
    # Without Blender's own clean-up, which has crashed after finished work.
    os._exit(0)
