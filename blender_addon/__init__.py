# SPDX-License-Identifier: GPL-3.0-or-later
"""Figurine in Blender: from one picture to a posed character."""


def register() -> None:
    """Switch the add-on on."""
    from . import registration

    registration.register()


def unregister() -> None:
    """Switch it off, and leave nothing behind."""
    from . import registration

    registration.unregister()
