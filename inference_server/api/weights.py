# SPDX-License-Identifier: GPL-3.0-or-later
"""The networks' weights: which are here, and fetching the others. A set is asked for by its id in the manifest and by
nothing else: where it comes from and where it lies is never said in a request.
"""

from __future__ import annotations

import shutil

from flask import Blueprint, Response, jsonify

from inference_server.api.bodies import read_body
from inference_server.api.documents import DownloadDocument, ErrorBody, FetchRequest, WeightDocument, WeightList
from inference_server.api.operation import Operation, describe
from inference_server.api.services import Services, current_services
from inference_server.errors import (
    EngineUnavailable,
    NotFound,
    RequestInvalid,
    StateError,
    UnsupportedMedia,
    UploadTooLarge,
    WeightsCorrupt,
)
from inference_server.weights import WeightStore

blueprint = Blueprint("weights", __name__, url_prefix="/v1/weights")


@blueprint.get("")
@describe(
    Operation(
        "Every set of weights: whether it is here, and how far its download is.", {200: WeightList}, (WeightsCorrupt,)
    )
)
def list_weights() -> Response:
    services = current_services()
    store = services.downloads.store()
    folder = store.root if store.root.exists() else services.config.home
    return jsonify(
        WeightList(
            weights=tuple(_document(services, store, weights.id) for weights in store.sets()),
            free_bytes=shutil.disk_usage(folder).free,
            obstacle=services.downloads.obstacle,
        )
    )


@blueprint.post("/<weight_id>/fetch")
@describe(
    Operation(
        "Download a set, after those that were asked for before. Its licence has to be agreed to.",
        {202: WeightDocument},
        (EngineUnavailable, NotFound, RequestInvalid, StateError, UnsupportedMedia, UploadTooLarge, WeightsCorrupt),
        body=FetchRequest,
        body_is_required=True,
    )
)
def fetch_weights(weight_id: str) -> tuple[Response, int]:
    services = current_services()
    asked = read_body(FetchRequest)
    store = _store_with(services, weight_id)
    licence = store.set_of(weight_id).licence
    if asked.licence != licence:
        raise RequestInvalid(f"The licence of {weight_id} is {licence!r}.", "Read it, and send its name.")
    if store.state(weight_id) == "present":
        raise StateError(f"{store.set_of(weight_id).title} is here already.", "It can be used.")
    if services.downloads.obstacle:
        raise EngineUnavailable(services.downloads.obstacle, "Use a server that was installed with figurine[neural].")
    services.downloads.start(weight_id)
    return jsonify(_document(services, store, weight_id)), 202


@blueprint.delete("/<weight_id>/fetch")
@describe(
    Operation(
        "End a set's download, or forget that it failed. What it has fetched stays for the next one.",
        {200: WeightDocument},
        (NotFound, WeightsCorrupt),
    )
)
def cancel_fetch(weight_id: str) -> Response:
    services = current_services()
    store = _store_with(services, weight_id)
    services.downloads.cancel(weight_id)
    return jsonify(_document(services, store, weight_id))


def _store_with(services: Services, weight_id: str) -> WeightStore:
    """Raises NotFound for an id that the manifest does not have."""
    store = services.downloads.store()
    if weight_id not in {weights.id for weights in store.sets()}:
        raise NotFound("There is no such set of weights.", "/v1/weights lists them.")
    return store


def _document(services: Services, store: WeightStore, weight_id: str) -> WeightDocument:
    weights, download = store.set_of(weight_id), services.downloads.find(weight_id)
    size = store.size(weight_id)
    shown = None
    if download is not None:
        error = None if download.error is None else ErrorBody(**download.error)
        shown = DownloadDocument(download.step, download.done_bytes, download.total_bytes, error)
    return WeightDocument(
        id=weight_id,
        title=weights.title,
        use=weights.use,
        licence=weights.licence,
        repository=weights.repository,
        state=store.state(weight_id),
        size_bytes=size if size is not None else weights.about_bytes or None,
        is_size_exact=size is not None,
        fetched_bytes=store.fetched_bytes(weight_id),
        download=shown,
    )
