# SPDX-License-Identifier: GPL-3.0-or-later
"""Every English text of the add-on that an artist can come to read: as it is registered in Blender, and as it is
written in the sources. What is found here has to have its translations.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import bpy

# The terminal, texts for whoever repairs Figurine, data in the file, and the reasons inside a damaged .vox file.
_NOT_FOR_PANELS = {
    "command_line.py": "the terminal is English",
    "diagnostics.py": "for whoever repairs Figurine",
    "documents.py": "details of a reply, for the diagnostics",
    "transport.py": "details of a reply, for the diagnostics",
    "figure/provenance.py": "kept in the file as data",
    "pose/library.py": "faults in our own data",
    "voxel/mesh_files.py": "formats of files",
    "voxel/vox_read.py": "what is damaged inside a file",
    "voxel/vox_scene.py": "what is damaged inside a file",
    "voxel/vox_write.py": "what is damaged inside a file",
    "voxel/presets.py": "colours",
}
# Names of data-blocks, sockets, modules and programs; patterns of what other programs say; faults of ours.
_NO_WORDS = re.compile(
    r"^(Base Color|Emission Color|Emission Strength|Specular IOR Level|Render Result|Geometry Nodes|Figurine .*"
    r"|Make faces of the voxels.*|No closing quotation|Library/.*|job .*|the id .*|another format|the key .*|import .*"
    r"|Installing collected packages:|serves on .*|Bearer .*|another Blender keeps .*|.* Voxel Bake|.* Voxels .*|vt .*"
    r"|.* Candidates|NVIDIA GPU: .*; PyTorch: .*|The program ended with code .*"
    r"|.* GB free in .*|.* and Python .*|The pump's turn failed\.|the figure is not done|The picture: .*|\{x Mode)$"
    r"|\(\\S\+\)|\(\?P|[a-z0-9]\|[a-zA-Z]|^<|^# This|\\\["
)
# Two words, or one with a full stop after it.
_PROSE = re.compile(r"[A-Za-z’']{2,}[,:;]? [A-Za-z{(]|^[A-Z][a-z]+[.…]$")
_SHOWN = ("text", "heading", "title", "confirm_text")
_BUTTONS = ("operator", "operator_menu_enum")


def declared_texts(package: str) -> dict[str, set[str]]:
    """By context: labels, names, descriptions and items of all classes that the add-on has registered."""
    found: dict[str, set[str]] = {"*": set(), "Operator": set()}
    for kind in registered_kinds(package):
        if issubclass(kind, bpy.types.Operator):
            found["Operator"].add(kind.bl_label)
            found["*"].add(_operator_description(kind))
        elif hasattr(kind, "bl_label"):
            found["*"].add(kind.bl_label)
        found["*"] |= set(_property_texts(kind, package))
    return {context: {text for text in texts if has_words(text)} for context, texts in found.items()}


def written_texts(folder: Path) -> dict[str, set[str]]:
    """By context: what is given to a layout, templates of phrases, and other constants that read as words."""
    found: dict[str, set[str]] = {"*": set(), "Operator": set()}
    for file in _sources(folder):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        aside = _docstrings(tree) | _filled_parts(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = _called(node)
                found["Operator" if name in _BUTTONS else "*"] |= set(_shown_constants(node))
                if name == "phrase" and isinstance(text := _constant(node.args[0]), str):
                    found["*"].add(text)
            elif isinstance(text := _constant(node), str) and id(node) not in aside and _is_prose(text):
                found["*"].add(text)
    return {context: {text for text in texts if has_words(text)} for context, texts in found.items()}


def data_texts(folder: Path) -> set[str]:
    """Names and descriptions of what comes as data: poses, hands."""
    found: set[str] = set()
    for file in sorted(folder.rglob("data/*.json")):
        found |= set(_named(json.loads(file.read_text(encoding="utf-8"))))
    return found


def unfinished_texts(folder: Path, declared: set[str]) -> list[str]:
    """Words with values that are no phrase, and so cannot be translated: file, line and text. declared: what Blender
    knows as a text, which may have been put together before.
    """
    found = []
    for file in _sources(folder):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        aside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.Raise) for part in _of_our_faults(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _called(node) == "format" and _is_named_constant(node):
                found.append(f"{file.relative_to(folder)}:{node.lineno}: {node.func.value.id}.format")
            if not isinstance(node, ast.JoinedStr) or id(node) in aside:
                continue
            text = "".join(value.value if isinstance(value, ast.Constant) else "{}" for value in node.values)
            pattern = ".+".join(re.escape(part) for part in text.split("{}"))
            if _is_prose(text.replace("{}", "{x")) and not any(re.fullmatch(pattern, whole) for whole in declared):
                found.append(f"{file.relative_to(folder)}:{node.lineno}: {text}")
    return found


def registered_kinds(package: str) -> Iterator[type]:
    """The add-on's classes that Blender knows and that have words."""
    for base in (bpy.types.Operator, bpy.types.Panel, bpy.types.Menu, bpy.types.UIList, bpy.types.FileHandler):
        yield from _below(base, package)
    yield from _below(bpy.types.PropertyGroup, package)
    yield from _below(bpy.types.AddonPreferences, package)


def _below(base: type, package: str) -> Iterator[type]:
    for kind in base.__subclasses__():
        if kind.__module__.startswith(package) and kind.is_registered:
            yield kind
        yield from _below(kind, package)


def _operator_description(kind: type) -> str:
    verb = kind.bl_idname.partition(".")[2]
    return str(getattr(bpy.ops.figurine, verb).get_rna_type().description)


def _property_texts(kind: type, package: str) -> Iterator[str]:
    ours = {name for part in kind.__mro__ if part.__module__.startswith(package) for name in part.__annotations__}
    held = bpy.ops.figurine if issubclass(kind, bpy.types.Operator) else None
    rna = getattr(held, kind.bl_idname.partition(".")[2]).get_rna_type() if held else kind.bl_rna
    for item in {item.identifier: item for item in rna.properties}.values():
        if item.identifier not in ours or item.is_hidden or item.name == item.identifier:
            continue
        yield from (item.name, item.description)
        for choice in getattr(item, "enum_items", ()):
            yield from (choice.name, choice.description)


def _named(entry: object) -> Iterator[str]:
    if isinstance(entry, dict):
        yield from (entry[key] for key in ("name", "description") if isinstance(entry.get(key), str))
        entry = list(entry.values())
    if isinstance(entry, list):
        for part in entry:
            yield from _named(part)


def has_words(text: str) -> bool:
    """Whether something of it can be said otherwise: letters beside names of values."""
    return bool(re.search("[A-Za-z]", re.sub(r"\{[^{}]*\}", "", text)))


def _sources(folder: Path) -> list[Path]:
    files = sorted(folder.rglob("*.py"))
    return [file for file in files if file.relative_to(folder).as_posix() not in _NOT_FOR_PANELS]


def _docstrings(tree: ast.AST) -> set[int]:
    bodies = (node.body for node in ast.walk(tree) if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef))
    return {id(body[0].value) for body in bodies if body and isinstance(body[0], ast.Expr)}


def _filled_parts(tree: ast.AST) -> set[int]:
    return {id(value) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for value in node.values}


def _of_our_faults(node: ast.Raise) -> Iterator[ast.AST]:
    """A ValueError is caught by its caller, or a fault of ours; neither is read by an artist."""
    if isinstance(node.exc, ast.Call) and _called(node.exc) in ("ValueError", "DocumentInvalid"):
        yield from node.exc.args


def _is_named_constant(call: ast.Call) -> bool:
    receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
    return isinstance(receiver, ast.Name) and receiver.id.isupper()


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _constant(node: ast.AST) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _shown_constants(node: ast.Call) -> Iterator[str]:
    for keyword in node.keywords:
        if keyword.arg in _SHOWN:
            for part in ast.walk(keyword.value):
                if isinstance(text := _constant(part), str) and re.search("[A-Za-z]{2}", text):
                    yield text


def _is_prose(text: str) -> bool:
    return bool(_PROSE.search(text)) and not _NO_WORDS.search(text)
