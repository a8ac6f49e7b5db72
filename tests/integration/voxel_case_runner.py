# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the cases of Voxelize in this Python's Blender; needs nothing but bpy, numpy and the checkout.

    python -m tests.integration.voxel_case_runner ANSWER.json [CASE…]

ANSWER.json: {case: {seconds, trouble, measured}}, written anew after each case: a crash leaves what was done.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
import traceback
from pathlib import Path

import bpy

HERE = Path(__file__).resolve().parent
OPERATORS = HERE.parents[1] / "blender_addon" / "operators"


def main(answer: Path, wanted: list[str]) -> None:
    """Each case in factory settings."""
    for file in sorted(OPERATORS.glob("*vox*.py")):
        for kind in getattr(importlib.import_module(f"blender_addon.operators.{file.stem}"), "CLASSES", ()):
            bpy.utils.register_class(kind)
    modules = [
        importlib.import_module(f"tests.integration.{file.stem}") for file in sorted(HERE.glob("voxel_*cases.py"))
    ]
    cases = {name[5:]: case for module in modules for name, case in vars(module).items() if name.startswith("case_")}
    verdicts = {}
    for name in wanted or cases:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        start, trouble = time.perf_counter(), ""
        try:
            cases[name]()
        except Exception:
            trouble = traceback.format_exc()
        verdicts[name] = {"seconds": time.perf_counter() - start, "trouble": trouble, "measured": {}}
        answer.write_text(json.dumps(verdicts), encoding="utf-8")
        print(name, "failed" if trouble else "passed", trouble, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
    # Without Blender's own clean-up, which has crashed after finished work.
    os._exit(0)
