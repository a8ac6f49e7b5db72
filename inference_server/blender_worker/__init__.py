# SPDX-License-Identifier: GPL-3.0-or-later
"""The one-shot Blender worker: an exchange folder in, FBX, GLB and preview out. The only server code that imports bpy.

    python -m inference_server.blender_worker VERB REQUEST_FOLDER RESULT_FOLDER
    blender -b --factory-startup --python inference_server/blender_worker/entry.py -- VERB REQUEST_FOLDER RESULT_FOLDER

Verbs (see `verbs.py` for what each reads and writes): `export` builds a rigged asset from arrays, `read` turns a mesh
file into arrays, `bind` puts a skeleton into a mesh file, `voxelize` makes a figure of voxels of one. Every array is in
Blender's frame.

Exit codes: 0 done; 1 the result folder's document holds {"error": {"code", "message", "hint"}}; 3 not even that could
be written; 4 the parent's pipe closed. A result folder under its final name is always complete. Everything else the
worker writes lies beside it, under names that start with `.partial-`.
"""
