# SPDX-License-Identifier: GPL-3.0-or-later
"""Letting the network write: one token after the other, by beams that are drawn or ranked, under a grammar.

The search is that of transformers 4.51 with the settings that UniRig was published with, so that the same logits give
the same tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.unirig.grammar import Walk
from models.unirig.skeleton import SkeletonNetwork
from models.unirig.tokenizer import VOCABULARY

NEVER = float("-inf")
BEHIND = -1e9  # the score of beams that wait for the first to branch
LEAST_CHOICES = 2  # a beam keeps so many tokens, whatever top_k and top_p say
CANDIDATES = 2  # drawn for each beam: as many may end


@dataclass(frozen=True)
class Decoding:
    """How to choose among tokens. One beam that is not drawn is greedy.

    is_drawn: by chance, in proportion to the probability; otherwise the best. top_k, top_p, temperature: only where
    drawn. repetition_penalty: on tokens that the sequence already has.
    """

    num_beams: int = 15
    is_drawn: bool = True
    top_k: int = 5
    top_p: float = 0.95
    temperature: float = 1.5
    repetition_penalty: float = 3.0
    max_new_tokens: int = 2048


@dataclass(frozen=True, eq=False)
class Prompt:
    """What a sequence starts from. prefix: (1, Q, C), as `read_points` gives it. first: tokens that are given.

    walk: the grammar before the first token.
    """

    prefix: Tensor
    first: tuple[int, ...]
    walk: Walk


@dataclass(frozen=True, eq=False)
class Written:
    """A sequence. tokens: (L,) int64 with the first tokens. score: mean log-probability as the search counts it.

    has_ended: whether eos is its last token.
    """

    tokens: np.ndarray
    score: float
    has_ended: bool


@dataclass(frozen=True)
class _Beam:
    """A sequence being written. score: the sum of its tokens' log-probabilities."""

    tokens: tuple[int, ...]
    walk: Walk
    score: float

    def then(self, token: int, score: float) -> _Beam:
        return _Beam((*self.tokens, token), self.walk.after(token), score)


@torch.inference_mode()
def write(
    network: SkeletonNetwork,
    prompt: Prompt,
    decoding: Decoding,
    generator: torch.Generator,
    on_token: Callable[[int], None] = lambda count: None,
) -> list[Written]:
    """Sequences behind a prompt, best first: up to num_beams, one if greedy.

    generator: of the CPU, so that a seed means the same everywhere. on_token: gets the number of tokens so far; what it
    raises stops the search.
    """
    device = prompt.prefix.device
    search = _Search(prompt, decoding, generator)
    logits, memory = network.start(prompt.prefix, torch.tensor(prompt.first, device=device))
    for count in range(1, decoding.max_new_tokens + 1):
        on_token(count)
        before = list(range(len(search.beams)))
        parents = search.advance(logits.float().cpu())
        if search.is_over:
            break
        if parents != before:
            memory.keep(torch.tensor(parents, device=device))
        tokens = torch.tensor([beam.tokens[-1] for beam in search.beams], device=device)
        logits = network.step(tokens, memory)
    return search.results()


class _Search:
    """The beams, and those that ended. Knows nothing of the network."""

    def __init__(self, prompt: Prompt, decoding: Decoding, generator: torch.Generator) -> None:
        walk = prompt.walk
        for token in prompt.first:
            walk = walk.after(token)
        self._first = len(prompt.first)
        self._decoding = decoding
        self._generator = generator
        self._ended: list[tuple[float, _Beam]] = []
        self.beams = [_Beam(prompt.first, walk, BEHIND if number else 0.0) for number in range(decoding.num_beams)]
        self.is_over = False

    def advance(self, logits: Tensor) -> list[int]:
        """Give every beam its next token. logits: (B, vocabulary), or one row for all. Returns each beam's parent."""
        logits = logits.expand(len(self.beams), -1)
        if self._decoding.num_beams == 1 and not self._decoding.is_drawn:
            candidates = self._choose_greedily(logits)
        else:
            candidates = self._choose(logits)
        length = len(self.beams[0].tokens) + 1 - self._first
        is_last = length == self._decoding.max_new_tokens
        ends = [is_last or token == VOCABULARY.eos for _, token, _ in candidates]
        grown = [self.beams[parent].then(token, score) for parent, token, score in candidates]
        width = self._decoding.num_beams
        self._ended += [(beam.score / length, beam) for beam, end in zip(grown[:width], ends, strict=False) if end]
        self._ended = sorted(self._ended, key=lambda item: -item[0])[:width]
        going = [place for place, end in enumerate(ends) if not end]
        going = sorted(going, key=lambda place: -grown[place].score)[:width]
        self.beams = [grown[place] for place in going]
        worst = self._ended[-1][0] if len(self._ended) == width else BEHIND
        self.is_over = not going or self.beams[0].score / length <= worst
        return [candidates[place][0] for place in going]

    def results(self) -> list[Written]:
        """What ended, best first."""
        return [Written(np.array(beam.tokens), score, beam.tokens[-1] == VOCABULARY.eos) for score, beam in self._ended]

    def _choose_greedily(self, logits: Tensor) -> list[tuple[int, int, float]]:
        """The reference's greedy search penalises logits, not probabilities; the score is what the network gives."""
        token = int(self._constrain(logits)[0].argmax())
        (beam,) = self.beams
        return [(0, token, beam.score + float(logits[0].log_softmax(-1)[token]))]

    def _choose(self, logits: Tensor) -> list[tuple[int, int, float]]:
        """Beam, token and score of the candidates, in the order in which they were drawn, or best first."""
        decoding = self._decoding
        scores = self._constrain(logits.log_softmax(-1))
        if decoding.is_drawn:
            scores = keep_nucleus(keep_strongest(scores / decoding.temperature, decoding.top_k), decoding.top_p)
        totals = (scores + torch.tensor([beam.score for beam in self.beams])[:, None]).flatten()
        count = CANDIDATES * decoding.num_beams
        if decoding.is_drawn:
            picks = torch.multinomial(totals.softmax(-1), count, generator=self._generator)
        else:
            picks = totals.topk(count).indices
        choices = [(*divmod(pick, scores.shape[1]), float(totals[pick])) for pick in picks.tolist()]
        return [choice for choice in choices if choice[2] > NEVER]

    def _constrain(self, scores: Tensor) -> Tensor:  # (B, vocabulary)
        """Repetitions penalised, then the grammar's mask."""
        seen = torch.zeros(scores.shape, dtype=torch.bool)
        for row, beam in enumerate(self.beams):
            seen[row, list(beam.tokens[self._first :])] = True
        allowed = torch.from_numpy(np.stack([beam.walk.allowed() for beam in self.beams]))
        return penalise(scores, seen, self._decoding.repetition_penalty).masked_fill(~allowed, NEVER)


def penalise(scores: Tensor, seen: Tensor, penalty: float) -> Tensor:
    """Scores (B, vocabulary) of seen tokens made worse: negative ones times the penalty, positive ones through it."""
    return torch.where(seen, torch.where(scores < 0, scores * penalty, scores / penalty), scores)


def keep_strongest(scores: Tensor, count: int) -> Tensor:
    """(B, vocabulary): all but the `count` best of each row never."""
    weakest = scores.topk(max(count, LEAST_CHOICES)).values[:, -1:]
    return scores.masked_fill(scores < weakest, NEVER)


def keep_nucleus(scores: Tensor, share: float) -> Tensor:
    """(B, vocabulary): the best of each row that together have the share of its probability, the rest never."""
    ascending, order = scores.sort(dim=-1)
    is_tail = ascending.softmax(-1).cumsum(-1) <= 1 - share
    is_tail[:, -LEAST_CHOICES:] = False
    return scores.masked_fill(is_tail.scatter(1, order, is_tail), NEVER)
