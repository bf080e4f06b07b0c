"""The figure of training: loss terms and the validation metric by epoch, from history.csv."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from repro.errors import ReproError
from repro.figure_material import Material, NotDrawableError, plural
from repro.figures.curves import Curve, draw_training
from repro.figures.model import COLUMN_WIDTH, Figure
from repro.figures.style import Look, look_at, look_of
from repro.results import CellResult
from repro.tables.main import OURS
from repro.tables.model import Record, figures

if TYPE_CHECKING:
    import pandas as pd

_NO_TERMS = ("seed", "epoch", "trial", "validation")
_HEIGHT = 3.9


def training_figure(material: Material) -> Figure:
    """Return the training curves of a backbone: irllrec's loss terms, every variant's validation.

    Raises:
        NotDrawableError: If no cell was trained by epochs here, or a history is missing.
        ReproError: If a history cannot be read.
    """
    histories = {cell.cell.variant: history_of(cell) for cell in material.plain}
    histories = {name: rows for name, rows in histories.items() if _is_curve(rows)}
    if not histories:
        raise NotDrawableError(
            f"no model of {material.place} was trained by epochs: there is no curve to draw."
        )
    told = OURS if OURS in histories else max(histories, key=lambda name: len(_terms(histories[name])))
    rows = histories[told]
    terms = [_curve(rows, name, look_at(place), name) for place, name in enumerate(_terms(rows))]
    validations = [
        _curve(rows, "validation", _look(list(histories), name), name, best=True)
        for name, rows in histories.items()
    ]
    metric = str((material.cells[told].run.get("hyperparameters") or {}).get("stop_on", "metric"))
    titles = (f"{told}: loss, term by term", "validation")
    return Figure(
        name=f"training-{material.place}",
        title=f"Training of {material.backbone} on {material.dataset}",
        alt=_alt(told, terms, validations, metric),
        caption=_caption(told, validations, metric),
        command=material.command("training"),
        size=(COLUMN_WIDTH, _HEIGHT),
        records=tuple(_records("loss", terms) + _records("validation", validations) + _best(validations)),
        draw=lambda canvas: draw_training(canvas, terms, validations, titles, f"validation {metric}"),
    )


def history_of(cell: CellResult) -> pd.DataFrame:
    """Return a cell's history.csv: columns ``seed``, ``epoch``, weighted loss terms, ``validation``.

    Raises:
        NotDrawableError: If it is missing.
        ReproError: If it is no such file.
    """
    import pandas as pd

    path = cell.folder / "history.csv"
    try:
        rows = pd.read_csv(path)
    except FileNotFoundError:
        raise NotDrawableError(
            f"{path} is missing: only results were copied; make it with `dvc repro`."
        ) from None
    except (ValueError, UnicodeDecodeError) as error:
        raise ReproError(f"{path} cannot be read ({error}): delete it and run `dvc repro`.") from None
    missing = [name for name in ("seed", "epoch", "validation") if name not in rows]
    if missing:
        raise ReproError(f"{path} lacks the column {missing[0]!r}: delete it and run `dvc repro`.")
    return rows


def _is_curve(rows: pd.DataFrame) -> bool:
    """Return whether a model was trained once by epochs: a simple baseline's rows are trials."""
    return "trial" not in rows and rows["validation"].notna().sum() > rows["seed"].nunique()


def _terms(rows: pd.DataFrame) -> list[str]:
    return [name for name in rows.columns if name not in _NO_TERMS]


def _look(names: Sequence[str], name: str) -> Look:
    return look_of(name, names.index(name))


def _curve(rows: pd.DataFrame, column: str, look: Look, name: str, *, best: bool = False) -> Curve:
    known = rows[rows[column].notna()]
    table = known.pivot(index="epoch", columns="seed", values=column)
    found: tuple[tuple[int, float], ...] = ()
    if best:
        # The first of equal values is the one that training kept.
        peaks = table.idxmax()
        found = tuple((int(peaks[seed]), float(table[seed].max())) for seed in table.columns)
    return Curve(name, look, table.index.to_numpy(dtype=np.int64), table.to_numpy(dtype=np.float64).T, found)


def _alt(told: str, terms: Sequence[Curve], validations: Sequence[Curve], metric: str) -> str:
    largest = max(terms, key=lambda curve: abs(curve.mean[0])) if terms else None
    parts = []
    if largest is not None:
        parts.append(
            f"Of {told}'s {len(terms)} loss terms {largest.name} is the largest at the start; it goes from "
            f"{largest.mean[0]:.3g} to {largest.mean[-1]:.3g}."
        )
    for curve in validations:
        epochs = [epoch for epoch, _ in curve.best]
        value = float(np.mean([value for _, value in curve.best]))
        span = f"{min(epochs)}" if min(epochs) == max(epochs) else f"{min(epochs)} to {max(epochs)}"
        parts.append(f"{curve.name}: best validation {metric} {value:.4f} at epoch {span}.")
    return " ".join(parts)


def _caption(told: str, validations: Sequence[Curve], metric: str) -> str:
    count = max(len(curve.values) for curve in validations)
    several = (
        f"Lines are means over {plural(count, 'seed')}, bands the range over seeds; thin where some seeds had "
        "stopped already. Each mark is one seed's best epoch, whose weights are tested."
    )
    single = "One seed; a mark is the best epoch, whose weights are tested."
    return (
        f"Above: the terms of {told}'s loss, each with its weight, mean of an epoch's batches. Below: {metric} on "
        f"the validation split. {several if count > 1 else single}"
    )


def _records(panel: str, curves: Sequence[Curve]) -> list[Record]:
    return [
        {
            "panel": panel,
            "series": curve.name,
            "epoch": int(epoch),
            "mean": figures(float(mean)),
            "low": figures(float(low)),
            "high": figures(float(high)),
            "seeds": int(seeds),
        }
        for curve in curves
        for epoch, mean, low, high, seeds in zip(
            curve.epochs, curve.mean, curve.low, curve.high, curve.running, strict=True
        )
    ]


def _best(curves: Sequence[Curve]) -> list[Record]:
    return [
        {
            "panel": "best epoch of a seed",
            "series": curve.name,
            "epoch": epoch,
            "mean": figures(value),
            "low": figures(value),
            "high": figures(value),
            "seeds": 1,
        }
        for curve in curves
        for epoch, value in curve.best
    ]
