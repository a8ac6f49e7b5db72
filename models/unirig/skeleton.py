# SPDX-License-Identifier: GPL-3.0-or-later
"""The network that writes skeletons: latents of the points are the prefix of a language model (OPT, Zhang et al. 2022,
arXiv 2205.01068) whose words are tokens of bones. Key names of the published checkpoint.

Several beams share one prefix: its keys and values are kept once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.unirig.config import DecoderConfig, SkeletonConfig
from models.unirig.point_encoder import PointEncoder

POSITION_OFFSET = 2  # rows of OPT's table before the first position


class SkeletonNetwork(nn.Module):
    """Points in, then token by token: `read_points`, `start`, `step`."""

    def __init__(self, config: SkeletonConfig) -> None:
        super().__init__()
        self.mesh_encoder = nn.ModuleDict({"encoder": PointEncoder(config.encoder)})
        self.output_proj = nn.Linear(config.encoder.width, config.decoder.hidden_size)
        self.transformer = OptForCausalLM(config.decoder)
        self.config = config

    def read_points(self, points: Tensor, normals: Tensor, queries: Tensor) -> Tensor:
        """The prefix (1, Q, hidden_size). points, normals: (N, 3). queries: (Q,), see `choose_queries`."""
        return self.output_proj(self.mesh_encoder["encoder"](points, normals, queries))

    def start(self, prefix: Tensor, tokens: Tensor) -> tuple[Tensor, Memory]:
        """Logits (1, vocabulary) behind the prefix and the first tokens (S,), and what was read."""
        embedded = self.transformer.embed(tokens)[None]
        memory = Memory()
        hidden = self.transformer.decode(torch.cat((prefix, embedded), dim=1), memory)
        return self.transformer.lm_head(hidden[:, -1]), memory

    def step(self, tokens: Tensor, memory: Memory) -> Tensor:
        """Logits (B, vocabulary) behind one more token of each beam (B,)."""
        hidden = self.transformer.decode(self.transformer.embed(tokens)[:, None], memory)
        return self.transformer.lm_head(hidden[:, -1])


@dataclass
class Memory:
    """Keys and values of what was read, a pair a layer.

    shared: (1, heads, P, D), the prefix of all beams. own: (B, heads, T, D), what each beam wrote; empty at first.
    """

    shared: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    own: list[tuple[Tensor, Tensor]] = field(default_factory=list)
    length: int = 0

    def keep(self, beams: Tensor) -> None:
        """Go on with these beams (B,), in this order; one may come twice."""
        self.own = [(keys[beams], values[beams]) for keys, values in self.own]


class OptForCausalLM(nn.Module):
    """OPT with its norms before the layers; embeddings and head share their weights."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.model = nn.ModuleDict({"decoder": OptDecoder(config)})
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.lm_head.weight = self.model["decoder"].embed_tokens.weight

    def embed(self, tokens: Tensor) -> Tensor:
        """(…) → (…, hidden_size)."""
        return self.model["decoder"].embed_tokens(tokens)

    def decode(self, embedded: Tensor, memory: Memory) -> Tensor:
        """(B, T, hidden_size) → the same, behind what the memory holds, which grows."""
        return self.model["decoder"](embedded, memory)


class OptDecoder(nn.Module):
    """The layers and the embeddings of tokens and positions."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.embed_tokens = _embedding(config.vocab_size, config.hidden_size)
        self.embed_positions = _embedding(config.max_positions + POSITION_OFFSET, config.hidden_size)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size)
        self.layers = nn.ModuleList(OptLayer(config) for _ in range(config.num_hidden_layers))

    def forward(self, x: Tensor, memory: Memory) -> Tensor:
        first = memory.length + POSITION_OFFSET
        memory.length += x.shape[1]
        x = x + self.embed_positions.weight[first : first + x.shape[1]]
        for number, layer in enumerate(self.layers):
            x = layer(x, memory, number)
        return self.final_layer_norm(x)


def _embedding(rows: int, width: int) -> nn.Embedding:
    """With first values that torch can draw on the meta device without seconds of imports, unlike its own."""
    return nn.Embedding.from_pretrained(torch.empty(rows, width).uniform_(-1, 1), freeze=False)


class OptLayer(nn.Module):
    """Attention and a two-layer perceptron with ReLU, each with a norm before and a way around. (B, T, C)."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.self_attn = OptAttention(config)
        self.self_attn_layer_norm = nn.LayerNorm(config.hidden_size)
        self.fc1 = nn.Linear(config.hidden_size, config.ffn_dim)
        self.fc2 = nn.Linear(config.ffn_dim, config.hidden_size)
        self.final_layer_norm = nn.LayerNorm(config.hidden_size)

    def forward(self, x: Tensor, memory: Memory, number: int) -> Tensor:
        x = x + self.self_attn(self.self_attn_layer_norm(x), memory, number)
        return x + self.fc2(F.relu(self.fc1(self.final_layer_norm(x))))


class OptAttention(nn.Module):
    """Causal attention. (B, T, C): the prefix at once, or one token of each beam."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.heads = config.num_attention_heads
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.k_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.v_proj = nn.Linear(config.hidden_size, config.hidden_size)
        self.out_proj = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, x: Tensor, memory: Memory, number: int) -> Tensor:
        q, k, v = (self._split(proj(x)) for proj in (self.q_proj, self.k_proj, self.v_proj))
        if number == len(memory.shared):
            memory.shared.append((k, v))
            seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            return self.out_proj(seen.transpose(1, 2).flatten(2))
        if number == len(memory.own):
            memory.own.append((k, v))
        else:
            keys, values = memory.own[number]
            memory.own[number] = torch.cat((keys, k), dim=2), torch.cat((values, v), dim=2)
        seen = attend_to_both(q, memory.shared[number], memory.own[number])
        return self.out_proj(seen.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, C) → (B, heads, T, D)."""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


def attend_to_both(q: Tensor, shared: tuple[Tensor, Tensor], own: tuple[Tensor, Tensor]) -> Tensor:
    """Attention of each beam's query to the shared prefix and to the beam's own tokens: (B, heads, 1, D).

    q: (B, heads, 1, D). shared: keys and values (1, heads, P, D). own: keys and values (B, heads, T, D).
    """
    q = q * q.shape[-1] ** -0.5
    to_shared = q.transpose(0, 2) @ shared[0].transpose(2, 3)  # (1, heads, B, P)
    to_own = q @ own[0].transpose(2, 3)  # (B, heads, 1, T)
    scores = torch.cat((to_shared.transpose(0, 2), to_own), dim=-1).float()
    weights = scores.softmax(dim=-1).to(q.dtype)
    prefix = shared[0].shape[2]
    from_shared = weights[..., :prefix].transpose(0, 2) @ shared[1]  # (1, heads, B, D)
    return from_shared.transpose(0, 2) + weights[..., prefix:] @ own[1]
