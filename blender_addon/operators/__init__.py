# SPDX-License-Identifier: GPL-3.0-or-later
"""What buttons do: one verb, or one place of pictures, a file."""
