# SPDX-License-Identifier: GPL-3.0-or-later
"""The figurine command: parses arguments, runs a verb, turns errors into one line and an exit code.

Exit codes: 0 done, 2 bad input or usage, 1 anything else.
"""

from __future__ import annotations

import argparse
import io
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import NoReturn, get_args

from inference_server import __version__
from inference_server.core.choices import (
    Edges,
    EditorChoice,
    EnginePolicy,
    ExistingRig,
    KindChoice,
    SkinChoice,
    Speed,
    Symmetry,
)
from inference_server.errors import FigurineError

EXIT_USAGE = 2
EXIT_FAILED = 1


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(EXIT_USAGE, f"{self.prog}: {' '.join(message.split())}. See {self.prog} --help.\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path must not fail for the console's encoding
    parser = _build_parser()
    options = parser.parse_args(arguments)
    if "verb" not in options:
        return _list_verbs()
    if not options.debug:
        warnings.simplefilter("ignore")
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        exit_code: int = options.verb(options)
        return exit_code
    except FigurineError as error:
        return _fail(options.debug, str(error), error.exit_code)
    except KeyboardInterrupt:
        return _fail(
            options.debug, "Stopped. Finished stages are kept: the same command goes on from there.", EXIT_FAILED
        )
    except Exception as error:
        sentence = (
            f"Unexpected error: {type(error).__name__}: {error}. This is a fault of Figurine; --debug shows where."
        )
        return _fail(options.debug, sentence, EXIT_FAILED)


def _list_verbs() -> int:
    lines = [f"  {name:<10}{summary}" for name, (summary, _) in _VERBS.items()]
    print("figurine: name a verb. See figurine VERB --help.", *lines, sep="\n", file=sys.stderr)
    return EXIT_USAGE


def _fail(debug: bool, sentence: str, exit_code: int) -> int:
    if debug:
        traceback.print_exc()
    print(f"figurine: {' '.join(sentence.split())}", file=sys.stderr)
    return exit_code


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _build_parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="figurine", description="One picture of a character in, a rigged 3D model out.")
    parser.add_argument("--version", action="version", version=f"figurine {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", parser_class=_Parser)
    for name, (summary, add_arguments) in _VERBS.items():
        add_arguments(verbs.add_parser(name, help=summary))
    return parser


def _add_run(parser: argparse.ArgumentParser) -> None:
    from inference_server.commands.make import run_picture

    parser.description = "Writes NAME.fbx, NAME.glb, rig.json, preview.png and report.json into DIR."
    parser.add_argument("image", type=Path, metavar="IMAGE", help="a PNG, JPEG, WebP, AVIF or GIF picture")
    _add_common(parser)
    parser.add_argument("--height", type=float, metavar="M", dest="height_m", help="metres; 1.7 humanoid, 1.0 other")
    parser.add_argument("--depth", type=float, metavar="X", default=1.0, help="thickness of a draft, 1 as estimated")
    parser.add_argument("--steps", type=int, metavar="N", default=50, help="of neural geometry, from noise to shape")
    parser.add_argument("--guidance", type=float, metavar="X", default=7.5, help="how closely it follows the picture")
    parser.add_argument("--resolution", type=int, metavar="N", default=384, help="of its volume: 128, 256, 384 or 512")
    parser.add_argument("--faces", type=int, metavar="N", default=50_000, help="the most triangles that it may have")
    symmetries = get_args(Symmetry)
    parser.add_argument("--shape-symmetry", choices=symmetries, default="auto", dest="symmetry", help="what it is told")
    parser.add_argument("--edges", choices=get_args(Edges), default="auto", help="what it is told to have")
    parser.add_argument("--speed", choices=get_args(Speed), default="exact", help="fast leaves out what changes little")
    parser.add_argument("--skeleton", type=Path, metavar="RIG.JSON", help="bones of an earlier run of it, edited")
    _add_painting(parser)
    parser.set_defaults(verb=run_picture)


def _add_rig(parser: argparse.ArgumentParser) -> None:
    from inference_server.commands.make import rig_mesh

    parser.description = "Keeps the mesh's objects, size, place, UVs and materials; writes the same files as run."
    parser.add_argument("mesh", type=Path, metavar="MESH", help="an OBJ, GLB, glTF, FBX, PLY or STL file")
    parser.add_argument("--skeleton", type=Path, metavar="RIG.JSON", help="bind to this skeleton instead of a new one")
    choices = get_args(ExistingRig)
    parser.add_argument("--existing", choices=choices, default="ask", help="what becomes of the rig that MESH has")
    _add_common(parser)
    parser.set_defaults(verb=rig_mesh)


def _add_texture(parser: argparse.ArgumentParser) -> None:
    from inference_server.commands.make import texture_mesh

    parser.description = (
        "Keeps the mesh's objects, shape and place; writes NAME.fbx, NAME.glb, NAME.png, preview.png and report.json. "
        "The mesh faces -Y in Blender, +Z in glTF and OBJ, and the picture shows it from there."
    )
    parser.add_argument("mesh", type=Path, metavar="MESH", help="an OBJ, GLB, glTF, FBX, PLY or STL file")
    parser.add_argument("image", type=Path, metavar="PICTURE", help="a picture of it, or of what it shall look like")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder for the results")
    parser.add_argument("--name", metavar="NAME", help="name of the files; MESH_textured by default")
    parser.add_argument("--engine", choices=get_args(EnginePolicy), help="auto: neural where it can run, else draft")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    _add_painting(parser)
    parser.add_argument("--quiet", action="store_true", help="print the names of the results and nothing else")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    parser.set_defaults(verb=texture_mesh)


def _add_painting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--texture", type=int, metavar="PX", default=2048, dest="texture_px", help="1024, 2048 or 4096")
    parser.add_argument("--texture-steps", type=int, metavar="N", default=50, help="of the neural texture")
    parser.add_argument(
        "--normalize", metavar="HOW", default="auto", help="auto, off, or STEP=auto|on|off,… as in background=off"
    )
    parser.add_argument("--mask", type=Path, metavar="FILE", help="a picture of its size whose subject is white")
    parser.add_argument("--editor", choices=get_args(EditorChoice), default="auto", help="what changes pose and view")


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder for the results")
    parser.add_argument("--name", metavar="NAME", help="name of the files and objects; the input's name by default")
    parser.add_argument("--kind", choices=get_args(KindChoice), default="auto", help="what body it is")
    parser.add_argument("--correction", type=Path, metavar="FILE", help="changes to the skeleton that is found")
    parser.add_argument("--engine", choices=get_args(EnginePolicy), help="auto: neural where it can run, else draft")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--beams", type=int, default=15, metavar="N", help="skeletons that the neural rig chooses from")
    parser.add_argument("--skin", choices=get_args(SkinChoice), default="engine", help="who weighs a neural skeleton")
    parser.add_argument("--quiet", action="store_true", help="print the names of the results and nothing else")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")


def _add_voxelize(parser: argparse.ArgumentParser) -> None:
    from inference_server.commands import voxelize

    parser.description = (
        "Keeps the mesh's colours and its rig; writes the figure, preview.png and report.json into DIR."
    )
    parser.add_argument("mesh", type=Path, metavar="MESH", help="an OBJ, GLB, glTF, FBX, PLY or STL file")
    parser.add_argument("--out", type=Path, metavar="DIR", required=True, help="folder for the results")
    parser.add_argument("--name", metavar="NAME", help="name of the files and objects; MESH_voxels by default")
    parser.add_argument("--formats", metavar="LIST", default=voxelize.DEFAULT_FORMATS, help="what to write")
    parser.add_argument("--size", type=int, metavar="N", default=voxelize.DEFAULT_SIZE, help="voxels along the height")
    parser.add_argument("--rig", choices=voxelize.RIGS, default="smooth", help="how voxels follow the bones")
    parser.add_argument("--colour", choices=voxelize.COLOUR_MODES, default="edges", help="which colour a voxel takes")
    parser.add_argument("--palette", metavar="PALETTE", default="255", help="a number, a palette's name or a picture")
    parser.add_argument("--dither", action="store_true", help="let neighbours take turns between two colours")
    parser.add_argument("--openings", choices=voxelize.OPENINGS, default="small", help="which holes to close")
    parser.add_argument("--wall", type=int, metavar="N", default=0, help="hollow, with a wall of N voxels; 0 for solid")
    parser.add_argument("--symmetry", choices=voxelize.SYMMETRIES, default="none", help="which side the other gets")
    parser.add_argument("--style", choices=voxelize.STYLES, default="cube", help="what a voxel looks like")
    parser.add_argument("--gap", type=float, metavar="X", default=0.0, help="between voxels, as a share of a voxel")
    parser.add_argument("--glow", type=float, metavar="X", default=0.0, help="light of small vivid areas")
    parser.add_argument("--mm", action="store_true", help="write the STL in millimetres")
    parser.add_argument("--print-height", type=float, metavar="MM", help="for a 3D printer: closed, so high, no bones")
    wall, drain = voxelize.DEFAULT_WALL_MM, voxelize.DEFAULT_DRAIN_MM
    parser.add_argument("--print-wall", type=float, metavar="MM", default=wall, help="of a print; 0 for solid")
    parser.add_argument("--print-drain", type=float, metavar="MM", default=drain, help="hole of a print; 0 for none")
    parser.add_argument("--quiet", action="store_true", help="print the names of the results and nothing else")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    parser.set_defaults(verb=voxelize.voxelize_mesh)


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.description = "Listens on this machine only, and says where in server.json of the data folder."
    parser.add_argument("--host", metavar="ADDRESS", help="address to listen on; 127.0.0.1 by default")
    parser.add_argument("--port", type=int, metavar="N", help="47110 by default, the next free one where it is taken")
    parser.add_argument("--no-worker", action="store_true", help="accept jobs only; run figurine worker beside it")
    parser.add_argument("--print-config", action="store_true", help="show each setting and where it came from")
    _add_service(parser, "serve", "run_serve")


def _add_worker(parser: argparse.ArgumentParser) -> None:
    parser.description = "Takes jobs from the table in the data folder, one at a time."
    _add_service(parser, "worker", "run_worker")


def _add_service(parser: argparse.ArgumentParser, module: str, function: str) -> None:
    parser.add_argument("--end-with-stdin", action="store_true", help="end when standard input closes")
    _set_verb(parser, module, function)


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    from inference_server.commands.doctor import run_doctor

    parser.add_argument("--json", action="store_true", help="machine-readable")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    parser.set_defaults(verb=run_doctor)


def _add_weights(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Weights are never fetched by a job; they lie in the data folder, where several programs share them."
    )
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="every set, and whether it is here")
    listing.add_argument("--json", action="store_true", help="machine-readable")
    fetching = actions.add_parser("fetch", help="download sets; goes on where it was cut off")
    fetching.add_argument("ids", nargs="+", metavar="ID")
    fetching.add_argument("--again", action="store_true", help="also what is here already")
    fetching.add_argument("--json", action="store_true", help="tell how far it is, one JSON object a line")
    fetching.add_argument("--end-with-stdin", action="store_true", help="end when standard input closes")
    verifying = actions.add_parser("verify", help="read every byte and compare; takes in files put there by hand")
    verifying.add_argument("ids", nargs="*", metavar="ID", help="all that are here by default")
    converting = actions.add_parser("convert", help="make safetensors of published pickles; runs nothing in them")
    converting.add_argument("ids", nargs="+", metavar="ID")
    for action, function in (
        (listing, "list_weights"),
        (fetching, "fetch_weights"),
        (converting, "convert_weights"),
        (verifying, "verify_weights"),
    ):
        _set_verb(action, "weights", function)


def _set_verb(parser: argparse.ArgumentParser, module: str, function: str) -> None:
    """Have a function of inference_server.commands run; its imports wait until then."""
    parser.add_argument("--debug", action="store_true", help="show tracebacks")

    def run(options: argparse.Namespace) -> int:
        verb: Callable[[argparse.Namespace], int] = getattr(
            import_module(f"inference_server.commands.{module}"), function
        )
        return verb(options)

    parser.set_defaults(verb=run)


_VERBS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None]]] = {
    "run": ("make a rigged model from a picture", _add_run),
    "rig": ("rig a mesh, or skin it to a given skeleton", _add_rig),
    "texture": ("texture a mesh from a picture", _add_texture),
    "voxelize": ("make a posable figure of voxels from a mesh", _add_voxelize),
    "serve": ("run the local server that Blender's panel talks to", _add_serve),
    "worker": ("run one more worker on the server's jobs", _add_worker),
    "weights": ("list, fetch and check the networks' weights", _add_weights),
    "doctor": ("say what this machine can run and what is missing", _add_doctor),
}
