# SPDX-License-Identifier: GPL-3.0-or-later
"""Voxels of any mesh, with its colours and its rig. Standard library and numpy only; no Blender.

Frame of everything here: Blender's, right-handed, +Z up; a character faces -Y and its left is +X. Callers convert.
"""
