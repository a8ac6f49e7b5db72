# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the server is there, and what it can do."""

from __future__ import annotations

import time
from typing import get_args

from flask import Blueprint, Response, jsonify

from inference_server.api.documents import (
    CapabilitiesDocument,
    FullHealthDocument,
    HealthDocument,
    LimitsDocument,
    StageCapability,
    WorkerDocument,
)
from inference_server.api.operation import Operation, describe
from inference_server.api.services import current_services
from inference_server.core.chains import CHAINS, ENGINES, MESH_SUFFIXES, PICTURE_FORMATS
from inference_server.core.choices import EnginePolicy, KindChoice
from inference_server.security import has_token

blueprint = Blueprint("health", __name__, url_prefix="/v1")


@blueprint.get("/health")
@describe(
    Operation(
        "Whether the server is there; with the token, also its worker and what it computes on.",
        {200: FullHealthDocument | HealthDocument},
        is_open=True,
    )
)
def show_health() -> Response:
    services = current_services()
    if not has_token(services):
        return jsonify(HealthDocument("figurine", "ok", services.version))
    worker = WorkerDocument(
        services.worker.is_worker_alive, services.store.count("running"), services.store.count("queued")
    )
    uptime_s = time.monotonic() - services.started_s
    return jsonify(FullHealthDocument("figurine", "ok", services.version, uptime_s, worker, services.compute.tell()))


@blueprint.get("/capabilities")
@describe(Operation("What this server can do, and its limits.", {200: CapabilitiesDocument}))
def show_capabilities() -> Response:
    services = current_services()
    config = services.config
    return jsonify(
        CapabilitiesDocument(
            version=services.version,
            stages={
                kind: tuple(StageCapability(stage, ENGINES[stage]) for stage in chain) for kind, chain in CHAINS.items()
            },
            policies=get_args(EnginePolicy),
            default_policy=config.engine,
            kinds=get_args(KindChoice),
            picture_formats=PICTURE_FORMATS,
            mesh_suffixes=MESH_SUFFIXES,
            result_formats=("fbx", "glb", "rig.json"),
            limits=LimitsDocument(
                max_upload_mib=config.max_upload_mib,
                max_megapixels=config.max_megapixels,
                max_queued=config.max_queued,
                keep_days=config.keep_days,
                keep_gib=config.keep_gib,
            ),
        )
    )
