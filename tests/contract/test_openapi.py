# SPDX-License-Identifier: GPL-3.0-or-later
"""The OpenAPI document says what the server does: every route, every status, every body."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from werkzeug.test import TestResponse

from inference_server.core.correction import correction_from_document
from inference_server.core.settings import JobSettings
from inference_server.errors import CorrectionInvalid
from tests.unit.server.desk import MESH, PICTURE, TOKEN, Desk

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
CORRECTIONS: tuple[tuple[str, Any], ...] = (
    ("correct", {"correction": {"edits": [{"edit": "remove", "bone": "arm.L"}]}}),
    ("correct", {"correction": {"edits": [{"edit": "remove", "bone": "tail"}]}}),
    ("correct", {}),
)
SETTINGS: dict[str, Any] = {
    "database": None,
    "deadline": None,
    "derandomize": True,
    "phases": [Phase.explicit, Phase.generate],
    "suppress_health_check": list(HealthCheck),
}


@pytest.fixture(scope="module")
def open_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """An application with a job in every state. Port 80, because the fuzzer's address has none."""
    desk = Desk(tmp_path_factory.mktemp("home"), port=80, max_queued=100_000)
    yield desk
    desk.store.close()


@pytest.fixture(scope="module")
def jobs(open_desk: Desk) -> dict[str, str]:
    states = ("done", "failed", "waiting", "cancelled", "running", "queued")
    return {state: open_desk.bring_to(state) for state in states}


@pytest.fixture(scope="module")
def document(open_desk: Desk) -> dict[str, Any]:
    return dict(open_desk.ask("GET", "/v1/openapi.json").json)


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        yield from ((path, method.upper(), operation) for method, operation in methods.items())


def test_the_document_is_valid(document: dict[str, Any], fuzzed: Any) -> None:
    fuzzed.validate()
    assert document["openapi"] == "3.1.0"
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert schema["description"], name
    references = set(re.findall(r"'#/components/schemas/(\w+)'", str(document)))
    assert references == set(document["components"]["schemas"])
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(names)) == len(names)


def test_every_route_is_described_and_nothing_else(open_desk: Desk, document: dict[str, Any]) -> None:
    served = {
        (re.sub(r"<(\w+)>", r"{\1}", rule.rule), method)
        for rule in open_desk.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD"}
    }
    assert served == {(path, method) for path, method, _ in operations(document)}
    for path, _, operation in operations(document):
        in_path = [item["name"] for item in operation.get("parameters", ()) if item["in"] == "path"]
        assert sorted(in_path) == sorted(re.findall(r"{(\w+)}", path))


def test_every_operation_declares_its_failures_in_the_one_shape(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        failing = {status: reply for status, reply in operation["responses"].items() if int(status) >= 400}
        assert {"401", "403", "413", "500"} <= failing.keys(), (path, method)
        for reply in failing.values():
            schema = reply["content"]["application/json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/ErrorDocument"}
        if "{job_id}" in path:
            assert "404" in failing


def test_only_the_health_is_open(document: dict[str, Any]) -> None:
    assert document["security"] == [{"token": []}]
    opened = [path for path, _, operation in operations(document) if {} in operation.get("security", ())]
    assert opened == ["/v1/health"]


def test_the_manual_names_every_address_and_every_cause(document: dict[str, Any]) -> None:
    text = (Path(__file__).resolve().parents[2] / "docs/server.md").read_text(encoding="utf-8")
    named = {(path, method) for method, path in re.findall(r"`(GET|POST|DELETE) (/v1/[^`? ]+)", text)}
    assert named == {
        (re.sub("{(job|weight)_id}", "<id>", re.sub("{name}", "<name>", path)), m)
        for path, m, _ in operations(document)
    }
    causes = {cause for _, _, operation in operations(document) for cause in causes_of(operation)}
    rows = {
        row.split("|")[2].strip(" `"): row.split("|")[1].strip()
        for row in text.splitlines()
        if row.startswith(("| 4", "| 5"))
    }
    assert {name: status for name, status in causes} == rows


def causes_of(operation: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for status, reply in operation["responses"].items():
        if int(status) >= 400:
            yield from ((name, status) for name in re.findall(r"(?:^|(?<=\. ))(\w+): ", reply["description"]))


def test_every_setting_is_in_the_schema(document: dict[str, Any]) -> None:
    schema = document["components"]["schemas"]["JobSettings"]
    assert list(schema["properties"]) == [field.name for field in fields(JobSettings)]
    validator = validator_of(document, {"$ref": "#/components/schemas/JobSettings"})
    assert list(validator.iter_errors(JobSettings().to_document())) == []
    assert (
        list(validator.iter_errors(JobSettings(height_m=2.0, seeds={"rig": 1}, pause_after="rig").to_document())) == []
    )


@pytest.mark.parametrize(
    "chosen",
    [
        {"seed": -1},
        {"seed": 2**32},
        {"seeds": {"paint": 1}},
        {"depth": 99},
        {"kind": "fish"},
        {"texture_px": 7},
        {"colour": 1},
    ],
)
def test_what_the_schema_refuses_the_server_refuses(
    open_desk: Desk, document: dict[str, Any], chosen: dict[str, Any]
) -> None:
    validator = validator_of(document, {"$ref": "#/components/schemas/JobSettings"})
    assert list(validator.iter_errors(chosen))
    job_id = open_desk.queue(mesh=MESH)
    reply = open_desk.ask("POST", f"/v1/jobs/{job_id}/rerun", json={"stage": "rig", "settings": chosen})
    assert reply.status_code == 400


def validator_of(document: dict[str, Any], schema: dict[str, Any]) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({**schema, "components": document["components"]})


def assert_as_described(document: dict[str, Any], path: str, reply: TestResponse) -> None:
    operation = document["paths"][path][reply.request.method.lower()]
    described = operation["responses"][str(reply.status_code)]
    (kind,) = described["content"]
    assert kind in (reply.mimetype, "*/*")
    if kind == "application/json":
        validator_of(document, described["content"][kind]["schema"]).validate(reply.json)


def test_real_replies_are_as_described(open_desk: Desk, document: dict[str, Any], jobs: dict[str, str]) -> None:
    ask = open_desk.ask
    for path in ("/v1/health", "/v1/capabilities", "/v1/openapi.json", "/v1/jobs", "/v1/weights"):
        assert_as_described(document, path, ask("GET", path))
        assert_as_described(document, path, ask("GET", path, token="wrong"))
    assert_as_described(document, "/v1/health", ask("GET", "/v1/health", token=None))
    fetch = "/v1/weights/{weight_id}/fetch"
    for weight_id, body in (("birefnet", {"licence": "mine"}), ("birefnet", {}), ("nothing", {"licence": "MIT"})):
        assert_as_described(document, fetch, ask("POST", fetch.format(weight_id=weight_id), json=body))
        assert_as_described(document, fetch, ask("DELETE", fetch.format(weight_id=weight_id)))
    assert_as_described(document, "/v1/jobs", open_desk.send(image=PICTURE, settings='{"height_m": 1.5}'))
    assert_as_described(document, "/v1/jobs", open_desk.send(image=b"text"))
    assert_as_described(document, "/v1/jobs", ask("GET", "/v1/jobs?limit=0"))
    for job_id in (*jobs.values(), "0" * 32):
        one = "/v1/jobs/{job_id}"
        assert_as_described(document, one, ask("GET", f"/v1/jobs/{job_id}"))
        assert_as_described(document, one, ask("GET", f"/v1/jobs/{job_id}?since=1000"))
        assert_as_described(
            document, f"{one}/artifacts/{{name}}", ask("GET", f"/v1/jobs/{job_id}/artifacts/preview.png")
        )
        for verb, body in (("continue", {}), ("retry", {}), ("rerun", {"stage": "rig"}), ("rerun", {}), *CORRECTIONS):
            assert_as_described(document, f"{one}/{verb}", ask("POST", f"/v1/jobs/{job_id}/{verb}", json=body))
            assert_as_described(document, f"{one}/{verb}", ask("POST", f"/v1/jobs/{job_id}/{verb}", data=b"x"))
        for parts in ({"image": PICTURE}, {"image": b"text"}, {"settings": "{}"}):
            assert_as_described(document, f"{one}/picture", open_desk.replace_picture(job_id, **parts))
        assert_as_described(document, one, ask("DELETE", f"/v1/jobs/{job_id}"))
        assert_as_described(document, f"{one}/artifacts", ask("DELETE", f"/v1/jobs/{job_id}/artifacts"))


def test_a_reply_that_is_not_as_described_is_found(open_desk: Desk, document: dict[str, Any]) -> None:
    reply = open_desk.ask("GET", "/v1/capabilities")
    for change in ({"version": {"type": "integer"}}, {"limits": False}):
        other = copy.deepcopy(document)
        other["components"]["schemas"]["CapabilitiesDocument"]["properties"] |= change
        with pytest.raises(jsonschema.ValidationError):
            assert_as_described(other, "/v1/capabilities", reply)


# --- fuzzing ---


@pytest.fixture(scope="module")
def fuzzed(open_desk: Desk) -> Any:
    return schemathesis.openapi.from_wsgi(
        "/v1/openapi.json", open_desk.app, headers={"Authorization": f"Bearer {TOKEN}"}
    )


def fuzz(schema: Any, open_desk: Desk, examples: int) -> dict[str, set[int]]:
    """Send so many valid and as many invalid requests to each operation, every second one to a job that is there;
    the statuses that came back, by operation.
    """
    seen: dict[str, set[int]] = {}
    for found in schema.get_all_operations():
        operation = found.ok()
        can_be_wrong = operation.query or operation.headers or operation.body
        for mode in GenerationMode if can_be_wrong else (GenerationMode.POSITIVE,):
            _fuzz_operation(operation, mode, open_desk, examples, seen.setdefault(operation.label, set()))
    return seen


def _fuzz_operation(operation: Any, mode: GenerationMode, desk: Desk, examples: int, seen: set[int]) -> None:
    known_jobs = [job.id for job in desk.store.page(12)]

    @settings(max_examples=examples, **SETTINGS)
    @given(case=operation.as_strategy(generation_mode=mode), draw=st.integers(0, 2 * len(known_jobs) - 1))
    def send(case: Any, draw: int) -> None:
        if draw < len(known_jobs):
            case.path_parameters = {
                name: known_jobs[draw] if name == "job_id" else "preview.png" for name in case.path_parameters or {}
            }
        reply = case.call_and_validate(checks=CHECKS, headers={"Authorization": f"Bearer {TOKEN}"})
        seen.add(reply.status_code)

    send()


def test_nothing_that_is_sent_breaks_the_server(
    fuzzed: Any, open_desk: Desk, document: dict[str, Any], jobs: dict[str, str]
) -> None:
    seen = fuzz(fuzzed, open_desk, 15)
    described = {f"{method} {path}" for path, method, _ in operations(document)}
    assert set(seen) == described - {"GET /v1/openapi.json"}  # the fuzzer leaves out what it was made from
    assert {200, 202} & seen["POST /v1/jobs"] and 400 in seen["POST /v1/jobs"]
    assert {202, 400, 404} <= seen["POST /v1/jobs/{job_id}/rerun"]
    assert {400, 404} <= seen["POST /v1/jobs/{job_id}/correct"]  # accepted ones: tests of corrections
    assert {200, 404} <= seen["GET /v1/jobs/{job_id}"]
    assert {400, 404} <= seen["POST /v1/weights/{weight_id}/fetch"]


@pytest.mark.full
def test_nothing_that_is_sent_for_long_breaks_the_server(fuzzed: Any, open_desk: Desk, jobs: dict[str, str]) -> None:
    fuzz(fuzzed, open_desk, 400)


def test_every_member_of_a_reply_that_is_always_there_is_required(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["JobUnchanged"]["required"] == ["id", "revision", "state", "unchanged"]
    for name in ("JobDocument", "JobSummary", "JobList", "StageDocument", "ErrorBody"):
        assert schemas[name]["required"] == list(schemas[name]["properties"]), name


def test_the_schema_of_a_correction_is_what_is_read(document: dict[str, Any]) -> None:
    validator = validator_of(document, {"$ref": "#/components/schemas/RigCorrection"})
    page = (Path(__file__).resolve().parents[2] / "docs/corrections.md").read_text(encoding="utf-8")
    example = json.loads(page.partition("```json\n")[2].partition("```")[0])
    box = {"min": [0, 0, 0], "max": [1, 1, 1]}
    for sound in (example, {}, {"skeleton": None, "bounding_box": box}):
        assert list(validator.iter_errors(sound)) == []
        correction_from_document(sound)
    move = {"edit": "move", "bone": "hips"}
    for edit in ({"bone": "hips"}, {**move, "head": [0, 0]}, {**move, "names": []}, {"edit": "add", "parent": "hips"}):
        assert list(validator.iter_errors({"edits": [edit]})), edit
        with pytest.raises(CorrectionInvalid):
            correction_from_document({"edits": [edit]})
