# SPDX-License-Identifier: GPL-3.0-or-later
"""Loops compiled by numba, and kept compiled where there is a place for it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numba


def compile_loop(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function of arrays at its first call; it runs without Python's lock, so threads run side by side.

    The machine code is kept beside the source, or, where that folder cannot be written, in the user's cache folder, or
    where NUMBA_CACHE_DIR says. Where none of them can be written every process compiles anew, which takes seconds.
    """
    compile_anew = partial(numba.njit, nogil=True, error_model="numpy")
    try:
        return compile_anew(cache=True)(loop)
    except RuntimeError:  # numba's answer to having no folder to write to
        return compile_anew()(loop)
