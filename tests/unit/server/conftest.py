# SPDX-License-Identifier: GPL-3.0-or-later
"""The application under test."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.unit.server.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.store.close()


@pytest.fixture
def picture(make_figure_picture: Callable[..., Image.Image]) -> bytes:
    """A PNG of a person, 64 pixels a side."""
    stream = io.BytesIO()
    make_figure_picture(64).save(stream, "PNG")
    return stream.getvalue()
