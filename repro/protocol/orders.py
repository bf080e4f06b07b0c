"""The order of methods under the full ranking and against sampled items, which need not agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import scipy.stats

from repro.protocol.rankings import Rankings
from repro.protocol.settings import Setting


def order_notes(methods: Sequence[Rankings], standing: Setting, drawn: Sequence[int]) -> list[str]:
    """Return a sentence with the order of methods by full and by sampled ranking; none for one method.

    Args:
        methods: Cells of one data set whose models score all items.
        standing: The protocol whose metric orders them.
        drawn: Numbers of sampled items.
    """
    if len(methods) < 2 or not drawn:
        return []
    names = _names(methods)
    full = _means(methods, standing)
    told = [f"all items {_in_order(names, full)}"]
    for count in drawn:
        means = _means(methods, replace(standing, drawn=count))
        tau = scipy.stats.kendalltau(full, means).statistic
        told.append(f"1 + {count:,} sampled {_in_order(names, means)} (Kendall's τ-b {tau:.2f})")
    return [f"Order of the {len(methods)} methods here by {standing.name}: {'; '.join(told)}."]


def _names(methods: Sequence[Rankings]) -> list[str]:
    """Return the variants, with their backbones where there are several."""
    cells = [method.cell.cell for method in methods]
    if len({cell.backbone for cell in cells}) == 1:
        return [cell.variant for cell in cells]
    return [f"{cell.backbone}/{cell.variant}" for cell in cells]


def _means(methods: Sequence[Rankings], setting: Setting) -> list[float]:
    return [float(method.values(setting).mean()) for method in methods]


def _in_order(names: Sequence[str], means: Sequence[float]) -> str:
    order = sorted(range(len(names)), key=lambda place: -means[place])
    return " > ".join(f"{names[place]} {means[place]:.4f}" for place in order)
