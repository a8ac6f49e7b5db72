# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m inference_server.stages.devices: the GPUs that networks can compute on, as JSON.

A process of its own, because torch takes seconds to import and a driver may bring its process down.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict

from inference_server.core.lifeline import end_with_parent


def main() -> None:
    """Print them, the one that networks take first."""
    end_with_parent(lambda: os._exit(0))
    from models.common.device import find_gpus

    sys.stdout.write(json.dumps([asdict(gpu) for gpu in find_gpus()]))


if __name__ == "__main__":
    main()
