# SPDX-License-Identifier: GPL-3.0-or-later
"""The job engine behind job.py: what becomes of each job, on a thread of its own. Knows no Blender."""
