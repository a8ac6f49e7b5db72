# SPDX-License-Identifier: GPL-3.0-or-later
"""What is set at the sockets of a Geometry Nodes modifier: properties from Blender 5.2 on, custom ones before."""

from __future__ import annotations

import bpy


def is_on(modifier: bpy.types.NodesModifier, identifier: str) -> bool:
    """The value of a switch."""
    if hasattr(modifier, "properties"):
        return bool(getattr(modifier.properties.inputs, identifier).value)
    return bool(modifier.get(identifier, False))


def switch(modifier: bpy.types.NodesModifier, identifier: str, value: bool) -> None:
    """Set a switch; the object has to be told with update_tag."""
    if hasattr(modifier, "properties"):
        getattr(modifier.properties.inputs, identifier).value = value
    else:
        modifier[identifier] = value
