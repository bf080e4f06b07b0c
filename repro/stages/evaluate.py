"""Stage evaluate: rank the test items of one cell's models and store every user's metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from repro.layout import FAKES, Layout
from repro.memory import free_bytes, require_memory
from repro.params import Params, load_params
from repro.predicted_memory import evaluation_bytes
from repro.stages.entry import read_name, run

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from irllrec.data.interactions import Interactions

STORED_LENGTH = 100
"""Items of each stored list: any metric at k up to this needs no model."""


def main(argv: list[str]) -> None:
    """Evaluate the cell that ``argv`` names: per_user.parquet, top_items.npz and metrics.json."""
    key = read_name(argv, "evaluate", "a key under `cells` in params.yaml")
    layout = Layout.find()
    evaluate_cell(layout, load_params(layout.params), key)


def evaluate_cell(layout: Layout, params: Params, key: str) -> None:
    """Write the test results of every seed of a cell.

    Users without test items are left out. Masked items (``protocol.mask``) never appear in a list, nor do
    the fake training items of a model that was trained with click noise.
    """
    import numpy as np

    from irllrec.data.prepared import load_split
    from irllrec.data.storage import load_interactions, write_arrays, write_json

    cell = params.cell(key)
    folder = layout.run(cell.dataset, cell.backbone, cell.variant)
    prepared = layout.prepared(cell.dataset)
    train, valid, test = (load_split(prepared, name) for name in ("train", "valid", "test"))
    masked = [train] if params.protocol.mask == "train" else [train, valid]
    fakes = folder / "model" / FAKES
    masked += [load_interactions(fakes)] if fakes.is_file() else []
    users = np.flatnonzero(test.user_degrees > 0)
    seeds = _stored_seeds(folder / "model")
    require_memory(
        f"{key}: evaluating {len(seeds)} seeds for {len(users)} users",
        evaluation_bytes(
            model_bytes=max((folder / "model" / f"seed-{seed}.safetensors").stat().st_size for seed in seeds),
            pairs=len(train) + len(valid) + len(test),
            seeds=len(seeds),
            ranked=len(users),
        ),
        free_bytes(params.engine.memory_limit_gib),
        params.engine.memory_limit_gib,
        "raise engine.memory_gib or take a larger machine",
    )
    lists = np.empty((len(seeds), len(users), STORED_LENGTH), dtype=np.int32)
    for row, seed in enumerate(seeds):
        lists[row] = _ranked(folder / "model" / f"seed-{seed}.safetensors", users, masked)
    names = [f"{metric}@{cutoff}" for metric in params.protocol.metrics for cutoff in params.protocol.cutoffs]
    values = _values(lists, test, users, names)
    _write_per_user(folder, seeds, users, train, values)
    write_arrays(
        folder / "top_items.npz",
        {
            "seeds": np.asarray(seeds, dtype=np.int64),
            "users": users.astype(np.int32),
            "items": lists,
        },
    )
    write_json(folder / "metrics.json", _summary(params, seeds, names, values))


def _stored_seeds(folder: Any) -> list[int]:
    from irllrec.errors import DataError

    seeds = sorted(int(path.stem.removeprefix("seed-")) for path in folder.glob("seed-*.safetensors"))
    if not seeds:
        raise DataError(f"{folder} holds no trained model: run `dvc repro`.")
    return seeds


def _ranked(model: Any, users: npt.NDArray[np.integer], masked: list[Interactions]) -> npt.NDArray[np.int32]:
    from irllrec.evaluation.ranking import rank_items, without_masked
    from irllrec.training.checkpoint import load_tensors

    tensors, _ = load_tensors(model)
    if "inference/ranked" in tensors:
        # A simple baseline keeps lists that are long enough for either mask, training items left out.
        lists = tensors["inference/ranked"].numpy()[users]
        return without_masked(lists, users=users, masked=masked, length=STORED_LENGTH)
    return rank_items(
        tensors["inference/users"],
        tensors["inference/items"],
        users=users,
        masked=masked,
        length=STORED_LENGTH,
    )


def _values(
    lists: npt.NDArray[np.int32],
    test: Interactions,
    users: npt.NDArray[np.integer],
    names: list[str],
) -> dict[str, npt.NDArray[np.float64]]:
    """Return each metric of every seed and user, shape (seed, user)."""
    import numpy as np

    from irllrec.evaluation.metrics import per_user_metrics

    by_seed = [per_user_metrics(items, test, users, names) for items in lists]
    return {name: np.stack([values[name] for values in by_seed]) for name in names}


def _write_per_user(
    folder: Any,
    seeds: list[int],
    users: npt.NDArray[np.integer],
    train: Interactions,
    values: dict[str, npt.NDArray[np.float64]],
) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet

    from irllrec.data.storage import atomic_path

    columns = {
        "seed": np.repeat(np.asarray(seeds, dtype=np.int64), len(users)),
        "user": np.tile(users.astype(np.int32), len(seeds)),
        "train_degree": np.tile(train.user_degrees[users], len(seeds)),
        **{name: value.reshape(-1) for name, value in values.items()},
    }
    with atomic_path(folder / "per_user.parquet") as temporary:
        pyarrow.parquet.write_table(pa.table(columns), temporary)


def _summary(
    params: Params, seeds: list[int], names: list[str], values: dict[str, npt.NDArray[np.float64]]
) -> dict[str, Any]:
    means = {name: float(values[name].mean()) for name in names}
    per_seed = {
        str(seed): {name: float(values[name][row].mean()) for name in names} for row, seed in enumerate(seeds)
    }
    return {**means, "per_seed": per_seed, "mask": params.protocol.mask}


if __name__ == "__main__":
    run(main)
