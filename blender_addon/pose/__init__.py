# SPDX-License-Identifier: GPL-3.0-or-later
"""Posing: poses as data by bone role, the mathematics that fits them to a rig, and what Blender needs for it."""
