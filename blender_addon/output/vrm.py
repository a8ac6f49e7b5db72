# SPDX-License-Identifier: GPL-3.0-or-later
"""A GLB as a VRM: which node is which humanoid bone, who made it, and what others may do with it.

Source: the VRM 1.0 specification (VRMC_vrm: humanoid, meta).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .glb import join_glb, split_glb

EXTENSION, SPEC_VERSION = "VRMC_vrm", "1.0"
# The specification takes no other; the artist's own licence has a field beside it.
LICENCE_URL = "https://vrm.dev/licenses/1.0/"

Avatar = Literal["onlyAuthor", "onlySeparatelyLicensedPerson", "everyone"]
Commerce = Literal["personalNonProfit", "personalProfit", "corporation"]
Credit = Literal["required", "unnecessary"]
Change = Literal["prohibited", "allowModification", "allowModificationRedistribution"]


@dataclass(frozen=True)
class VrmMeta:
    """What the artist says of the model. authors: at least one. The rest is the specification's own strictest choice.
    licence: address of one more licence, "" for none.
    """

    name: str
    authors: tuple[str, ...]
    version: str = ""
    copyright: str = ""
    contact: str = ""
    licence: str = ""
    avatar: Avatar = "onlyAuthor"
    commerce: Commerce = "personalNonProfit"
    credit: Credit = "required"
    change: Change = "prohibited"
    is_redistributable: bool = False

    def document(self) -> dict[str, Any]:
        """As the extension has it; empty texts are left out."""
        texts = {
            "version": self.version,
            "copyrightInformation": self.copyright,
            "contactInformation": self.contact,
            "otherLicenseUrl": self.licence,
        }
        return {
            "name": self.name,
            "authors": list(self.authors),
            **{key: text for key, text in texts.items() if text},
            "licenseUrl": LICENCE_URL,
            "avatarPermission": self.avatar,
            "allowExcessivelyViolentUsage": False,
            "allowExcessivelySexualUsage": False,
            "commercialUsage": self.commerce,
            "allowPoliticalOrReligiousUsage": False,
            "allowAntisocialOrHateUsage": False,
            "creditNotation": self.credit,
            "allowRedistribution": self.is_redistributable,
            "modification": self.change,
        }


def vrm_bytes(glb: bytes, bones: Mapping[str, str], meta: VrmMeta) -> bytes:
    """bones: VRM's bone → name of its joint in the GLB, each of which is a joint of its skin."""
    document, rest = split_glb(glb)
    joints = {joint for skin in document["skins"] for joint in skin["joints"]}
    nodes = {document["nodes"][joint]["name"]: joint for joint in joints}
    extension = {
        "specVersion": SPEC_VERSION,
        "meta": meta.document(),
        "humanoid": {"humanBones": {role: {"node": nodes[name]} for role, name in bones.items()}},
    }
    document.setdefault("extensions", {})[EXTENSION] = extension
    document["extensionsUsed"] = sorted({*document.get("extensionsUsed", []), EXTENSION})
    return join_glb(document, rest)
