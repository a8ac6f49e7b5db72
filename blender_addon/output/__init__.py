# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures for elsewhere: game engines, VRM, printers, the asset browser."""
