# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be chosen about a figure of voxels: properties of the operators that make one, and how they are drawn."""

# No postponed annotations: Blender reads them as they are.
import bpy
from bpy.props import BoolProperty, EnumProperty, FloatProperty, IntProperty, StringProperty

from ..figure.voxel_colours import read_pixels, unreadable
from ..phrases import phrase
from ..voxel.arrays import Bytes
from ..voxel.errors import PaletteInvalid
from ..voxel.figure_mesh import FigureLook
from ..voxel.glow import Glow
from ..voxel.lattice import LARGEST_SIZE
from ..voxel.palette import FEWEST_COLOURS, MOST_COLOURS, palette_of_picture
from ..voxel.presets import PRESETS
from ..voxel.printing import PrintSettings, TALLEST_mm, THICKEST_mm
from ..voxel.styles import WIDEST_GAP, VoxelStyle
from ..voxel.voxelize import VoxelSettings

_PALETTES = (
    ("FOUND", "From the Figure", "The colours that stand for the figure's own best"),
    ("FIGURINE_16", "Figurine 16", "Sixteen colours made for figures"),
    ("FIGURINE_32", "Figurine 32", "Thirty-two colours made for figures"),
    ("IMAGE", "Image", "The colours of an image of this file; of one with more than 255, those that stand for it best"),
)
_COLOURS = (
    ("EDGES", "Keep Edges", "Colours that differ from their surroundings win, so that eyes and outlines survive"),
    ("DOMINANT", "Dominant", "The colour that most of a voxel's surface has"),
    ("MEAN", "Mean", "The mixture of a voxel's colours"),
)
_RIGS = (
    ("SMOOTH", "Smooth", "Voxels bend together at the joints"),
    ("BLOCKY", "Blocky", "Every voxel moves with one bone and keeps its shape"),
    ("NONE", "None", "No bones, and as few faces as possible"),
)
_SHAPES = (
    ("CUBE", "Cube", "Cubes that touch"),
    ("ROUNDED", "Rounded Cube", "Cubes with round edges"),
    ("BRICK", "Brick", "Toy bricks, with studs where nothing is above"),
    ("SPHERE", "Sphere", "Beads"),
)
_SYMMETRIES = (
    ("NONE", "None", "Both sides as they are"),
    ("BOTH", "Both Sides", "What one side has the other gets; colours are chosen from both"),
    ("LEFT", "Left to Right", "The character's left side is copied to its right"),
    ("RIGHT", "Right to Left", "The character's right side is copied to its left"),
)


class VoxelOptions:
    """Properties of an operator. A mixin; drawn by draw_options."""

    size: IntProperty(name="Size", description="Voxels along the height", default=64, min=1, max=LARGEST_SIZE)
    rig: EnumProperty(name="Rig", description="How the voxels follow the bones", items=_RIGS)
    colour: EnumProperty(name="Colours", description="What a voxel takes its colour from", items=_COLOURS)
    palette: EnumProperty(name="Palette", description="The colours that voxels may have", items=_PALETTES)
    colours: IntProperty(
        name="Palette Size",
        description="At most so many colours",
        default=MOST_COLOURS,
        min=FEWEST_COLOURS,
        max=MOST_COLOURS,
    )
    picture: StringProperty(
        name="Image", description="Whose colours are the palette; until one is chosen, they are the figure's"
    )
    dither: BoolProperty(name="Dither", description="Let neighbours take turns between two colours of the palette")
    close: BoolProperty(name="Close All Openings", description="Fill the mesh also where a large part of it is open")
    wall: IntProperty(name="Wall", description="Voxels of a wall around a hollow figure; 0 for solid", min=0, max=64)
    has_bones: BoolProperty(
        name="Has Bones", description="Whether bones move what is voxelized", options={"HIDDEN", "SKIP_SAVE"}
    )

    shape: EnumProperty(name="Style", description="What a voxel looks like", items=_SHAPES)
    gap: FloatProperty(
        name="Gap",
        description="Free space between voxels, as a share of a voxel",
        default=0.0,
        min=0.0,
        max=WIDEST_GAP,
        subtype="FACTOR",
    )
    emission: FloatProperty(
        name="Glow",
        description="How strongly small vivid areas give light, such as bright eyes",
        min=0.0,
        soft_max=20.0,
    )
    vividness: FloatProperty(
        name="Glow From",
        description="How vivid a colour must be to give light; at 0 the whole figure does",
        default=Glow.from_vividness,
        min=0.0,
        max=1.0,
        subtype="FACTOR",
    )

    symmetry: EnumProperty(name="Symmetry", description="Make both sides the same", items=_SYMMETRIES)
    for_print: BoolProperty(
        name="For 3D Printing", description="One closed surface in which no two voxels meet in an edge alone, no bones"
    )
    print_height: FloatProperty(
        name="Height", description="Of the printed figure, in mm", default=100.0, min=1.0, max=TALLEST_mm
    )
    print_wall: FloatProperty(
        name="Wall",
        description="Of a hollow print, in mm, at least; 0 for solid",
        default=2.0,
        min=0.0,
        max=THICKEST_mm,
    )
    print_drain: FloatProperty(
        name="Drain Hole", description="Its width in mm, at least; 0 for none", default=4.0, min=0.0, max=THICKEST_mm
    )

    def settings(self) -> VoxelSettings:
        """What the voxels are made by. Raises PaletteInvalid where the palette's image is none."""
        return VoxelSettings(
            size=self.size,
            openings="ALL" if self.close else "SMALL",
            colour_mode=self.colour,
            colours=self.colours,
            palette=_palette_of(self.picture) if self.palette == "IMAGE" else PRESETS.get(self.palette),
            is_dithered=self.dither,
            wall_cells=self.wall,
            symmetry=self.symmetry,
            printing=PrintSettings(self.print_height, self.print_wall, self.print_drain) if self.for_print else None,
        )

    def look(self) -> FigureLook:
        """What is made of the voxels."""
        glow = Glow(self.emission, self.vividness)
        if self.for_print:
            return FigureLook("NONE", glow=glow)
        return FigureLook(self.rig, VoxelStyle(self.shape, self.gap), glow)


def _palette_of(name: str) -> Bytes | None:
    """The colours of an image; None while none is chosen."""
    if not name:
        return None
    image = bpy.data.images.get(name)
    if image is None:
        raise PaletteInvalid(phrase("there is no image {name} in this file", name=name))
    reason = unreadable(image)
    if reason:
        raise PaletteInvalid(phrase("its image {image} {what}", image=name, what=phrase(reason[0])))
    return palette_of_picture(read_pixels(image))


def draw_options(layout: bpy.types.UILayout, options: VoxelOptions) -> None:
    """All groups, from what is changed most often down; what does not apply is left out."""
    layout.use_property_split = True
    layout.use_property_decorate = False
    _draw_shape(layout.column(), options)
    layout.separator()
    draw_colours(layout.column(), options)
    layout.separator()
    _draw_inside(layout.column(), options)


def _draw_shape(column: bpy.types.UILayout, options: VoxelOptions) -> None:
    column.prop(options, "size")
    column.prop(options, "symmetry")
    column.prop(options, "for_print")
    if options.for_print:
        column.prop(options, "print_height")
        column.prop(options, "print_wall")
        column.prop(options, "print_drain")
        return
    if options.has_bones:
        column.prop(options, "rig")
    column.prop(options, "shape")
    column.prop(options, "gap")


def draw_colours(column: bpy.types.UILayout, options: VoxelOptions) -> None:
    """What colours voxels have, and which of them give light."""
    column.prop(options, "colour")
    column.prop(options, "palette")
    if options.palette == "FOUND":
        column.prop(options, "colours")
    if options.palette == "IMAGE":
        column.prop_search(options, "picture", bpy.data, "images")
    column.prop(options, "dither")
    column.prop(options, "emission")
    if options.emission:
        column.prop(options, "vividness")


def _draw_inside(column: bpy.types.UILayout, options: VoxelOptions) -> None:
    column.prop(options, "close")
    if not options.for_print:
        column.prop(options, "wall")
