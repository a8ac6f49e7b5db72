# SPDX-License-Identifier: GPL-3.0-or-later
"""What several networks share: reading checkpoints, convolutions and attention."""
