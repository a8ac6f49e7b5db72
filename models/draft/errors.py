# SPDX-License-Identifier: GPL-3.0-or-later
"""What the draft engine can fail with.

    DraftError (ValueError)
    ├── NoSubjectFound      the picture shows nothing that stands out from its background
    └── EmptySurfaceFound   the subject is there, but too thin or too faint to become a closed surface

Every message says what happened, why, and what to do next.
"""


class DraftError(ValueError):
    """The draft engine cannot turn this picture into a model."""


class NoSubjectFound(DraftError):
    """The picture shows no subject that could be cut out."""


class EmptySurfaceFound(DraftError):
    """The subject leaves no closed surface at the mesh's resolution."""
