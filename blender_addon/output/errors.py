# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be wrong with a figure that is to be exported.

FigurineError
└── FigureUnusable · PlaceUnusable · ExportFailed
"""

from __future__ import annotations

from ..errors import FigurineError


class FigureUnusable(FigurineError):
    """This figure cannot become such a file; nothing was written."""


class PlaceUnusable(FigurineError):
    """No file can be where it was asked for."""


class ExportFailed(FigurineError):
    """Blender's exporter, or its mesh tools, did not do it; nothing was written."""
