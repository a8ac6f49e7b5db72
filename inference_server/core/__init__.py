# SPDX-License-Identifier: GPL-3.0-or-later
"""The vocabulary: types, frames, the stage protocol, the pipeline, the exchange format, validators."""
