# SPDX-License-Identifier: GPL-3.0-or-later
"""Measurements. They print and write numbers; they assert nothing."""
