# SPDX-License-Identifier: GPL-3.0-or-later
"""What texturing a mesh can fail with.

    BakeError (ValueError)
    ├── MeshUnusable       no faces, broken numbers, too many faces
    ├── ViewsUnusable      no views, or pictures that are not square pictures
    └── UnwrapperMissing   texture coordinates are needed and xatlas is not installed

Every message says what happened, why, and what to do next.
"""


class BakeError(ValueError):
    """This mesh cannot be textured from these pictures."""


class MeshUnusable(BakeError):
    """The mesh is not one that can carry a texture."""


class ViewsUnusable(BakeError):
    """The pictures cannot be put onto a mesh."""


class UnwrapperMissing(BakeError):
    """Nothing here can lay out texture coordinates."""
