# SPDX-License-Identifier: GPL-3.0-or-later
"""Engines of the export stage."""
