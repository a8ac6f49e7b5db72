# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m inference_server is the figurine command."""

import sys

from inference_server.cli import main

if __name__ == "__main__":
    sys.exit(main())
