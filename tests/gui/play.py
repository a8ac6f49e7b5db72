# SPDX-License-Identifier: GPL-3.0-or-later
"""Plays a scenario in Blender's window.

    blender --enable-event-simulate --python play.py -- MODULE FUNCTION PARAMETERS.json

FUNCTION(driver, **parameters) of MODULE, a file beside this one, is run by a persistent timer, so it survives the
opening of files. When it ends, Blender is closed by the clean way; when it raises, Blender ends at once with exit
code 3 and the traceback.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import traceback
from pathlib import Path

import bpy

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
# In the first turn of the timer it is too late: the splash screen is there and eats the first clicks.
bpy.context.preferences.view.show_splash = False
# Blender asks before closing a changed file, and nobody is there to answer.
bpy.context.preferences.view.use_save_prompt = False

_FAILED_EXIT_CODE = 3
_FIRST_TURN_S = 1.0


def _main() -> None:
    from driver import Driver

    module, function, parameters = sys.argv[sys.argv.index("--") + 1 :]
    given = json.loads(Path(parameters).read_text())
    driver = Driver(Path(given.pop("screen")), Path(given.pop("out")))
    steps = getattr(importlib.import_module(module), function)(driver, **given)

    def turn() -> float | None:
        try:
            return next(steps)
        except StopIteration:
            bpy.ops.wm.quit_blender()
        except BaseException:
            _fail()
        return None

    bpy.app.timers.register(turn, first_interval=_FIRST_TURN_S, persistent=True)


def _fail() -> None:
    traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_FAILED_EXIT_CODE)


try:
    _main()
except Exception:
    _fail()
