# SPDX-License-Identifier: GPL-3.0-or-later
"""The draft engine: one picture to a textured, rigged mesh by classical means; deterministic, no weights, no torch."""
