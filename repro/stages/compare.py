"""Stage ``compare``: every comparison of one data set, as results/<dataset>/significance.csv."""

from __future__ import annotations

from repro.stages.entry import run


def main(arguments: list[str]) -> int:
    """Write the comparisons of the data set named by the only argument; none where it has no cells.

    Raises:
        ReproError: If the name is missing, or the results of a cell are.
    """
    from irllrec.data.storage import write_text
    from repro.analysis import all_metrics, read_cells
    from repro.assembly import significance_table_of
    from repro.errors import ReproError
    from repro.layout import Layout
    from repro.params import load_params
    from repro.tables.render import render

    if len(arguments) != 1:
        raise ReproError("the stage compare takes one data set: `python -m repro.stages.compare demo`.")
    layout = Layout.find()
    params = load_params(layout.params)
    keys = [key for key, cell in params.cells.items() if cell.dataset == arguments[0]]
    cells = read_cells(layout, params, keys)
    table = significance_table_of(cells, all_metrics(params), params, params.statistics.correction)
    write_text(layout.results / arguments[0] / "significance.csv", render(table, "csv"))
    return 0


if __name__ == "__main__":
    run(main)
