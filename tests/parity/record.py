# SPDX-License-Identifier: GPL-3.0-or-later
"""Records our own golden vectors, with our own seeds; only after parity with the reference's was proven.

python tests/parity/record.py
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[1])]


def record_birefnet() -> None:
    """A network of odd widths: a picture and its logits."""
    import test_birefnet

    x = np.random.default_rng(20).normal(size=(1, 3, 64, 96)).astype(np.float32)
    with torch.inference_mode():
        logits = test_birefnet.own_network()(torch.from_numpy(x)).numpy()
    np.savez_compressed(test_birefnet.OWN_VECTORS, x=x, logits=logits)


if __name__ == "__main__":
    record_birefnet()
