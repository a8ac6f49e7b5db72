# SPDX-License-Identifier: GPL-3.0-or-later
"""Animation: clips as data by bone role, clips of other figures, the mathematics of both, and what Blender needs."""
