# SPDX-License-Identifier: GPL-3.0-or-later
"""What Blender holds, as files that can be sent.

Pictures go into one folder, meshes and skeletons into another: of each only the last files are kept, and a picture is
shown long after it was written.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import bpy
import numpy as np

from .clipboard import PICTURE_SUFFIXES
from .errors import PictureUnreadable, typed_file_errors
from .job_settings import safe_name
from .phrases import phrase

# Pictures that were pasted or saved earlier and may still be shown in a panel; meshes that no job has taken yet.
_KEPT_FOLDERS = 20


def new_mesh_file(folder: Path, name: str, content: str) -> Path:
    """A fresh OBJ with this content. Raises DiskFull, FolderUnwritable."""
    return new_text_file(folder, name, ".obj", content)


def new_text_file(folder: Path, name: str, suffix: str, content: str) -> Path:
    """A fresh file with this content, which is ASCII; the oldest in the folder are removed. Raises DiskFull,
    FolderUnwritable. On any thread.
    """
    target = new_picture_file(folder, name).with_suffix(suffix)
    with typed_file_errors(folder):
        target.write_text(content, encoding="ascii")
    return target


def new_picture_file(folder: Path, name: str) -> Path:
    """A fresh path for a PNG, named for the artist; the oldest of its kind are removed. Raises DiskFull,
    FolderUnwritable.
    """
    with typed_file_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for old in sorted(path for path in folder.iterdir() if path.is_dir())[: -_KEPT_FOLDERS + 1]:
            shutil.rmtree(old, ignore_errors=True)
        fresh = folder / f"{time.time_ns():020d}"
        fresh.mkdir()
    return fresh / f"{safe_name(Path(name).stem)}.png"


def image_file(image: bpy.types.Image, folder: Path) -> Path:
    """A file with what the image shows now: its own where that is unchanged and of a format that the server reads,
    otherwise a new PNG in the folder.

    Raises PictureUnreadable, DiskFull, FolderUnwritable.
    """
    own = Path(bpy.path.abspath(image.filepath, library=image.library)) if image.filepath else None
    is_as_on_disk = image.source == "FILE" and not image.is_dirty and image.packed_file is None
    if is_as_on_disk and own and own.suffix.lower() in PICTURE_SUFFIXES and own.is_file():
        return own
    width, height = image.size
    if image.channels < 3 or width * height == 0:
        raise PictureUnreadable(image.name, "Blender has no colours of it")
    pixels = np.empty(width * height * image.channels, dtype=np.float32)
    image.pixels.foreach_get(pixels)
    rgba = np.ones((width * height, 4), dtype=np.float32)
    rgba[:, : image.channels] = pixels.reshape(-1, image.channels)
    target = new_picture_file(folder, image.name)
    write_png(_srgb_of_linear(rgba) if image.is_float else rgba, (width, height), target)
    return target


def render_result_file(scene: bpy.types.Scene, folder: Path) -> Path:
    """What was rendered last, as it is displayed. Raises PictureUnreadable, DiskFull, FolderUnwritable."""
    image = next((image for image in bpy.data.images if image.type == "RENDER_RESULT"), None)
    target = new_picture_file(folder, "Render")
    settings = scene.render.image_settings
    names = [name for name in ("media_type", "file_format", "color_mode", "color_depth") if hasattr(settings, name)]
    before = [(name, getattr(settings, name)) for name in names]
    try:
        if "media_type" in names:
            settings.media_type = "IMAGE"
        settings.file_format, settings.color_mode, settings.color_depth = "PNG", "RGBA", "8"
        if image is not None:
            image.save_render(str(target), scene=scene)
    except RuntimeError as error:
        raise PictureUnreadable("The render result", "nothing was rendered yet", "Render an image with F12.") from error
    finally:
        for name, value in before:
            setattr(settings, name, value)
    if not target.is_file():
        raise PictureUnreadable("The render result", "nothing was rendered yet", "Render an image with F12.")
    return target


def _srgb_of_linear(rgba: np.ndarray) -> np.ndarray:  # rgba: (N, 4) float32, premultiplied as float images are
    alpha = rgba[:, 3:]
    colours = np.divide(rgba[:, :3], alpha, out=np.zeros_like(rgba[:, :3]), where=alpha > 0).clip(0, 1)
    encoded = np.where(colours <= 0.0031308, colours * 12.92, 1.055 * colours ** (1 / 2.4) - 0.055)  # IEC 61966-2-1
    return np.hstack([encoded, alpha.clip(0, 1)]).astype(np.float32)


def write_png(rgba: np.ndarray, size: tuple[int, int], target: Path) -> None:
    """A PNG of rgba (W * H, 4) float32, rows upward, as it is displayed. Raises PictureUnreadable."""
    copy = bpy.data.images.new("figurine", *size, alpha=True)
    try:
        copy.pixels.foreach_set(np.ascontiguousarray(rgba).ravel())
        copy.filepath_raw = str(target)
        copy.file_format = "PNG"
        copy.save()
    except RuntimeError as error:
        raise PictureUnreadable(
            target.stem, phrase("it could not be written to {folder}", folder=target.parent)
        ) from error
    finally:
        bpy.data.images.remove(copy)
