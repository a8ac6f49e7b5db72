# SPDX-License-Identifier: GPL-3.0-or-later
"""The OpenAPI document, made from the application's own routes, their descriptions and the types of their bodies."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from flask import Blueprint, Flask, Response, current_app, jsonify

from inference_server.api.documents import SEED_LIMITS, ErrorDocument
from inference_server.api.operation import Operation, describe, operation_of
from inference_server.api.services import current_services
from inference_server.core.correction import RigCorrection
from inference_server.core.hints import is_required
from inference_server.core.settings import (
    BEAMS_RANGE,
    CANDIDATES_RANGE,
    DEPTH_RANGE,
    FACES_RANGE,
    GUIDANCE_RANGE,
    HEIGHT_RANGE_M,
    RESOLUTIONS,
    STEPS_RANGE,
    TEXTURE_SIZES_PX,
    JobSettings,
)
from inference_server.errors import (
    BadToken,
    FigurineError,
    ForeignHost,
    ForeignOrigin,
    InternalError,
    UploadTooLarge,
)

blueprint = Blueprint("schema", __name__, url_prefix="/v1")

# What any request may be answered with, whatever it asks for.
_ALWAYS = (BadToken, ForeignHost, ForeignOrigin, UploadTooLarge, InternalError)
_PATH_PARAMETERS = {
    "job_id": {"description": "Of a job: 32 hexadecimal digits.", "schema": {"type": "string"}},
    "weight_id": {"description": "Of a set of weights, as they are listed.", "schema": {"type": "string"}},
    "name": {"description": "Of a file, as the job lists it.", "schema": {"type": "string"}},
}
_SETTING_LIMITS: Mapping[str, Mapping[str, Any]] = {
    "name": {"description": "Of files and objects: letters, digits, - and _, at most 59 bytes.", "minLength": 1},
    "engine": {"description": "For every stage that engines does not name."},
    "engines": {"description": "By stage."},
    "seed": {"description": "The same input, settings and seed give the same result.", **SEED_LIMITS},
    "seeds": {
        "description": "By stage, where it differs from seed.",
        "additionalProperties": {"type": "integer", **SEED_LIMITS},
    },
    "kind": {"description": "What body the subject has."},
    "height_m": {
        "description": "Total height; null for the default.",
        "minimum": HEIGHT_RANGE_M[0],
        "maximum": HEIGHT_RANGE_M[1],
    },
    "depth": {
        "description": "Thickness of a draft, 1 is as estimated.",
        "minimum": DEPTH_RANGE[0],
        "maximum": DEPTH_RANGE[1],
    },
    "steps": {
        "description": "Of neural geometry, from noise to shape.",
        "minimum": STEPS_RANGE[0],
        "maximum": STEPS_RANGE[1],
    },
    "guidance": {
        "description": "How closely neural geometry follows the picture.",
        "minimum": GUIDANCE_RANGE[0],
        "maximum": GUIDANCE_RANGE[1],
    },
    "resolution": {"description": "Cells a side of neural geometry's volume.", "enum": list(RESOLUTIONS)},
    "faces": {
        "description": "The most triangles of neural geometry.",
        "minimum": FACES_RANGE[0],
        "maximum": FACES_RANGE[1],
    },
    "symmetry": {"description": "What neural geometry is told: auto for nothing."},
    "edges": {"description": "What neural geometry is told: auto for nothing."},
    "speed": {"description": "fast leaves out work of neural geometry that changes the shape little."},
    "candidates": {
        "description": "How many shapes neural geometry makes, of the seed and the next ones. Of several, the job "
        "waits after geometry; the geometry's seed that it is continued with says which one it takes.",
        "minimum": CANDIDATES_RANGE[0],
        "maximum": CANDIDATES_RANGE[1],
    },
    "texture_steps": {
        "description": "Of neural texture, from noise to views.",
        "minimum": STEPS_RANGE[0],
        "maximum": STEPS_RANGE[1],
    },
    "texture_px": {"enum": list(TEXTURE_SIZES_PX)},
    "beams": {
        "description": "Skeletons that the neural rig writes at once and chooses from.",
        "minimum": BEAMS_RANGE[0],
        "maximum": BEAMS_RANGE[1],
    },
    "skin": {"description": "draft: weights in seconds for a neural skeleton that is still to be edited."},
    "existing_rig": {
        "description": "What becomes of the rig that a mesh brings. ask: the job fails with AlreadyRigged. keep: its "
        "bones and weights. reweigh: its bones. replace: neither."
    },
    "pause_after": {"description": "The stage after which the job waits to be continued."},
    "outputs": {"description": "rig: skeleton and weights only; no FBX, GLB or preview is made."},
    "normalize": {"description": "auto: the steps that the diagnoses ask for; off: the picture as it is."},
    "normalize_steps": {"description": "By step, where it differs from normalize."},
    "editor": {"description": "Of pose and view. auto never takes hosted, which sends the picture to its provider."},
}
_SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


@blueprint.get("/openapi.json")
@describe(Operation("This document.", {200: Mapping[str, Any]}))
def show_schema() -> Response:
    return jsonify(build_document(current_app, current_services().version))


def build_document(app: Flask, version: str) -> dict[str, Any]:
    """OpenAPI 3.1 of every route of the application."""
    components: dict[str, Any] = {"JobSettings": _settings_schema()}
    _add_component(RigCorrection, components)
    paths: dict[str, dict[str, Any]] = {}
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        path = paths.setdefault(re.sub(r"<(\w+)>", r"{\1}", rule.rule), {})
        for method in (rule.methods or set()) - {"HEAD"}:
            view = app.view_functions[rule.endpoint]
            path[method.lower()] = _operation(view.__name__, sorted(rule.arguments), operation_of(view), components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Figurine",
            "version": version,
            "description": "One picture of a character in, a textured and rigged model out.",
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }


def _operation(
    name: str, path_parameters: list[str], operation: Operation, components: dict[str, Any]
) -> dict[str, Any]:
    document: dict[str, Any] = {"operationId": name, "summary": operation.summary}
    parameters = [{"name": item, "in": "path", "required": True, **_PATH_PARAMETERS[item]} for item in path_parameters]
    for place, items in (("query", operation.query), ("header", operation.headers)):
        parameters += [
            {"name": item.name, "in": place, "description": item.description, "schema": item.schema()} for item in items
        ]
    if parameters:
        document["parameters"] = parameters
    if operation.form is not None:
        document["requestBody"] = {"required": True, "content": {"multipart/form-data": {"schema": operation.form}}}
    if operation.body is not None:
        content = {"application/json": {"schema": _schema_of(operation.body, components)}}
        document["requestBody"] = {"required": operation.body_is_required, "content": content}
    document["responses"] = {
        **{str(status): _reply(status, kind, components) for status, kind in operation.replies.items()},
        **dict(_failures(operation, components)),
    }
    if operation.is_open:
        document["security"] = [{}, {"token": []}]
    return document


def _reply(status: int, kind: Any, components: dict[str, Any]) -> dict[str, Any]:
    reply: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if kind is not None:
        reply["content"] = {"application/json": {"schema": _schema_of(kind, components)}}
    elif status != HTTPStatus.NOT_MODIFIED:
        reply["content"] = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    return reply


def _failures(operation: Operation, components: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A reply for each status of an error, with the sentences of the errors that have it."""
    by_status: dict[int, list[type[FigurineError]]] = {}
    errors: set[type[FigurineError]] = {*operation.errors, *_ALWAYS}
    for error in sorted(errors, key=lambda error: error.__name__):
        by_status.setdefault(error.http_status, []).append(error)
    for status, kinds in sorted(by_status.items()):
        sentences = [f"{kind.__name__}: {inspect.getdoc(kind)}" for kind in kinds]
        content = {"application/json": {"schema": _schema_of(ErrorDocument, components)}}
        yield str(status), {"description": " ".join(sentences), "content": content}


def _schema_of(hint: Any, components: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema of a type; dataclasses become components."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _annotated(arguments[0], arguments[1:], components)
    if is_dataclass(hint) and isinstance(hint, type):
        _add_component(hint, components)
        return {"$ref": f"#/components/schemas/{hint.__name__}"}
    if origin is Literal:
        return {"const": arguments[0]} if len(arguments) == 1 else {"type": "string", "enum": list(arguments)}
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema_of(argument, components) for argument in arguments]}
    if origin is tuple:
        length = {} if Ellipsis in arguments else {"minItems": len(arguments), "maxItems": len(arguments)}
        return {"type": "array", "items": _schema_of(arguments[0], components), **length}
    if origin is Mapping:
        names = {} if arguments[0] is str else {"propertyNames": _schema_of(arguments[0], components)}
        return {"type": "object", "additionalProperties": _schema_of(arguments[1], components), **names}
    return {} if hint is Any else {"type": _SCALARS[hint]}


def _annotated(hint: Any, marks: tuple[Any, ...], components: dict[str, Any]) -> dict[str, Any]:
    words: dict[str, Any] = {}
    for mark in marks:
        words |= {"description": mark} if isinstance(mark, str) else mark
    return words if "$ref" in words else {**_schema_of(hint, components), **words}


def _add_component(kind: Any, components: dict[str, Any]) -> None:
    if kind.__name__ in components:
        return
    component: dict[str, Any] = {"type": "object", "description": inspect.getdoc(kind)}
    components[kind.__name__] = component
    hints = get_type_hints(kind, include_extras=True)
    members = fields(kind)
    component["properties"] = {item.name: _schema_of(hints[item.name], components) for item in members}
    component["required"] = [item.name for item in members if is_required(item)]
    component["additionalProperties"] = False


def _settings_schema() -> dict[str, Any]:
    """JobSettings: every setting may be left out."""
    hints = get_type_hints(JobSettings)
    return {
        "type": "object",
        "description": "What may be chosen.",
        "properties": {name: {**_schema_of(hint, {}), **_SETTING_LIMITS[name]} for name, hint in hints.items()},
        "additionalProperties": False,
    }
