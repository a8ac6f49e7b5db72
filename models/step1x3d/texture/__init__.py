# SPDX-License-Identifier: GPL-3.0-or-later
"""Step1X-3D's texture half: six views of a mesh, painted by a multi-view SDXL and baked onto it.

`mesh_preparation.py`, `cameras.py` and `geometry_maps.py` show the mesh to the network, `reference_image.py` the
picture; `bake.py` carries the painted views back.
"""
