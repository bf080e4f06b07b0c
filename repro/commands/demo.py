"""``repro demo``: the whole pipeline on the embedded data set, its main table, and a report."""

from __future__ import annotations

import sys

from repro.checkout_lock import writes
from repro.commands.selection import FormatOption, NoRunOption, check_format, print_table

DEMO = "demo"


@writes
def demo(format: FormatOption = "rich", no_run: NoRunOption = False) -> None:
    """Run the embedded data set, print its table and write its report.

    Generates the data, makes text vectors, trains every variant over five seeds, evaluates,
    compares, prints the table, and ends with the path of results/demo/report.html. A second run
    only reads.

    Example: repro demo
    """
    import time

    started = time.monotonic()
    from repro.analysis import all_metrics, read_cells
    from repro.assembly import main_table_of
    from repro.engine import bring_up_to_date
    from repro.errors import ReproError
    from repro.layout import Layout
    from repro.params import load_params
    from repro.report.contents import write_report

    layout = Layout.find()
    check_format(format)
    params = load_params(layout.params)
    keys = [key for key, cell in params.cells.items() if cell.dataset == DEMO]
    if not keys:
        raise ReproError(
            f"{layout.params}: the grid has no cell of {DEMO}: restore it with `git checkout -- params.yaml`."
        )
    bring_up_to_date(layout, keys, run=not no_run, tables=True)
    cells = read_cells(layout, params, keys)
    print_table(main_table_of(cells, all_metrics(params), params, params.statistics.correction, None), format)
    sys.stdout.flush()
    report = layout.results / DEMO / "report.html"
    write_report(layout, params, [DEMO], report)
    print(f"Done in {_clock(time.monotonic() - started)}.", file=sys.stderr)
    print(f"Report: {report} ({report.as_uri()})", file=sys.stderr)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
