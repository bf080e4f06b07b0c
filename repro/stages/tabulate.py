"""Stage ``tabulate``: the main table and the data sets, in every form, below results/."""

from __future__ import annotations

from repro.stages.entry import run


def main(arguments: list[str]) -> int:
    """Write results/main.* and results/datasets.*, or results/<dataset>/main.* for a named one.

    Raises:
        ReproError: If the results of a cell are missing.
    """
    from irllrec.data.storage import write_text
    from repro.analysis import all_metrics, read_cells
    from repro.assembly import main_table_of
    from repro.layout import Layout
    from repro.overviews import datasets_table_of
    from repro.params import load_params
    from repro.tables.render import render

    layout = Layout.find()
    params = load_params(layout.params)
    keys = [key for key, cell in params.cells.items() if not arguments or cell.dataset in arguments]
    cells = read_cells(layout, params, keys)
    table = main_table_of(cells, all_metrics(params), params, params.statistics.correction, None)
    folder = layout.results / arguments[0] if arguments else layout.results
    for form, ending in (("csv", "csv"), ("md", "md"), ("latex", "tex")):
        write_text(folder / f"main.{ending}", render(table, form))
    if not arguments:
        names = list(dict.fromkeys(cell.cell.dataset for cell in cells))
        overview = datasets_table_of(layout, params, names)
        for form in ("csv", "md"):
            write_text(folder / f"datasets.{form}", render(overview, form))
    return 0


if __name__ == "__main__":
    run(main)
