# SPDX-License-Identifier: GPL-3.0-or-later
"""`python -m inference_server.blender_worker`: the worker in the environment's bpy module."""

import sys

from inference_server.blender_worker.worker import main

if __name__ == "__main__":
    main(sys.argv[1:])
