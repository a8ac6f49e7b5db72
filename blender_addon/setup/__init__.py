# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the server's environment. Knows no Blender."""
