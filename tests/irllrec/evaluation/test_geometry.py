"""Alignment, uniformity and modality gap: by hand, at their bounds, and against a plain double loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from irllrec.evaluation import geometry
from irllrec.evaluation.geometry import alignment, modality_gap, uniformity


def test_alignment_by_hand() -> None:
    """(1,0) and (0,2) are √2 apart once normalised, (3,0) and (1,0) are 0 apart: (2 + 0) / 2 = 1."""
    assert alignment([[1, 0], [3, 0]], [[0, 2], [1, 0]]) == pytest.approx(1.0)


def test_alignment_is_4_at_most() -> None:
    assert alignment([[1.0, 2.0]], [[-2.0, -4.0]]) == pytest.approx(4.0)


def test_uniformity_by_hand() -> None:
    """Three rows, two equal: squared distances 0, 2, 2, so log((1 + 2·exp(−4)) / 3)."""
    rows = [[1, 0], [5, 0], [0, 1]]
    assert uniformity(rows) == pytest.approx(math.log((1 + 2 * math.exp(-4)) / 3))


def test_uniformity_agrees_with_torch_over_several_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wang and Isola's own line: torch.pdist(x).pow(2).mul(-2).exp().mean().log()."""
    import torch

    monkeypatch.setattr(geometry, "_BLOCK", 7)
    rows = np.random.default_rng(3).normal(size=(40, 5))
    unit = torch.nn.functional.normalize(torch.from_numpy(rows))
    assert uniformity(rows) == pytest.approx(float(torch.pdist(unit).pow(2).mul(-2).exp().mean().log()))


def test_uniformity_lies_between_its_bounds() -> None:
    assert uniformity([[1.0, 1.0], [2.0, 2.0]]) == pytest.approx(0.0)
    assert uniformity([[1.0, 1.0], [-2.0, -2.0]]) == pytest.approx(-8.0)


def test_modality_gap_by_hand() -> None:
    """Centroids (1, 0) and (0.5, 0.5)."""
    gap = modality_gap([[2, 0], [7, 0]], [[1, 0], [0, 1]])
    assert gap == pytest.approx(math.sqrt(0.5))


def test_lengths_and_a_common_rotation_do_not_matter() -> None:
    generator = np.random.default_rng(8)
    first, second = generator.normal(size=(2, 30, 6))
    turn, _ = np.linalg.qr(generator.normal(size=(6, 6)))
    stretched = first * generator.uniform(0.1, 9, size=(30, 1))
    assert alignment(stretched @ turn, second @ turn) == pytest.approx(alignment(first, second))
    assert uniformity(stretched @ turn) == pytest.approx(uniformity(first))
    assert modality_gap(stretched @ turn, second @ turn) == pytest.approx(modality_gap(first, second))


def test_rows_of_zeros_are_left_out() -> None:
    rows, zero = [[1.0, 0.0], [0.0, 1.0]], [0.0, 0.0]
    assert alignment([*rows, zero], [*rows, [1.0, 1.0]]) == 0.0
    assert uniformity([*rows, zero]) == uniformity(rows)
    assert modality_gap([*rows, zero], rows) == 0.0


def test_nothing_can_be_said_of_no_rows() -> None:
    assert math.isnan(alignment([[0.0, 0.0]], [[1.0, 0.0]]))
    assert math.isnan(uniformity([[1.0, 0.0]]))
    assert math.isnan(modality_gap([[0.0, 0.0]], [[1.0, 0.0]]))
