# SPDX-License-Identifier: GPL-3.0-or-later
"""What the networks' own code says of its weights and of memory, as errors of the tree."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from inference_server.errors import OutOfMemory, WeightsCorrupt, WeightsMissing


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


@contextmanager
def memory_errors(what: str, hint: str) -> Iterator[None]:
    """Raises OutOfMemory where memory runs out, on the device or beside it.

    what: was done meanwhile, for a sentence. torch must be installed.
    """
    from models.common.offload import is_shortage

    try:
        yield
    except Exception as error:
        if not is_shortage(error):
            raise
        raise OutOfMemory(f"Memory ran out while {what}.", hint) from error
