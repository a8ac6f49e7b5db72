# SPDX-License-Identifier: GPL-3.0-or-later
"""A figure made in a thread of its own, which can be watched and given up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from .blocky import Skeleton
from .figure_mesh import FigureInstances, FigureLook, FigureMesh, scene_figure
from .mesh import SurfaceMesh
from .voxelize import VoxelFigure, VoxelSettings, voxelize

VOXELS_SHARE = 0.8  # of the work; the rest is the figure's faces


@dataclass(frozen=True, eq=False)
class FigureOrder:
    """All that a figure is made from."""

    mesh: SurfaceMesh
    skeleton: Skeleton | None
    settings: VoxelSettings
    look: FigureLook


@dataclass(frozen=True, eq=False)
class MadeFigure:
    """The voxels, and what is shown of them."""

    figure: VoxelFigure
    mesh: FigureMesh | FigureInstances


def make(order: FigureOrder, report: Callable[[float], None]) -> MadeFigure:
    """Make the figure here and now. report: as of voxelize. Raises VoxelError, MemoryError."""
    figure = voxelize(order.mesh, order.settings, lambda share: report(VOXELS_SHARE * share))
    mesh = scene_figure(figure, order.skeleton, order.look)
    report(1.0)
    return MadeFigure(figure, mesh)


class _GivenUpError(Exception):
    """Nobody waits for the figure any more."""


class FigureWork:
    """Makes a figure in a thread, which begins at once. share: of the work that is done, 0 to 1."""

    def __init__(self, order: FigureOrder) -> None:
        self.share = 0.0
        self._is_given_up = False
        self._made: MadeFigure | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(order,), name="figurine-voxels", daemon=True)
        self._thread.start()

    def is_done(self, timeout_s: float = 0.0) -> bool:
        """Whether there is a result, or a reason for none; waits for it at most so long."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def give_up(self) -> None:
        """The thread ends by itself at its next report; nothing comes of it."""
        self._is_given_up = True

    def result(self) -> MadeFigure:
        """The figure, once it is done. Raises what its making raised."""
        if self._made is None:
            raise self._error or RuntimeError("the figure is not done")
        return self._made

    def _run(self, order: FigureOrder) -> None:
        try:
            self._made = make(order, self._report)
        except BaseException as error:
            self._error = error

    def _report(self, share: float) -> None:
        self.share = share
        if self._is_given_up:
            raise _GivenUpError
