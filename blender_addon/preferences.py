# SPDX-License-Identifier: GPL-3.0-or-later
"""Edit > Preferences > Add-ons > Figurine."""

# No postponed annotations: Blender reads them as they are.

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty

from . import runtime
from .connection import Connection, default_home, expanded_folder
from .errors import FolderUnknown
from .manifest import version
from .panels.preferences import draw_preferences
from .setup.environments import default_folder

# Blender cuts texts at an unstated length where none is given.
_MAX_TOKEN_LENGTH = 1024
_MAX_PATH_LENGTH = 1024

_MODES = (
    (
        "managed",
        "This Computer",
        "Blender installs, starts and stops the server. Pictures never leave this computer",
    ),
    (
        "address",
        "An Address",
        "Use a server that somebody else started, here or on another machine",
    ),
)


def _keep_absolute(name: str) -> Callable[[Any, bpy.types.Context], None]:
    """What keeps this folder the same place whatever file is open, and whatever was typed."""

    def update(chosen: Any, context: bpy.types.Context) -> None:
        text = getattr(chosen, name)
        if text.startswith("//") and not bpy.data.filepath:
            setattr(chosen, name, "")
            runtime.current().complain(FolderUnknown(text))
            return
        absolute = str(expanded_folder(bpy.path.abspath(text))) if text else ""
        if absolute != text:
            setattr(chosen, name, absolute)

    return update


class FigurinePreferences(bpy.types.AddonPreferences):
    """Where the server is, and what happens to it."""

    bl_idname = __package__

    mode: EnumProperty(name="Server", description="Where the server runs", items=_MODES, default="managed")
    address: StringProperty(
        name="Address",
        description="Where the server listens, such as 127.0.0.1:47110 or https://figurine.example.org",
        default="127.0.0.1:47110",
        maxlen=_MAX_PATH_LENGTH,
    )
    token: StringProperty(
        name="Token",
        description="The server's secret. For a server of yours on this computer it is found without being set",
        subtype="PASSWORD",
        maxlen=_MAX_TOKEN_LENGTH,
    )
    command: StringProperty(
        name="Server Command",
        description="Start this instead of the installed server, such as: figurine serve. Leave empty for the "
        "installed one",
        maxlen=_MAX_PATH_LENGTH,
    )
    keep_running: BoolProperty(
        name="Keep the Server Running After Blender Closes",
        description="Jobs go on when Blender is closed. The server then stays until Stop is pressed. Counts from the "
        "server's next start",
        default=False,
    )
    home: StringProperty(
        name="Data Folder",
        description="Where the server keeps jobs, results and its log. Leave empty for the usual place",
        subtype="DIR_PATH",
        maxlen=_MAX_PATH_LENGTH,
        update=_keep_absolute("home"),
    )
    install_folder: StringProperty(
        name="Installation Folder",
        description="Where Install Server puts the server. Leave empty for the usual place",
        subtype="DIR_PATH",
        maxlen=_MAX_PATH_LENGTH,
        update=_keep_absolute("install_folder"),
    )
    accepts_drops: BoolProperty(
        name="Drop Pictures on the Viewport",
        description="A picture that is dropped anywhere on the 3D viewport can go to Figurine. On the panel it "
        "always can",
        default=True,
    )

    def draw(self, context: bpy.types.Context) -> None:
        """The preferences' layout."""
        draw_preferences(self.layout, self)


def preferences(context: bpy.types.Context) -> FigurinePreferences:
    """The add-on's preferences; as they are at first where Blender has none, which `blender --addons` leads to."""
    entry = context.preferences.addons.get(__package__)
    if entry is not None:
        return entry.preferences
    rna = FigurinePreferences.bl_rna.properties
    return SimpleNamespace(**{name: rna[name].default for name in FigurinePreferences.__annotations__})


def choices(context: bpy.types.Context, paths: runtime.Paths, version: str) -> runtime.Choices:
    """What the preferences say, for the parts that know no Blender."""
    chosen = preferences(context)
    home = Path(chosen.home) if chosen.home else default_home()
    usual = default_folder(paths.folder, tuple(bpy.app.version))
    folder = Path(chosen.install_folder) if chosen.install_folder else usual
    connection = Connection(
        mode=chosen.mode,
        address=chosen.address.strip(),
        token=chosen.token.strip(),
        home=home,
        online_access=bpy.app.online_access,
        our_version=version,
    )
    return runtime.Choices(connection, chosen.command.strip(), folder, chosen.keep_running)


def paths() -> runtime.Paths:
    """Where the add-on's own files are; its folder for the user is made."""
    folder = Path(bpy.utils.extension_path_user(__package__, create=True))
    wheel = Path(__file__).parent / "server" / f"figurine-{version()}-py3-none-any.whl"
    return runtime.Paths(folder, wheel, bpy.app.binary_path, Path(sys.executable))


CLASSES = (FigurinePreferences,)
