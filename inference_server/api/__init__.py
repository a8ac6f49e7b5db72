# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP interface, version 1: one blueprint a noun."""
