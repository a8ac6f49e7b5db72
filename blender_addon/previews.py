# SPDX-License-Identifier: GPL-3.0-or-later
"""Small pictures for the panel. Blender reads the files on a thread of its own when they are first drawn."""

from __future__ import annotations

from pathlib import Path

import bpy
from bpy.utils import previews

from .jobs.views import JobView

# Suffixes of pictures that every Blender shows.
_READABLE = (".png", ".jpg", ".jpeg", ".webp")

_collection: previews.ImagePreviewCollection | None = None
_shown_picture = ""


def add_previews() -> None:
    """Make the collection."""
    global _collection
    _collection = previews.new()


def remove_previews() -> None:
    """Free the collection and what it holds."""
    global _collection, _shown_picture
    if _collection is not None:
        previews.remove(_collection)
    _collection = None
    _shown_picture = ""


def show_picture(path: str) -> bool:
    """Have the chosen picture ready for `picture_icon`; whether that is a change. Not for draw()."""
    global _shown_picture
    assert _collection is not None
    absolute = bpy.path.abspath(path) if path else ""
    if absolute == _shown_picture:
        return False
    if _picture_key(_shown_picture) in _collection:
        del _collection[_picture_key(_shown_picture)]  # pop() would leave it in Blender's cache
    _shown_picture = absolute
    if absolute:
        _collection.load(_picture_key(absolute), absolute, "IMAGE")
    return True


def picture_icon() -> int:
    """The chosen picture's icon; 0 where none is chosen."""
    return _icon(_picture_key(_shown_picture))


def show_thumbnails(paths: list[Path]) -> None:
    """Have these and no other thumbnails ready. Not for draw()."""
    assert _collection is not None
    wanted = {_thumbnail_key(path): path for path in paths}
    for key in [key for key in _collection if key.startswith("job:") and key not in wanted]:
        del _collection[key]
    for key, path in wanted.items():
        if key not in _collection:
            _collection.load(key, str(path), "IMAGE")


def row_picture(job: JobView) -> Path | None:
    """What stands for a job in a list: its small picture, or what was sent where Blender reads that."""
    if job.thumbnail is not None or not job.picture.endswith(_READABLE):
        return job.thumbnail
    return Path(job.picture)


def pictures_of(job: JobView) -> list[Path]:
    """All that the panel shows of a job."""
    judged = [] if job.review is None else list(job.review.pictures.values())
    small = row_picture(job)
    return judged if small is None else [small, *judged]


def thumbnail_icon(path: Path | None) -> int:
    """The icon of a thumbnail; 0 where there is none."""
    return 0 if path is None else _icon(_thumbnail_key(path))


def _icon(key: str) -> int:
    return _collection[key].icon_id if _collection is not None and key in _collection else 0


def _picture_key(path: str) -> str:
    return f"picture:{path}"


def _thumbnail_key(path: Path) -> str:
    return f"job:{path}"
