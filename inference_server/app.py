# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP application. It stores what comes in, answers from the jobs table, and computes nothing: no model, no
Blender and no decoder of pictures or meshes is ever loaded here.
"""

from __future__ import annotations

from flask import Flask

from inference_server.api import artifacts, corrections, health, jobs, pictures, schema, weights
from inference_server.api.errors import install_errors
from inference_server.api.request_log import install_request_log
from inference_server.api.services import EXTENSION, Services
from inference_server.api.uploads import UploadRequest
from inference_server.logs import hide
from inference_server.security import install_guards, trusted_hosts

__all__ = ["Services", "create_app"]

# Texts of a form: settings and a key. The parser reads 64 KiB at a time, files too, and its buffer counts.
_MOST_FORM_TEXT_BYTES = 256 * 1024
# A form has five kinds of part; one more shows which is too many.
_MOST_FORM_PARTS = 6


def create_app(services: Services) -> Flask:
    """The application; it keeps no state but the services'."""
    app = Flask("inference_server", static_folder=None)
    app.request_class = UploadRequest
    app.config.update(
        TRUSTED_HOSTS=trusted_hosts(services.config.host),
        MAX_CONTENT_LENGTH=services.config.max_upload_mib << 20,
        MAX_FORM_MEMORY_SIZE=_MOST_FORM_TEXT_BYTES,
        MAX_FORM_PARTS=_MOST_FORM_PARTS,
        PROVIDE_AUTOMATIC_OPTIONS=False,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.merge_slashes = False  # //v1 is no address; a redirect would answer before the guards
    app.extensions[EXTENSION] = services
    hide(services.token)
    install_request_log(app)
    install_guards(app, services)
    install_errors(app)
    for module in (jobs, pictures, corrections, artifacts, weights, health, schema):
        app.register_blueprint(module.blueprint)
    return app
