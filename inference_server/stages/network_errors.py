# SPDX-License-Identifier: GPL-3.0-or-later
"""What the networks' own code says of its weights, as errors of the tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from inference_server.errors import WeightsCorrupt, WeightsMissing


@contextmanager
def weight_errors(*weight_ids: str) -> Iterator[None]:
    """Raises WeightsMissing where a file is not there, WeightsCorrupt where one cannot be used.

    weight_ids: what to fetch or to verify then. torch must be installed.
    """
    from models.common.checkpoint import CheckpointError, CheckpointMissing

    named = " ".join(weight_ids)
    try:
        yield
    except CheckpointMissing as error:
        raise WeightsMissing(str(error), f"Run: figurine weights fetch {named}") from error
    except CheckpointError as error:
        raise WeightsCorrupt(str(error), f"Run: figurine weights verify {named}") from error
