# SPDX-License-Identifier: GPL-3.0-or-later
"""The active figure as a file for a game engine, as a VRM, or as glTF."""

# No postponed annotations: Blender reads them as they are.
import bpy
from bpy.props import BoolProperty, EnumProperty, StringProperty
from bpy_extras.io_utils import ExportHelper

from ..errors import FigurineError
from ..languages import told, told_in_report
from ..output.figure_file import Settings, figure_file
from ..output.places import chosen, proposed, write_whole
from ..output.subject import obstacle, subject_of, target_obstacle, unsaved_pictures
from ..output.targets import TARGETS, Target
from ..output.vrm import VrmMeta
from ..phrases import phrase
from .common import may_still, poll_reason, told_error

NO_AUTHOR = "A VRM names who made it: type an author."
_AUTO = "AUTO"
_TARGETS = tuple((target.key, target.label, target.description) for target in TARGETS.values())
_NAMES = (
    (_AUTO, "As It Expects", "The names that the program knows by itself; glTF keeps them as they are"),
    ("KEEP", "As They Are", "The names that the bones have here"),
    ("UNITY", "Unity", "LeftUpperArm"),
    ("UNREAL", "Unreal Engine", "upperarm_l"),
    ("GODOT", "Godot", "LeftUpperArm, thumbs as anatomy names them"),
    ("VRM", "VRM", "leftUpperArm"),
    ("MIXAMO", "Mixamo", "mixamorig:LeftArm"),
)
_RESTS = (
    (_AUTO, "As It Expects", "A T-pose for Unity and VRM; otherwise as the figure was made"),
    ("T_POSE", "T-Pose", "Arms out, palms down, legs straight, soles on the floor. Humanoids only"),
    ("KEEP", "As It Was Made", "The rest pose that the figure has here"),
)
_CLIPS = (
    ("RIG", "Of This Figure", "Its NLA tracks and its action"),
    ("ALL", "All That Fit", "Also every other action of this file that moves these bones"),
    ("NONE", "None", "No animation"),
)
_AVATAR = (
    ("onlyAuthor", "Only the Author", "Nobody else may appear as this figure"),
    ("onlySeparatelyLicensedPerson", "Who Has a Licence", "Those to whom the author gave one"),
    ("everyone", "Everyone", "Anybody may appear as this figure"),
)
_COMMERCE = (
    ("personalNonProfit", "Not for Profit", "Persons, and not to earn money"),
    ("personalProfit", "Persons for Profit", "Persons, also to earn money"),
    ("corporation", "Companies Too", "Anybody, also to earn money"),
)
_CREDIT = (
    ("required", "Required", "The author has to be named"),
    ("unnecessary", "Not Needed", "The author need not be named"),
)
_CHANGE = (
    ("prohibited", "Prohibited", "The figure may not be changed"),
    ("allowModification", "Allowed", "It may be changed"),
    ("allowModificationRedistribution", "Allowed, and Passed On", "It may be changed, and the changed one passed on"),
)


class FIGURINE_OT_export_figure(bpy.types.Operator, ExportHelper):
    """Write the active figure into a file: bones with the names, axes, scale and root that a program expects, with its textures and animations. The scene stays as it is"""  # noqa: E501

    bl_idname = "figurine.export_figure"
    bl_label = "Export Figure"
    bl_options = {"PRESET"}  # noqa: RUF012
    filename_ext = ".glb"

    filter_glob: StringProperty(default="*.fbx;*.glb;*.vrm", options={"HIDDEN"})
    target: EnumProperty(name="For", description="The program that reads the file", items=_TARGETS, default="GLTF")
    names: EnumProperty(name="Bone Names", description="What the bones of the body are called", items=_NAMES)
    rest: EnumProperty(name="Rest Pose", description="How the figure stands where nothing moves it", items=_RESTS)
    clips: EnumProperty(name="Animations", description="Which are written, each as a clip of its own", items=_CLIPS)
    pose: BoolProperty(name="Present Pose", description="The pose as it is now, as a clip called Pose", default=True)
    title: StringProperty(name="Name", description="Of the avatar; empty: the figure's own")
    author: StringProperty(name="Author", description="Who made the avatar; several are separated by commas")
    version: StringProperty(name="Version", description="Of the avatar")
    contact: StringProperty(name="Contact", description="Where the author can be reached")
    copyright: StringProperty(name="Copyright", description="Who holds the rights")
    licence: StringProperty(
        name="Licence URL", description="Address of a licence of yours, beside VRM's own whose choices are below"
    )
    avatar: EnumProperty(name="Who May Use It", description="As their avatar", items=_AVATAR)
    commerce: EnumProperty(name="Commercial Use", description="Who may use it commercially", items=_COMMERCE)
    credit: EnumProperty(name="Credit", description="Whether the author has to be named", items=_CREDIT)
    change: EnumProperty(name="Changes", description="Whether others may change it", items=_CHANGE)
    redistribution: BoolProperty(name="May Be Passed On", description="Others may pass the file on", default=False)

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        """Needs a figure with a mesh."""
        return poll_reason(cls, obstacle(context))

    def invoke(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Propose the figure's name."""
        self.filepath = proposed(subject_of(context).name, TARGETS[self.target].suffix, self.filepath)
        self.check(context)
        context.window_manager.fileselect_add(self)
        return {"RUNNING_MODAL"}

    def draw(self, context: bpy.types.Context) -> None:
        """What the target leaves open."""
        target = TARGETS[self.target]
        layout = self.layout
        layout.use_property_split = True
        layout.use_property_decorate = False
        layout.prop(self, "target")
        reason = target_obstacle(context, target)
        if reason:
            layout.label(text=told(reason), icon="ERROR", translate=False)
            return
        layout.prop(self, "names")
        if not target.needs_t_pose:
            layout.prop(self, "rest")
        if target.has_clips:
            layout.prop(self, "clips")
            layout.prop(self, "pose")
        else:
            for name in ("title", "author", "version", "contact", "copyright", "licence"):
                layout.prop(self, name)
            for name in ("avatar", "commerce", "credit", "change", "redistribution"):
                layout.prop(self, name)

    def check(self, context: bpy.types.Context) -> bool:
        """The file's name ends as its kind does."""
        self.filename_ext = TARGETS[self.target].suffix
        return ExportHelper.check(self, context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Write."""
        if not may_still(self, obstacle(context)):
            return {"CANCELLED"}
        target, subject = TARGETS[self.target], subject_of(context)
        problem = target_obstacle(context, target) or self._unsaid(target)
        if problem:
            self.report({"ERROR"}, told_in_report(problem))
            return {"CANCELLED"}
        try:
            path = chosen(self.filepath, target.suffix)
            made = figure_file(subject, self._settings(target, subject.name))
            write_whole(path, made.content)
        except FigurineError as error:
            self.report({"ERROR"}, told_error(error))
            return {"CANCELLED"}
        lost = unsaved_pictures(subject) if target.kind == "FBX" else []
        if lost:
            self.report(
                {"WARNING"},
                told_in_report(
                    phrase("Not in the file, as it was never saved or packed: {names}.", names=", ".join(lost))
                ),
            )
        said = phrase("Wrote {name}: {bones} bones.", name=path.name, bones=made.bones)
        if made.clips == 1:
            said = phrase("Wrote {name}: {bones} bones, 1 clip.", name=path.name, bones=made.bones)
        elif made.clips:
            text = "Wrote {name}: {bones} bones, {clips} clips."
            said = phrase(text, name=path.name, bones=made.bones, clips=made.clips)
        self.report({"INFO"}, told_in_report(said))
        return {"FINISHED"}

    def _unsaid(self, target: Target) -> str:
        return NO_AUTHOR if target.key == "VRM" and not self._authors else ""

    @property
    def _authors(self) -> tuple[str, ...]:
        return tuple(name.strip() for name in self.author.split(",") if name.strip())

    def _settings(self, target: Target, name: str) -> Settings:
        is_t_posed = target.needs_t_pose or (target.is_t_posed if self.rest == _AUTO else self.rest == "T_POSE")
        return Settings(
            target=target,
            scheme=target.scheme if self.names == _AUTO else self.names,
            is_t_posed=is_t_posed,
            clips=self.clips if target.has_clips else "NONE",
            has_pose=self.pose and target.has_clips,
            meta=self._meta(name) if target.key == "VRM" else None,
        )

    def _meta(self, name: str) -> VrmMeta:
        return VrmMeta(
            name=self.title.strip() or name,
            authors=self._authors,
            version=self.version.strip(),
            copyright=self.copyright.strip(),
            contact=self.contact.strip(),
            licence=self.licence.strip(),
            avatar=self.avatar,
            commerce=self.commerce,
            credit=self.credit,
            change=self.change,
            is_redistributable=self.redistribution,
        )


CLASSES = (FIGURINE_OT_export_figure,)
