"""Contrast of matched rows against a table of candidates, with its gradient formed at once.

The mean's upstream gradient is a scalar, so the gradient can be formed in the forward pass while the
exponentials are still in cache, and no rows × candidates array is kept: by the kernels of
:mod:`irllrec.native` where they are built, else by PyTorch in blocks of rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Num
from torch import Tensor
from torch.autograd.function import once_differentiable

from irllrec.errors import ConfigurationError
from irllrec.native.contrast import contrast, has_contrast

# Cosines over a temperature above this bound cannot overflow float32 when exponentiated and summed.
SAFE_TEMPERATURE = 0.02
# Entries of one block: 1 MiB of float32, within a core's second-level cache.
BLOCK_ENTRIES = 1 << 18


def unit_rows(rows: Float[Tensor, "row dim"]) -> Float[Tensor, "row dim"]:
    """Return rows divided by ``sqrt(1e-8 + |x|²)``, the norm used throughout RLMRec and IRLLRec."""
    return rows * torch.rsqrt(1e-8 + rows.square().sum(dim=1, keepdim=True))


def info_nce(
    anchors: Float[Tensor, "row dim"],
    positives: Float[Tensor, "row dim"],
    candidates: Float[Tensor, "candidate dim"],
    temperature: float,
    *,
    row_counts: Num[Tensor, "row"] | None = None,
    candidate_counts: Num[Tensor, "candidate"] | None = None,
) -> Float[Tensor, ""]:
    """Return ``mean_r [ -<a_r, b_r>/τ + logsumexp_j <a_r, C_j>/τ ]``.

    Args:
        anchors: Unit rows.
        positives: Unit rows, one for each anchor.
        candidates: Unit rows of the denominator.
        temperature: τ > 0.
        row_counts: How often each anchor row stands in the batch; the mean is weighted by it.
        candidate_counts: How often each candidate stands in the denominator.

    Source: METHOD, `InfoNCE(a, b, C; τ)`.
    """
    return _contrast(anchors, positives, candidates, temperature, 0.0, row_counts, candidate_counts)


def floored_contrast(
    anchors: Float[Tensor, "row dim"],
    positives: Float[Tensor, "row dim"],
    candidates: Float[Tensor, "candidate dim"],
    temperature: float,
    *,
    row_counts: Num[Tensor, "row"] | None = None,
    candidate_counts: Num[Tensor, "candidate"] | None = None,
) -> Float[Tensor, ""]:
    """Return ``mean_r -log( exp(<x,y>/τ) / (Σ_j exp(<x,y_j>/τ) + 1e-8) + 1e-8 )``.

    The symmetric-noise form of METHOD, used by translation alignment, by generative reconstruction
    and by BIGCF. Rows must be unit rows; τ ≥ 0.02. Counts are those of :func:`info_nce`.

    Raises:
        ConfigurationError: If τ is so small that the exponentials overflow.
    """
    if temperature < SAFE_TEMPERATURE:
        raise ConfigurationError(
            f"temperature {temperature} is below {SAFE_TEMPERATURE}: the exponentials of this loss "
            "would overflow; choose a larger one."
        )
    return _contrast(anchors, positives, candidates, temperature, 1e-8, row_counts, candidate_counts)


def mean_log_sum_exp(
    anchors: Float[Tensor, "row dim"],
    candidates: Float[Tensor, "candidate dim"],
    *,
    row_counts: Num[Tensor, "row"] | None = None,
) -> Float[Tensor, ""]:
    """Return ``mean_r logsumexp_j (a_r · C_j)`` of dot products of any size.

    Args:
        anchors: Rows of any norm; no temperature divides them.
        candidates: Rows of any norm.
        row_counts: How often each anchor row stands in the batch; the mean is weighted by it.
    """
    nothing = torch.zeros_like(anchors)
    return _contrast(anchors, nothing, candidates, 1.0, 0.0, row_counts, None, bounded=False)


def _contrast(
    anchors: Tensor,
    positives: Tensor,
    candidates: Tensor,
    temperature: float,
    floor: float,
    row_counts: Tensor | None,
    candidate_counts: Tensor | None,
    *,
    bounded: bool = True,
) -> Tensor:
    """Return the contrast; ``bounded`` says that rows are unit, so that 1/τ bounds every logit."""
    if temperature <= 0:
        raise ConfigurationError(f"temperature {temperature} is not positive: choose one above 0.")
    row_count = anchors.shape[0]
    if row_counts is None:
        weights = torch.full((row_count,), 1.0 / row_count, dtype=anchors.dtype, device=anchors.device)
    else:
        weights = row_counts.to(anchors.dtype) / row_counts.sum()
    result: Tensor = _Contrast.apply(
        anchors,
        positives,
        candidates,
        weights,
        candidate_counts,
        temperature,
        floor,
        not bounded or temperature < SAFE_TEMPERATURE,
    )
    return result


@dataclass(frozen=True)
class _Gradients:
    """Of the loss with respect to its three arguments, for an upstream gradient of 1."""

    anchors: Tensor
    positives: Tensor
    candidates: Tensor


@dataclass(frozen=True)
class _Problem:
    """One contrast to be computed.

    Attributes:
        scaled: Anchors over the temperature.
        positives: One row an anchor.
        candidates: Rows of the denominator.
        weights: Shares of the rows in the mean.
        counts: How often each candidate stands in the denominator; None is once.
        floor: 0, or the 1e-8 of the floored form.
        shifted: Whether exponents are taken relative to a row's largest.
    """

    scaled: Tensor
    positives: Tensor
    candidates: Tensor
    weights: Tensor
    counts: Tensor | None
    floor: float
    shifted: bool

    @property
    def matched(self) -> Tensor:
        """The logit of each anchor's positive."""
        return (self.scaled * self.positives).sum(dim=1)

    def losses(self, sums: Tensor, shift: Tensor | None, matched: Tensor) -> tuple[Tensor, Tensor]:
        """Return rows' losses and by how much the floor damps their gradients."""
        if self.floor:
            share = torch.exp(matched) / (sums + self.floor)
            return -torch.log(share + self.floor), share / (share + self.floor)
        log_sums = sums.log() if shift is None else sums.log() + shift
        return log_sums - matched, torch.ones_like(sums)


class _Contrast(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        anchors: Tensor,
        positives: Tensor,
        candidates: Tensor,
        weights: Tensor,
        candidate_counts: Tensor | None,
        temperature: float,
        floor: float,
        shifted: bool,
    ) -> Tensor:
        counts = None if candidate_counts is None else candidate_counts.to(anchors.dtype)
        problem = _Problem(anchors / temperature, positives, candidates, weights, counts, floor, shifted)
        solve = _by_kernel if has_contrast(anchors, positives, candidates) else _in_blocks
        total, found = solve(problem, any(ctx.needs_input_grad[:3]))
        if found is not None:
            ctx.save_for_backward(found.anchors.div_(temperature), found.positives, found.candidates)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        upstream = gradients[0]
        needed = ctx.needs_input_grad[:3]
        found = [
            gradient * upstream if need else None
            for gradient, need in zip(ctx.saved_tensors, needed, strict=True)
        ]
        return (*found, None, None, None, None, None)


def _by_kernel(problem: _Problem, differentiated: bool) -> tuple[Tensor, _Gradients | None]:
    """Return the loss and its gradients, one exponential an entry."""
    scaled, candidates, matched = problem.scaled, problem.candidates, problem.matched
    shift = _row_maxima(scaled, candidates) if problem.shifted else None
    found = contrast(
        scaled,
        candidates,
        problem.weights if differentiated else None,
        counts=problem.counts,
        shifts=shift,
        positives=matched.exp() if problem.floor else None,
        floor=problem.floor,
    )
    losses, damping = problem.losses(found.sums, shift, matched)
    total = (losses * problem.weights).sum()
    if found.drawn is None or found.pushed is None:
        return total, None
    pull = (problem.weights * damping)[:, None]
    drawn = found.drawn.addcmul_(pull, problem.positives, value=-1.0)
    return total, _Gradients(drawn, -pull * scaled, found.pushed)


def _row_maxima(rows: Tensor, table: Tensor) -> Tensor:
    block = max(1, BLOCK_ENTRIES // max(1, len(table)))
    return torch.cat([(part @ table.T).amax(dim=1) for part in rows.split(block)])


def _in_blocks(problem: _Problem, differentiated: bool) -> tuple[Tensor, _Gradients | None]:
    """Return the loss and its gradients, one exponential an entry."""
    scaled, candidates, counts = problem.scaled, problem.candidates, problem.counts
    matched = problem.matched
    anchor_gradient, candidate_gradient = torch.empty_like(scaled), torch.zeros_like(candidates)
    pull = torch.empty_like(problem.weights)
    total = torch.zeros((), dtype=scaled.dtype, device=scaled.device)
    block = max(1, BLOCK_ENTRIES // max(1, candidates.shape[0]))
    if scaled.device.type != "cpu":
        block *= 64
    for start in range(0, scaled.shape[0], block):
        rows = slice(start, start + block)
        similarities = scaled[rows] @ candidates.T
        shift = similarities.amax(dim=1, keepdim=True) if problem.shifted else None
        if shift is not None:
            similarities -= shift
        similarities.exp_()
        sums = similarities.sum(dim=1) if counts is None else similarities @ counts
        losses, damping = problem.losses(sums, None if shift is None else shift[:, 0], matched[rows])
        total += (losses * problem.weights[rows]).sum()
        pull[rows] = problem.weights[rows] * damping
        if differentiated:
            similarities *= (pull[rows] / (sums + problem.floor))[:, None]
            if counts is not None:
                similarities *= counts
            anchor_gradient[rows] = similarities @ candidates
            candidate_gradient.addmm_(similarities.T, scaled[rows])
    if not differentiated:
        return total, None
    anchor_gradient -= pull[:, None] * problem.positives
    return total, _Gradients(anchor_gradient, -pull[:, None] * scaled, candidate_gradient)
