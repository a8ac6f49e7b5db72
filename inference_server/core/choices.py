# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be chosen for a job, where a word is chosen; the ranges of numbers are in `settings`."""

from __future__ import annotations

from typing import Literal

EnginePolicy = Literal["auto", "neural", "draft"]
Outputs = Literal["all", "rig"]
Symmetry = Literal["auto", "symmetric", "asymmetric"]
Speed = Literal["exact", "fast"]
Edges = Literal["auto", "smooth", "sharp"]
KindChoice = Literal["auto", "humanoid", "quadruped", "bird", "generic", "none"]
SkinChoice = Literal["engine", "draft"]
ExistingRig = Literal["ask", "keep", "reweigh", "replace"]
# In the order in which they are done.
NormalizeStep = Literal["background", "resolution", "tilt", "pose", "framing"]
NormalizeMode = Literal["auto", "off"]
StepMode = Literal["auto", "on", "off"]
EditorChoice = Literal["auto", "local", "hosted"]
