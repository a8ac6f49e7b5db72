# SPDX-License-Identifier: GPL-3.0-or-later
"""Model and render the example pictures.

    python examples/make_examples.py                       every picture, into examples/
    python examples/make_examples.py fox_kid --size 384    one picture, small

Needs bpy, numpy, scipy and scikit-image. The random seed is fixed, so a second run gives the same pictures; between
Blender versions the renders may differ by a little.
"""

import argparse
from pathlib import Path

import adventurer
import fox_kid
import frog
import lantern
import pup
import robot
from studio import Quality, Shot, photograph

PICTURES = {
    "adventurer.png": (adventurer.model, Shot()),
    "fox_kid.png": (fox_kid.model, Shot()),
    "frog.png": (frog.model, Shot()),
    "pup.png": (pup.model, Shot(turn_deg=-42, raise_deg=10)),
    "lantern.png": (lantern.model, Shot(raise_deg=12)),
    "robot.jpg": (robot.model, Shot(raise_deg=6, backdrop="#b9cfdc")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [name.split(".")[0] for name in PICTURES]
    parser.add_argument("only", nargs="*", metavar="NAME", help=f"which of {', '.join(names)}; all when left out")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for the pictures")
    parser.add_argument("--size", type=int, default=Quality.size_px, help="width and height in pixels")
    parser.add_argument("--samples", type=int, default=Quality.samples, help="light paths per pixel")
    choice = parser.parse_args()
    unknown = set(choice.only) - set(names)
    if unknown:
        parser.error(f"no such picture: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    for file_name, (model, shot) in PICTURES.items():
        if not choice.only or file_name.split(".")[0] in choice.only:
            photograph(model(), shot, Quality(choice.size, choice.samples), choice.out.resolve() / file_name)


if __name__ == "__main__":
    main()
