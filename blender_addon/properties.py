# SPDX-License-Identifier: GPL-3.0-or-later
"""The request as it stands in the file, and the list of jobs as Blender's list widget needs it."""

# No postponed annotations: Blender reads them as they are.

import bpy
from bpy.props import (
    BoolProperty,
    CollectionProperty,
    EnumProperty,
    FloatProperty,
    IntProperty,
    PointerProperty,
    StringProperty,
)

from . import previews
from .importer import ImportOptions
from .job_settings import NeuralBones, NeuralShape, Wishes
from .units import metres_per_unit
from .wording import PICTURE_LABELS, STAGE_LABELS

_MAX_PATH_LENGTH = 1024
_LONGEST_NAME = 59
# Blender's integers are signed.
LARGEST_SEED = 2**31 - 1
# The server's kilometre, where a unit is a millimetre.
_LARGEST_HEIGHT = 1e6

ENGINES = (
    ("auto", "Automatic", "Neural where this computer can run it, draft otherwise; the panel says which it was"),
    ("neural", "Neural", "The best result. It needs a GPU and downloaded weights, and fails without them"),
    ("draft", "Draft", "A rounded figure from the outline, in seconds, on any computer"),
)
KINDS = (
    ("auto", "Automatic", "Figurine decides, and says how sure it is"),
    ("humanoid", "Humanoid", "Two legs, two arms"),
    ("quadruped", "Quadruped", "Four legs"),
    ("bird", "Bird", "Two legs under a lying body, wings or short arms, a tail"),
    ("generic", "Something Else", "Bones along the shape, without names"),
    ("none", "No Skeleton", "A single bone that carries the whole"),
)
POSE_EDITS = (
    (
        "auto",
        "Automatic",
        "Where the picture needs it, and an editor is installed on the server's computer. Otherwise the picture is "
        "used as it is. Nothing is sent to a service",
    ),
    ("off", "As in the Picture", "Change neither pose nor view"),
    (
        "local",
        "Edit Locally",
        "Redraw the character in an A-pose, from the front, on the server's computer. It fails without downloaded "
        "weights",
    ),
    (
        "hosted",
        "Edit by a Service",
        "Redraw the character in an A-pose, from the front, by an image service on the internet. The picture leaves "
        "this computer, and each edit may cost money. The server's settings must allow it",
    ),
)
_TEXTURES = (
    ("1024", "1024 px", "Small files"),
    ("2048", "2048 px", "Right for most"),
    ("4096", "4096 px", "For close-ups; takes longer"),
)
_PAUSES = (
    ("none", "Never", "Run through to the end"),
    *(
        (stage, label, f"Wait after this step until Continue is pressed: {label}")
        for stage, label in list(STAGE_LABELS.items())[:-1]
    ),
)


_RESOLUTIONS = (
    ("128", "128", "A quick look"),
    ("256", "256", "Rounded shapes; an eighth of the time of 512"),
    ("384", "384", "Right for most"),
    ("512", "512", "Fine detail; needs more memory"),
)
_SYMMETRIES = (
    ("auto", "As the Picture Shows", "Nothing is said about it"),
    ("symmetric", "Symmetric", "Left and right are mirror images"),
    ("asymmetric", "Asymmetric", "Left and right differ"),
)
_EDGES = (
    ("auto", "As the Picture Shows", "Nothing is said about them"),
    ("smooth", "Smooth", "Rounded forms"),
    ("sharp", "Sharp", "Crisp creases"),
)
_SPEEDS = (
    ("exact", "Exact", "All of the work"),
    ("fast", "Fast", "Without work that changes the shape little"),
)
_WEIGHTS = (
    ("engine", "Neural", "What follows each bone is told by the neural engine. Takes longer, moves better"),
    ("draft", "Quick", "Neural bones, with weights in a second or two: to look at the bones before the slow part"),
)
# In the scene's units, as Blender stores lengths.
HEIGHT = {"subtype": "DISTANCE", "unit": "LENGTH", "min": 0.0, "max": _LARGEST_HEIGHT, "default": 0.0}
DEPTH = {"min": 0.1, "max": 3.0, "default": 1.0, "step": 10}


_PICTURES = tuple((name, label, f"Show the picture: {label}") for name, label in PICTURE_LABELS.items())


def _show_picture(self: "FigurineRequest", context: bpy.types.Context) -> None:
    previews.show_picture(self.picture)
    _forget_mask(self, context)


def _forget_mask(self: "FigurineRequest", _context: bpy.types.Context) -> None:
    """It was another picture's."""
    self.mask, self.mask_image = "", None


class FigurineRequest(bpy.types.PropertyGroup):
    """What is to be generated. Saved with the file."""

    picture: StringProperty(
        name="Picture",
        description="A PNG, JPEG, WebP, AVIF or GIF picture of one character, seen from the front",
        subtype="FILE_PATH",
        maxlen=_MAX_PATH_LENGTH,
        update=_show_picture,
    )
    image: PointerProperty(
        name="Image",
        description="An image of this Blender file, used instead of a picture file",
        type=bpy.types.Image,
        update=_forget_mask,
    )
    mask: StringProperty(
        name="Mask",
        description="A picture of the same size that is white where the character is, or whose transparency shows it. "
        "With it nothing is guessed. Another picture needs another mask",
        subtype="FILE_PATH",
        maxlen=_MAX_PATH_LENGTH,
    )
    mask_image: PointerProperty(
        name="Mask",
        description="An image of this Blender file, used instead of a mask file",
        type=bpy.types.Image,
    )
    engine: EnumProperty(name="Engine", description="What makes the model", items=ENGINES, default="auto")
    kind: EnumProperty(name="Body", description="What body the character has", items=KINDS, default="auto")
    pose_edit: EnumProperty(
        name="Pose",
        description="Whether an image editor redraws the character in a neutral pose, seen from the front. Animals and "
        "objects are at most turned to the front",
        items=POSE_EDITS,
        default="auto",
    )
    height: FloatProperty(
        name="Height",
        description="Total height of a humanoid, largest side of anything else. 0 is automatic: 1.7 m for a "
        "humanoid, 1 m otherwise",
        **HEIGHT,
    )
    seed: IntProperty(
        name="Seed",
        description="The same picture, settings and seed give the same model. The draft engine has no chance in it",
        min=0,
        max=LARGEST_SEED,
    )
    name: StringProperty(
        name="Name",
        description="The name of the objects. Leave empty for the picture's name",
        maxlen=_LONGEST_NAME,
    )
    depth: FloatProperty(
        name="Thickness",
        description="How thick a draft is: 1 is as estimated, 0.5 half of it, 2 twice",
        **DEPTH,
    )
    steps: IntProperty(
        name="Steps",
        description="Of neural geometry, from noise to shape. Time grows with them",
        min=2,
        max=200,
        default=50,
    )
    guidance: FloatProperty(
        name="Guidance",
        description="How closely neural geometry follows the picture. 1 is loosely, and twice as fast",
        min=1.0,
        max=20.0,
        default=7.5,
        step=50,
        precision=1,
    )
    resolution: EnumProperty(
        name="Resolution",
        description="How finely the shape of neural geometry is sampled",
        items=_RESOLUTIONS,
        default="384",
    )
    faces: IntProperty(
        name="Faces",
        description="The most triangles that neural geometry may have",
        min=1_000,
        max=500_000,
        default=50_000,
        step=1000,
    )
    symmetry: EnumProperty(
        name="Symmetry",
        description="What the shape is told to be. Needs the label model's weights",
        items=_SYMMETRIES,
        default="auto",
    )
    edges: EnumProperty(
        name="Edges",
        description="What edges the shape is told to have. Needs the label model's weights",
        items=_EDGES,
        default="auto",
    )
    speed: EnumProperty(
        name="Speed",
        description="Whether work of neural geometry is left out",
        items=_SPEEDS,
        default="exact",
    )
    candidates: IntProperty(
        name="Candidates",
        description="How many shapes neural geometry makes. Of several, the job waits until one is chosen",
        min=1,
        max=8,
        default=1,
    )
    beams: IntProperty(
        name="Skeleton Tries",
        description="How many skeletons the neural engine writes side by side, to keep the best. 1 is fastest, 15 is "
        "most thorough",
        min=1,
        max=15,
        default=15,
    )
    skin: EnumProperty(
        name="Weights",
        description="Who decides how much of the mesh follows each bone of a neural skeleton",
        items=_WEIGHTS,
        default="engine",
    )
    texture_steps: IntProperty(
        name="Texture Steps",
        description="Of the neural texture, from noise to views. Time grows with them",
        min=2,
        max=200,
        default=50,
    )
    texture_px: EnumProperty(name="Texture", description="The side of the texture", items=_TEXTURES, default="2048")
    pause_after: EnumProperty(
        name="Pause After",
        description="Look at the result of a step before the job goes on; after Cut Out the picture is approved before "
        "any model has run",
        items=_PAUSES,
        default="none",
    )
    at_cursor: BoolProperty(
        name="Place at 3D Cursor",
        description="Put the character where the 3D cursor is, otherwise at the world's origin",
        default=True,
    )
    enter_pose_mode: BoolProperty(
        name="Enter Pose Mode",
        description="Have the character ready to be posed as soon as it is there",
        default=False,
    )
    show_texture: BoolProperty(
        name="Show Texture",
        description="Switch the Solid viewports of this window from the materials' colours to their textures",
        default=True,
    )
    import_when_done: BoolProperty(
        name="Import When Done",
        description="Bring the character into this file as soon as it is ready. Otherwise it waits under Jobs",
        default=True,
    )
    generate_on_drop: BoolProperty(
        name="Generate on Drop",
        description="Start as soon as a picture is dropped, with the settings as they are",
        default=False,
    )

    def import_options(self) -> ImportOptions:
        """The request for the importer."""
        return ImportOptions(self.at_cursor, self.enter_pose_mode, self.show_texture)

    def wishes(self) -> Wishes:
        """The request for the parts that know no Blender, in metres."""
        return Wishes(
            name=self.name,
            engine=self.engine,
            kind=self.kind,
            height_m=self.height * metres_per_unit(self.id_data),
            seed=self.seed,
            depth=self.depth,
            texture_px=int(self.texture_px),
            texture_steps=self.texture_steps,
            pause_after="" if self.pause_after == "none" else self.pause_after,
            neural=NeuralShape(
                steps=self.steps,
                guidance=round(self.guidance, 4),
                resolution=int(self.resolution),
                faces=self.faces,
                symmetry=self.symmetry,
                edges=self.edges,
                speed=self.speed,
                candidates=self.candidates,
            ),
            bones=NeuralBones(beams=self.beams, skin=self.skin),
            pose_edit=self.pose_edit,
        )


class FigurineJobRow(bpy.types.PropertyGroup):
    """One line of the list: all else is looked up by the key."""

    key: StringProperty(options={"SKIP_SAVE"})


class FigurineWindow(bpy.types.PropertyGroup):
    """The list of jobs, for the list widget. Not saved: it is made again from the journal."""

    jobs: CollectionProperty(type=FigurineJobRow, options={"SKIP_SAVE"})
    active: IntProperty(name="Job", description="The job that the buttons below act on", options={"SKIP_SAVE"})
    beside: EnumProperty(
        name="Compare With",
        description="What is shown beside the picture as it was read",
        items=_PICTURES[1:],
        default="after",
        options={"SKIP_SAVE"},
    )


def add_properties() -> None:
    """Give every scene its request, and the window manager the list."""
    bpy.types.Scene.figurine = PointerProperty(type=FigurineRequest)
    bpy.types.WindowManager.figurine = PointerProperty(type=FigurineWindow)


def remove_properties() -> None:
    """Take both away again; what a file has stored stays in it."""
    del bpy.types.WindowManager.figurine
    del bpy.types.Scene.figurine


CLASSES = (FigurineRequest, FigurineJobRow, FigurineWindow)
