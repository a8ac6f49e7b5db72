# SPDX-License-Identifier: GPL-3.0-or-later
"""Why something cannot be turned into voxels, or a file of voxels cannot be read.

FigurineError
└── VoxelError
    ├── MeshUnusable      no faces, no extent, a coordinate that is no number, arrays that do not fit each other
    ├── SizeOutOfRange    too few or too many voxels
    ├── GapOutOfRange     a gap that leaves nothing of the voxel
    ├── TooManyFaces      voxels of many faces, and many of them
    ├── UvMissing         a material has an image and the mesh has no UV map
    ├── PaletteInvalid    no colour, too many of them, a picture that is none
    ├── BakeTooLarge      an animation of more faces than Blender should be given
    └── VoxFileDamaged    not a .vox file, or one that does not hold what it announces
"""

from __future__ import annotations

from ..errors import FigurineError
from ..phrases import phrase


class VoxelError(FigurineError):
    """Anything that keeps a mesh from becoming voxels."""


class MeshUnusable(VoxelError):
    """The mesh has nothing to voxelize."""

    def __init__(self, why: str, hint: str = "Choose another mesh, or repair this one in Edit Mode.") -> None:
        super().__init__(phrase("The mesh cannot be voxelized: {why}.", why=phrase(why)), hint)


class SizeOutOfRange(VoxelError):
    """The number of voxels is not one that can be made."""

    def __init__(self, what: str, low: int, high: int, given: object) -> None:
        super().__init__(
            phrase(
                "{what} is {given}, and must be a whole number from {low} to {high}.",
                what=phrase(what),
                given=given,
                low=low,
                high=high,
            ),
            "Change it.",
        )

    @classmethod
    def in_millimetres(cls, what: str, most: float, given: float) -> SizeOutOfRange:
        """A length of the print."""
        error = cls(what, 0, 0, given)
        error.message = phrase(
            "{what} is {given:g} mm, and must be more than 0 and at most {most:,.0f} mm.",
            what=phrase(what),
            given=given,
            most=most,
        )
        error.args = (error.message,)
        return error

    @classmethod
    def too_wide(cls, cells: int, most: int) -> SizeOutOfRange:
        """The height is fine and the mesh so wide that the grid would be too large."""
        error = cls("Size", 1, 1, 1)
        error.message = phrase(
            "The mesh is so wide that its grid would have {cells:,} cells; {most:,} are the most.",
            cells=cells,
            most=most,
        )
        error.hint = "Choose a smaller size."
        error.args = (error.message,)
        return error


class GapOutOfRange(VoxelError):
    """Nothing of a voxel would be left."""

    def __init__(self, given: float, most: float) -> None:
        super().__init__(
            phrase("Gap is {given:g}, and must be a share of the voxel from 0 to {most:g}.", given=given, most=most),
            "Change it.",
        )


class TooManyFaces(VoxelError):
    """A mesh that Blender could hardly work with."""

    def __init__(self, count: int, most: int) -> None:
        super().__init__(
            phrase(
                "In this style the voxels would have {count:,} faces; {most:,} are the most.", count=count, most=most
            ),
            "Choose a smaller size, or the style Cube without a gap.",
        )


class UvMissing(VoxelError):
    """A texture cannot be looked up."""

    def __init__(self) -> None:
        super().__init__(
            "The mesh has a texture and no UV map, so its colours cannot be found.",
            "Unwrap the mesh, or take the colours from the vertices or the materials.",
        )


class PaletteInvalid(VoxelError):
    """What should be a palette is none."""

    def __init__(self, why: str) -> None:
        super().__init__(
            phrase("The palette cannot be used: {why}.", why=phrase(why)),
            "Choose another palette, or from 2 to 255 colours.",
        )


class BakeTooLarge(VoxelError):
    """An animation has too many frames of too many voxels."""

    def __init__(self, frame: int, most: int) -> None:
        super().__init__(
            phrase(
                "The bake has more than {most:,} faces by frame {frame}, which would fill the memory.",
                most=most,
                frame=frame,
            ),
            "Choose a smaller size, a larger step, or fewer frames.",
        )


class VoxFileDamaged(VoxelError):
    """The file is not what MagicaVoxel writes."""

    def __init__(self, why: str) -> None:
        super().__init__(
            phrase("The .vox file cannot be read: {why}.", why=phrase(why)), "Export it from MagicaVoxel again."
        )
