# SPDX-License-Identifier: GPL-3.0-or-later
"""Making safetensors of a published pickle, once, with a reader that builds tensors and runs nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from inference_server.errors import DiskFull, EngineUnavailable, WeightsCorrupt, WeightsMissing, typed_system_errors
from inference_server.weights import FetchedSet, WeightFile, WeightStore, hash_file

# Kept free beside the new file: the same disk holds jobs and their cache.
_SPARE_BYTES = 1 << 30


def convert(store: WeightStore, weight_id: str, say: Callable[[str], None]) -> FetchedSet:
    """Convert one set and write down the digests of both files. say: gets a sentence a step.

    The pickle stays where it is and is not needed any more. Raises WeightsMissing (nothing to convert, nothing that
    needs it), WeightsCorrupt (also for a pickle that asks for more than tensors), DiskFull, EngineUnavailable.
    """
    weights = store.set_of(weight_id)
    if not weights.converted:
        raise WeightsMissing(f"{weights.title} is read as it was published.", "It needs no conversion.")
    source = store.published(weight_id)
    if not source.is_file():
        raise WeightsMissing(f"There is nothing to convert at {source}.", f"Run: figurine weights fetch {weight_id}")
    with typed_system_errors(str(store.root)):
        (published,) = weights.files
        say(f"{weights.title}: {published.path}, {source.stat().st_size / 1e6:,.0f} MB")
        known = store.record(weight_id)
        original = WeightFile(published.path, source.stat().st_size, hash_file(source))
        _check_source(weight_id, original, {file.path: file for file in known.files} if known else {})
        target = store.folder(weight_id) / weights.converted
        _write(source, target, weight_id)
        made = WeightFile(weights.converted, target.stat().st_size, hash_file(target))
        fetched = FetchedSet(known.revision if known else "", (original, made))
        store.write_record(weight_id, fetched)
        return fetched


def _check_source(weight_id: str, original: WeightFile, known: dict[str, WeightFile]) -> None:
    """Raises WeightsCorrupt where the pickle is not the one that was fetched."""
    if original.path in known and known[original.path].sha256 != original.sha256:
        raise WeightsCorrupt(
            f"{original.path} differs from the file that was fetched.",
            f"Run: figurine weights fetch {weight_id} --again",
        )


def _write(source: Path, target: Path, weight_id: str) -> None:
    """Put the tensors of the pickle into a safetensors file, whole or not at all."""
    try:
        from safetensors.torch import save_file

        from models.common.checkpoint import CheckpointError
        from models.common.pickled import read_pickled
    except ImportError as error:
        raise EngineUnavailable(
            "Converting weights needs torch and safetensors, which are not installed.",
            "Run: pip install 'figurine[neural]'",
        ) from error
    try:
        tensors = read_pickled(source)
    except CheckpointError as error:
        raise WeightsCorrupt(str(error), f"Run: figurine weights fetch {weight_id} --again") from error
    wanted = sum(tensor.nbytes for tensor in tensors.values()) + _SPARE_BYTES
    if shutil.disk_usage(target.parent).free < wanted:
        raise DiskFull(
            f"The converted weights need {wanted / 1e6:,.0f} MB on the disk of {target.parent}.",
            "Free some space there, or set FIGURINE_HOME to another disk.",
        )
    fresh = target.with_name(f"{target.name}.tmp")
    try:
        save_file(tensors, fresh)
        shutil.copymode(source, fresh)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
