# SPDX-License-Identifier: GPL-3.0-or-later
"""The diffusion transformer (Step1X-3D §3.2, after FLUX): noisy latents, time and condition tokens → velocity.

First blocks with two streams, one for latents and one for conditions, that attend jointly; then blocks with one. No
positions are encoded: latents are a set.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.common.attention import attend, split_heads
from models.step1x3d.geometry.block_cache import BlockCache
from models.step1x3d.geometry.config import TransformerConfig

NORM_EPS = 1e-6
MLP_RATIO = 4
LONGEST_PERIOD = 10_000.0
# Half precision ends here; sums of streams are held inside.
HALF_RANGE = 65504.0


def time_waves(timestep: Tensor, width: int) -> Tensor:
    """(B,) float timesteps in [1, 1000] → (B, width) float32: sines, then cosines."""
    steps = torch.arange(width // 2, dtype=torch.float32, device=timestep.device) / (width // 2)
    phases = timestep.float()[:, None] * torch.exp(-math.log(LONGEST_PERIOD) * steps)
    return torch.cat((phases.sin(), phases.cos()), dim=-1)


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Layer norm of (B, N, D) without weights of its own, scaled and shifted by (B, D) each."""
    return F.layer_norm(x, x.shape[-1:], eps=NORM_EPS) * (1 + scale[:, None]) + shift[:, None]


def clip_half(x: Tensor) -> Tensor:
    """The tensor within the range of half precision, where it is of that precision."""
    return x.clamp(-HALF_RANGE, HALF_RANGE) if x.dtype == torch.float16 else x


class TimeMlp(nn.Module):
    """(B, width) → (B, width)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(width, MLP_RATIO * width)
        self.linear_2 = nn.Linear(MLP_RATIO * width, width)

    def forward(self, waves: Tensor) -> Tensor:
        return self.linear_2(F.gelu(self.linear_1(waves)))


class Modulation(nn.Module):
    """Time embedding (B, width) → `parts` of (B, width) each."""

    def __init__(self, width: int, parts: int) -> None:
        super().__init__()
        self.parts = parts
        self.linear = nn.Linear(width, parts * width)

    def forward(self, embedded: Tensor) -> tuple[Tensor, ...]:
        """embedded: the time embedding after its SiLU."""
        return self.linear(embedded).chunk(self.parts, dim=-1)


class GeluProjection(nn.Module):
    """(B, N, width) → (B, N, hidden), tanh-approximated GELU."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, hidden)

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(self.proj(x), approximate="tanh")


class FeedForward(nn.Module):
    """(B, N, width) → the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = MLP_RATIO * width
        self.net = nn.ModuleList([GeluProjection(width, hidden), nn.Identity(), nn.Linear(hidden, width)])

    def forward(self, x: Tensor) -> Tensor:
        return self.net[2](self.net[0](x))


class JointAttention(nn.Module):
    """Latents (B, N, width) and context (B, M, width) attend to each other as one sequence, context first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.add_q_proj, self.add_k_proj, self.add_v_proj = (nn.Linear(width, width) for _ in range(3))
        self.norm_q, self.norm_k, self.norm_added_q, self.norm_added_k = (
            nn.RMSNorm(width // heads, NORM_EPS) for _ in range(4)
        )
        self.to_out = nn.ModuleList([nn.Linear(width, width)])
        self.to_add_out = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v = (split_heads(layer(x), self.heads) for layer in (self.to_q, self.to_k, self.to_v))
        added = (self.add_q_proj, self.add_k_proj, self.add_v_proj)
        context_q, context_k, context_v = (split_heads(layer(context), self.heads) for layer in added)
        joined = attend(
            torch.cat((self.norm_added_q(context_q), self.norm_q(q)), dim=2),
            torch.cat((self.norm_added_k(context_k), self.norm_k(k)), dim=2),
            torch.cat((context_v, v), dim=2),
        )
        from_context, from_latents = joined.split((context.shape[1], x.shape[1]), dim=1)
        return self.to_out[0](from_latents), self.to_add_out(from_context)


class Attention(nn.Module):
    """(B, N, width) → the same shape, without a projection of its output."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q, self.to_k, self.to_v = (nn.Linear(width, width) for _ in range(3))
        self.norm_q, self.norm_k = (nn.RMSNorm(width // heads, NORM_EPS) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (split_heads(layer(x), self.heads) for layer in (self.to_q, self.to_k, self.to_v))
        return attend(self.norm_q(q), self.norm_k(k), v)


class DoubleBlock(nn.Module):
    """Latents and context, each with a stream of its own. Returns both, latents first."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = Modulation(width, 6)
        self.norm1_context = Modulation(width, 6)
        self.attn = JointAttention(width, heads)
        self.ff = FeedForward(width)
        self.ff_context = FeedForward(width)

    def forward(self, x: Tensor, context: Tensor, embedded: Tensor) -> tuple[Tensor, Tensor]:
        shift, scale, gate, shift_mlp, scale_mlp, gate_mlp = self.norm1(embedded)
        c_shift, c_scale, c_gate, c_shift_mlp, c_scale_mlp, c_gate_mlp = self.norm1_context(embedded)
        attended, c_attended = self.attn(modulate(x, shift, scale), modulate(context, c_shift, c_scale))
        x = x + gate[:, None] * attended
        x = x + gate_mlp[:, None] * self.ff(modulate(x, shift_mlp, scale_mlp))
        context = context + c_gate[:, None] * c_attended
        context = context + c_gate_mlp[:, None] * self.ff_context(modulate(context, c_shift_mlp, c_scale_mlp))
        return x, clip_half(context)


class SingleBlock(nn.Module):
    """(B, M + N, width) → the same shape: attention and feed-forward side by side, one projection for both."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = Modulation(width, 3)
        self.attn = Attention(width, heads)
        self.proj_mlp = nn.Linear(width, MLP_RATIO * width)
        self.proj_out = nn.Linear((1 + MLP_RATIO) * width, width)

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        shift, scale, gate = self.norm(embedded)
        u = modulate(x, shift, scale)
        hidden = torch.cat((self.attn(u), F.gelu(self.proj_mlp(u), approximate="tanh")), dim=-1)
        return clip_half(x + gate[:, None] * self.proj_out(hidden))


class DiffusionTransformer(nn.Module):
    """What the checkpoints call `dit_model`: latents (B, N, channels), context (B, M, condition_dim), time (B,)."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        width, heads = config.width, config.num_heads
        self.width = width
        self.time_proj = TimeMlp(width)
        self.proj_in = nn.Linear(config.input_channels, width)
        self.proj_cross_attention = nn.Linear(config.condition_dim, width)
        self.transformer_blocks = nn.ModuleList(DoubleBlock(width, heads) for _ in range(config.layers))
        self.single_transformer_blocks = nn.ModuleList(
            SingleBlock(width, heads) for _ in range(config.num_single_layers)
        )
        self.norm_out = Modulation(width, 2)
        self.proj_out = nn.Linear(width, config.input_channels)

    def forward(self, x: Tensor, timestep: Tensor, context: Tensor, cache: BlockCache | None = None) -> Tensor:
        waves = time_waves(timestep, self.width).to(x.dtype)
        embedded = F.silu(self.time_proj(waves))
        x, context = self.proj_in(x), self.proj_cross_attention(context)
        start = x
        x, context = self.transformer_blocks[0](x, context, embedded)
        if cache is None:
            x = self._deeper(x, context, embedded)
        else:
            x = cache.run(start, x, lambda: self._deeper(x, context, embedded))
        scale, shift = self.norm_out(embedded)
        return self.proj_out(modulate(x, shift, scale))

    def _deeper(self, x: Tensor, context: Tensor, embedded: Tensor) -> Tensor:
        """All blocks after the first: the latents' stream (B, N, width)."""
        for block in self.transformer_blocks[1:]:
            x, context = block(x, context, embedded)
        joined = torch.cat((context, x), dim=1)
        for block in self.single_transformer_blocks:
            joined = block(joined, embedded)
        return joined[:, context.shape[1] :]


class Denoiser(nn.Module):
    """Noisy latents and conditions → velocity, about noise minus data. Conditions of another width are projected."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.dit_model = DiffusionTransformer(config)
        dims = {
            "visual": (config.use_visual_condition, config.visual_condition_dim),
            "caption": (config.use_caption_condition, config.caption_condition_dim),
            "label": (config.use_label_condition, config.label_condition_dim),
        }
        self.conditions = tuple(name for name, (is_used, _) in dims.items() if is_used)
        for name in self.conditions:
            if dims[name][1] != config.condition_dim:  # "condtion" is how the checkpoints spell it
                projection = nn.Sequential(nn.RMSNorm(dims[name][1]), nn.Linear(dims[name][1], config.condition_dim))
                self.add_module(f"proj_{name}_condtion", projection)

    def forward(
        self, latents: Tensor, timestep: Tensor, conditions: dict[str, Tensor], cache: BlockCache | None = None
    ) -> Tensor:
        """latents: (B, N, input_channels). timestep: (B,) float in [1, 1000]. conditions: by "visual", "caption",
        "label", those of the config, (B, M, its dim). Returns the latents' shape and dtype.
        """
        return self.dit_model(latents, timestep, self._joined(conditions), cache)

    def _joined(self, conditions: dict[str, Tensor]) -> Tensor:
        """(B, all tokens, condition_dim)."""
        tokens = []
        for name in self.conditions:
            projection = getattr(self, f"proj_{name}_condtion", None)
            tokens.append(conditions[name] if projection is None else projection(conditions[name]))
        return torch.cat(tokens, dim=1)
