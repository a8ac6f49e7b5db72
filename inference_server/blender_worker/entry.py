# SPDX-License-Identifier: GPL-3.0-or-later
"""`blender -b --factory-startup --python entry.py -- VERB REQUEST RESULT`: the worker in an installed Blender."""

import sys
from pathlib import Path

# Last, not first: beside this package may lie the modules of another Python, and Blender's own numpy must win.
sys.path.append(str(Path(__file__).resolve().parents[2]))

from inference_server.blender_worker.worker import main

main(sys.argv[sys.argv.index("--") + 1 :])
