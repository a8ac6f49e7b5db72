# SPDX-License-Identifier: GPL-3.0-or-later
"""The project's folder, and the Python that has the server's packages: that of the Blender which runs a case may have
none of them.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Set by whoever starts a Blender of another Python. Not FIGURINE_…: the server refuses settings that it does not know.
VARIABLE = "PROJECT_PYTHON"


def project_python() -> str:
    """The program."""
    return os.environ.get(VARIABLE, sys.executable)
