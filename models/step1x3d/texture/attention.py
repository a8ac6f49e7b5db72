# SPDX-License-Identifier: GPL-3.0-or-later
"""What Step1X-3D adds to every self-attention of SDXL: looking across the six views, and at the reference picture.

Source: Step1X-3D (arXiv 2505.07747), after MV-Adapter (arXiv 2412.03632).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import Attention, AttnProcessor2_0
from torch import Tensor, nn

VIEWS = 6
ROW_VIEWS = (0, 1, 2, 3)  # front, right, back, left: the same height is the same image row in all of them
COLUMN_VIEWS = (0, 2, 4, 5)  # front, back, top, bottom: the same image column, once the front is mirrored


@dataclass
class Looking:
    """What all layers of one network share for a call.

    sees_reference: one entry for each group of six views in the batch. reference: by layer, the hidden states
    (1 or 6, S, C) of the reference picture. keeps: while it is set, layers work as in plain SDXL and put their input
    here. mv_scale, ref_scale: how much the two branches count.
    """

    sees_reference: tuple[bool, ...] = ()
    reference: dict[str, Tensor] = field(default_factory=dict)
    keeps: dict[str, Tensor] | None = None
    mv_scale: float = 1.0
    ref_scale: float = 1.0


class MultiViewAttention(nn.Module):
    """Self-attention of a layer as SDXL has it, plus a branch across the views and one to the reference picture.

    It stands as the processor of a diffusers `Attention`, under whose name the published keys keep it.
    """

    def __init__(self, channels: int, name: str, looking: Looking) -> None:
        super().__init__()
        self._name, self._looking = name, looking
        self._plain = AttnProcessor2_0()
        for branch in ("mv", "ref"):
            for role in ("q", "k", "v"):
                self.add_module(f"to_{role}_{branch}", nn.Linear(channels, channels, bias=False))
            self.add_module(f"to_out_{branch}", nn.ModuleList([nn.Linear(channels, channels)]))

    def forward(
        self,
        attn: Attention,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
    ) -> Tensor:
        """hidden_states: (6 G, S, C), the views of G groups one after the other, S a square. Returns the same shape."""
        looking = self._looking
        out: Tensor = self._plain(attn, hidden_states)
        if looking.keeps is not None:
            looking.keeps[self._name] = hidden_states.clone()
            return out
        if looking.mv_scale:
            out = out + looking.mv_scale * self._across_views(hidden_states, attn.heads)
        if looking.ref_scale:
            out = out + looking.ref_scale * self._to_reference(hidden_states, attn.heads)
        return out

    def _across_views(self, h: Tensor, heads: int) -> Tensor:
        side = math.isqrt(h.shape[1])
        q, k, v = (
            project(h).unflatten(1, (side, side)).unflatten(0, (-1, VIEWS))  # (G, 6, rows, columns, C)
            for project in (self.to_q_mv, self.to_k_mv, self.to_v_mv)
        )
        rows = _attend_along_rows(*(x[:, ROW_VIEWS] for x in (q, k, v)), heads)
        columns = _attend_along_rows(*(_mirror_first(x[:, COLUMN_VIEWS]).transpose(2, 3) for x in (q, k, v)), heads)
        columns = _mirror_first(columns.transpose(2, 3))
        front, back = (rows[:, 0] + columns[:, 0]) / 2, (rows[:, 2] + columns[:, 1]) / 2
        views = torch.stack([front, rows[:, 1], back, rows[:, 3], columns[:, 2], columns[:, 3]], dim=1)
        out: Tensor = self.to_out_mv[0](views.flatten(0, 1).flatten(1, 2))
        return out

    def _to_reference(self, h: Tensor, heads: int) -> Tensor:
        """Groups that do not see the reference look at zeros, of which only the output's bias is left."""
        reference, out = self._looking.reference[self._name], self.to_out_ref[0]
        k, v = self.to_k_ref(reference), self.to_v_ref(reference)
        groups = []
        for group, sees in zip(h.unflatten(0, (-1, VIEWS)), self._looking.sees_reference, strict=True):
            if sees:
                shown = (x.expand(VIEWS, -1, -1) for x in (k, v))
                groups.append(out(_attend(self.to_q_ref(group), *shown, heads)))
            else:
                groups.append(out.bias.expand_as(group))
        return torch.cat(groups)


def _attend(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:  # (B, S, C), (B, T, C), (B, T, C)
    split = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (q, k, v))
    return F.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)


def _attend_along_rows(q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
    """Every image row of a group attends to the same row of all its views. (G, V, R, S, C) each, and returned."""
    groups, views, rows = q.shape[:3]
    flat = (x.transpose(1, 2).flatten(0, 1).flatten(1, 2) for x in (q, k, v))  # (G R, V S, C)
    return _attend(*flat, heads).unflatten(1, (views, -1)).unflatten(0, (groups, rows)).transpose(1, 2)


def _mirror_first(x: Tensor) -> Tensor:
    """(G, V, R, S, C) with the first view mirrored left to right."""
    return torch.cat([x[:, :1].flip(3), x[:, 1:]], dim=1)


def add_branches(unet: nn.Module, looking: Looking) -> None:
    """Give every self-attention of a UNet the two branches, uninitialised; cross-attention stays as it is."""
    for name, module in list(unet.named_modules()):
        if name.endswith(".attn1"):
            module.set_processor(MultiViewAttention(module.query_dim, f"{name}.processor", looking))
