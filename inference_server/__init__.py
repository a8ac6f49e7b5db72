# SPDX-License-Identifier: GPL-3.0-or-later
"""Figurine's inference server: one picture of a character in, a rigged asset out."""

__version__ = "0.1.0"
