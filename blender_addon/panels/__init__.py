# SPDX-License-Identifier: GPL-3.0-or-later
"""Drawing only: nothing here reads a file, asks the network or changes anything."""
