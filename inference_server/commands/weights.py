# SPDX-License-Identifier: GPL-3.0-or-later
"""figurine weights: which networks' weights there are, which are here; fetch them; check them."""

from __future__ import annotations

import argparse
import json

from tqdm import tqdm

from inference_server.config import load_config, make_home
from inference_server.errors import FigurineError
from inference_server.weights import WeightStore, read_manifest


def list_weights(options: argparse.Namespace) -> int:
    """Print every set and whether it is here."""
    store = _store()
    rows = [
        {
            "id": weights.id,
            "state": store.state(weights.id),
            "title": weights.title,
            "use": weights.use,
            "repository": weights.repository,
            "licence": weights.licence,
            "folder": str(store.folder(weights.id)),
        }
        for weights in store.sets()
    ]
    if options.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        print(
            f"  {row['state']:<8} {row['id']:<20} {row['title']}: {row['use']} ({row['licence']}, {row['repository']})"
        )
    return 0


def fetch_weights(options: argparse.Namespace) -> int:
    """Fetch the named sets; what is here already is left alone."""
    from inference_server.weights_hub import fetch

    store = _store()
    for weight_id in options.ids:
        if store.state(weight_id) == "present" and not options.again:
            print(f"{weight_id} is here.")
            continue
        fetched = fetch(store, weight_id, print)
        print(f"{weight_id}: {len(fetched.files)} files of commit {fetched.revision[:12]} in {store.folder(weight_id)}")
    return 0


def verify_weights(options: argparse.Namespace) -> int:
    """Read every byte of the named sets, of all that are here by default; 1 when one is damaged."""
    store = _store()
    ids = options.ids or [weights.id for weights in store.sets() if store.folder(weights.id).is_dir()]
    damaged = False
    for weight_id in ids:
        size = sum(path.stat().st_size for path in store.folder(weight_id).rglob("*") if path.is_file())
        try:
            with tqdm(total=size, unit="B", unit_scale=True, desc=weight_id, disable=None, leave=False) as bar:
                store.verify(weight_id, bar.update)
        except FigurineError as error:
            damaged = True
            print(f"{weight_id}: {error}")
        else:
            print(f"{weight_id} is whole.")
    if not ids:
        print("No weights are here. See figurine weights list.")
    return 1 if damaged else 0


def _store() -> WeightStore:
    config = load_config().config
    make_home(config)
    return WeightStore(config.weights_root, read_manifest())
