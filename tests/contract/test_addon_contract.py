# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on never imports the server, and still reads exactly what the server's own description promises."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import platformdirs
import pytest

from blender_addon import client, connection, documents, neural
from blender_addon.client import ARTIFACT_NAMES, REVIEW_NAMES, ROUTES
from blender_addon.errors import BadToken, Refused, ServerWords
from blender_addon.jobs.review import Normalization
from blender_addon.transport import Transport
from inference_server import errors
from inference_server.config import load_config
from inference_server.core.chains import NEURAL_WEIGHTS, DeviceKind, NeuralState
from inference_server.core.report import encode_report, normalization_document
from inference_server.core.types import Diagnosis, NormalizedImage, StageRecord
from inference_server.jobs.handshake import Handshake
from inference_server.jobs.results import MEDIA_TYPES
from tests.unit.addon.servers import OddServer, reply
from tests.unit.server.desk import Desk

# Ours, by the schemas that they are read from.
SCHEMAS = {
    documents.Greeting: "HealthDocument",
    documents.Health: "FullHealthDocument",
    documents.Worker: "WorkerDocument",
    documents.Device: "DeviceDocument",
    documents.NeuralStage: "NeuralStageDocument",
    documents.Compute: "ComputeDocument",
    documents.StageCapability: "StageCapability",
    documents.Limits: "LimitsDocument",
    documents.Capabilities: "CapabilitiesDocument",
    documents.Input: "InputDocument",
    documents.StageResult: "StageDocument",
    documents.JobWarning: "WarningDocument",
    documents.Artifact: "ArtifactDocument",
    documents.Job: "JobDocument",
    documents.JobUnchanged: "JobUnchanged",
    documents.JobSummary: "JobSummary",
    documents.JobList: "JobList",
    documents.Download: "DownloadDocument",
    documents.Weights: "WeightDocument",
    documents.WeightList: "WeightList",
    documents.ErrorDocument: "ErrorDocument",
    ServerWords: "ErrorBody",
}
FIELDS = [(kind, item) for kind in SCHEMAS for item in fields(kind)]
TYPES: Mapping[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean", Mapping: "object"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    desk = Desk(tmp_path_factory.mktemp("home"))
    yield desk
    desk.store.close()


@pytest.fixture(scope="module")
def document(desk: Desk) -> dict[str, Any]:
    return dict(desk.ask("GET", "/v1/openapi.json").json)


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    return schema


def assert_fits(document: dict[str, Any], hint: Any, schema: dict[str, Any], where: str) -> None:
    """Every value that the schema allows is one that the hint takes."""
    origin = get_origin(hint)
    choices = schema.get("anyOf") or schema.get("oneOf")
    kinds = schema.get("type")
    if origin in (Union, UnionType):
        (inner,) = (choice for choice in get_args(hint) if choice is not NoneType)
        if choices:
            rest = [choice for choice in choices if choice.get("type") != "null"]
            assert len(rest) == 1, where
            return assert_fits(document, inner, rest[0], where)
        if isinstance(kinds, list):
            return assert_fits(document, inner, {**schema, "type": next(k for k in kinds if k != "null")}, where)
        return assert_fits(document, inner, schema, where)
    if is_dataclass(hint):
        assert schema["$ref"].rpartition("/")[2] == SCHEMAS[hint], where
        return None
    schema = resolved(document, schema)
    if origin is tuple:
        assert schema["type"] == "array", where
        return assert_fits(document, get_args(hint)[0], schema["items"], where)
    if origin is Literal:
        allowed = {schema["const"]} if "const" in schema else set(schema["enum"])
        assert allowed <= set(get_args(hint)), where
        return None
    assert schema.get("type", "string" if "enum" in schema else None) == TYPES[origin or hint], (where, schema)
    return None


@pytest.mark.parametrize(("kind", "item"), FIELDS, ids=lambda value: getattr(value, "name", None) or str(value))
def test_every_field_that_is_read_is_promised(document: dict[str, Any], kind: type, item: Field[Any]) -> None:
    schema = document["components"]["schemas"][SCHEMAS[kind]]
    where = f"{SCHEMAS[kind]}.{item.name}"
    assert item.name in schema["properties"], where
    assert item.name in schema["required"] or item.default is not MISSING, where
    assert_fits(document, get_type_hints(kind)[item.name], schema["properties"][item.name], where)


def test_every_document_is_held_against_its_schema() -> None:
    read = {kind for kind in vars(documents).values() if is_dataclass(kind) and isinstance(kind, type)}
    assert read == set(SCHEMAS)


def test_every_route_that_is_called_exists(document: dict[str, Any]) -> None:
    for method, path in ROUTES.values():
        assert method.lower() in document["paths"][path], (method, path)
    asked = re.findall(r'"(/v1/[^"]+)"', Path(client.__file__).read_text(encoding="utf-8"))
    assert {path for path in asked if "(" not in path} == {path for _, path in ROUTES.values()}


def test_the_form_and_the_queries_exist(document: dict[str, Any]) -> None:
    form = document["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert {"image", "settings", "idempotency_key"} <= resolved(document, form)["properties"].keys()
    wanted = {
        ("/v1/jobs", "get"): {"limit", "before"},
        ("/v1/jobs/{job_id}", "get"): {"since"},
        ("/v1/jobs/{job_id}/rerun", "post"): {"Idempotency-Key"},
        ("/v1/jobs/{job_id}/artifacts/{name}", "get"): {"sha256"},
    }
    for (path, method), names in wanted.items():
        parameters = document["paths"][path][method]["parameters"]
        assert names <= {resolved(document, item)["name"] for item in parameters}, path
    schemas = document["components"]["schemas"]
    other = document["paths"]["/v1/jobs/{job_id}/picture"]["post"]["requestBody"]["content"]["multipart/form-data"]
    assert {"image", "settings"} <= resolved(document, other["schema"])["properties"].keys()
    assert "settings" in schemas["ContinueRequest"]["properties"]
    assert {"stage", "settings", "seed"} <= schemas["RerunRequest"]["properties"].keys()
    assert schemas["FetchRequest"]["required"] == ["licence"]


def test_the_handshake_is_the_servers() -> None:
    assert get_type_hints(connection.Handshake) == get_type_hints(Handshake)


def every_error(root: type[errors.FigurineError] = errors.FigurineError) -> Iterator[type[errors.FigurineError]]:
    yield root
    for kind in root.__subclasses__():
        yield from every_error(kind)


@pytest.mark.parametrize("kind", sorted(set(every_error()), key=lambda kind: kind.__name__), ids=lambda k: k.__name__)
def test_every_error_of_the_server_is_shown_word_for_word(kind: type[errors.FigurineError]) -> None:
    said = kind("Something happened, “so”.", "Do this: …").to_document()
    body = json.dumps({"error": said}).encode()
    with OddServer(reply(kind.http_status, body)) as odd:
        transport = Transport(odd.url, "", 5, 5)
        with pytest.raises((Refused, BadToken)) as caught:
            transport.ask("GET", "/v1/jobs")
        transport.close()
    if kind is errors.BadToken:
        assert isinstance(caught.value, BadToken), "the only one with words of ours: the server cannot know Preferences"
        assert said["message"] in caught.value.details
    else:
        shown = {name: getattr(caught.value, name) for name in ("code", "message", "hint", "retryable")}
        assert shown == said
        assert caught.value.status == kind.http_status


def test_the_files_that_are_fetched_are_those_that_the_manual_names() -> None:
    manual = (Path(__file__).resolve().parents[2] / "docs/server.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z]+\.(?:fbx|glb|json|png|npz))`", manual))
    assert {*ARTIFACT_NAMES, *REVIEW_NAMES} <= named


def test_what_was_found_about_a_picture_is_read_as_it_is_written() -> None:
    found = Diagnosis("blur", 0.1, 0.8, "It is blurred.")
    image = NormalizedImage(np.zeros((8, 8, 4), np.uint8), ("framing: centred",), (found,), 0.25)
    record = StageRecord("normalize", "draft", 1, 0, "key", 1.0, 1, False)
    written = json.loads(encode_report(normalization_document(image, record)))
    read = documents.parse(Normalization, written)
    assert (read.steps, [item.sentence for item in read.diagnoses]) == (image.steps, [found.sentence])
    assert read.diagnoses[0].is_serious
    assert set(REVIEW_NAMES) <= set(MEDIA_TYPES)


@pytest.mark.parametrize("environment", [{}, {"FIGURINE_HOME": "~/figurine data"}, {"XDG_DATA_HOME": "/tmp/data"}])
def test_the_data_folder_is_the_servers(environment: dict[str, str]) -> None:
    script = (
        "from blender_addon.connection import default_home\n"
        "from inference_server.config import load_config\n"
        "print(default_home(), load_config().config.home, sep='\\n')"
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FIGURINE_", "XDG_"))}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=kept | environment,
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    ours, theirs = done.stdout.splitlines()
    assert ours == theirs


def test_the_default_port_is_the_servers() -> None:
    assert connection.DEFAULT_PORT == load_config({}).config.port
    assert platformdirs.user_data_path("figurine", appauthor=False).name == "figurine"


def test_the_weights_that_upgrade_names_are_the_manifests() -> None:
    source = (Path(client.__file__).parent / "operators" / "another.py").read_text(encoding="utf-8")
    named = re.search(r"_NEEDED_WEIGHTS = \((.*?)\n\)", source, re.DOTALL)
    assert named is not None
    ids = set(re.findall(r'"([^"]+)"', named[1]))
    assert ids == {item for lines in NEURAL_WEIGHTS.values() for line in lines for item in line}


def test_the_manuals_example_of_what_it_computes_on_is_read() -> None:
    manual = (Path(__file__).resolve().parents[2] / "docs/server.md").read_text(encoding="utf-8")
    example = manual.partition("## What it computes on")[2].partition("```json\n")[2].partition("```")[0]
    told = documents.parse(documents.Compute, json.loads(example))
    assert [stage.stage for stage in told.neural] == list(NEURAL_WEIGHTS)
    assert {stage.state for stage in told.neural} <= set(get_args(NeuralState))
    assert {device.kind for device in told.devices} <= set(get_args(DeviceKind))
    assert {*get_args(NeuralState), *get_args(DeviceKind)} <= set(re.findall(r"`(\w+)`", manual))


def test_what_keeps_a_stage_from_being_neural_has_words_in_the_panel() -> None:
    for state in get_args(NeuralState):
        found = documents.NeuralStage("geometry", state, "As the server says it.", ("some-weights",))
        said = neural.neural_obstacle(documents.Compute((), (found,)))
        assert bool(said) == (state != "ready") and "As the server says it" not in said
