# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on in a real Blender window."""
