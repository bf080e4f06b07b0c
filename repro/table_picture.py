"""Draws the README's picture of the demo's table: ``python -m repro.table_picture > docs/table.svg``."""

from __future__ import annotations

import io
import re
import sys

WIDTH = 100


def picture(text: str, title: str) -> str:
    """Return coloured terminal text as an SVG that loads nothing from the network."""
    from rich._export_format import CONSOLE_SVG_FORMAT
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(Text.from_ansi(text))
    form = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    return console.export_svg(title=title, code_format=form, unique_id="table")


def main() -> None:
    """Print the picture of the stored results of the demo; nothing is run for it."""
    from repro.analysis import all_metrics, read_cells
    from repro.assembly import main_table_of
    from repro.layout import Layout
    from repro.params import load_params
    from repro.tables.render import render

    layout = Layout.find()
    params = load_params(layout.params)
    cells = read_cells(layout, params, [key for key, cell in params.cells.items() if cell.dataset == "demo"])
    table = main_table_of(cells, all_metrics(params), params, params.statistics.correction, None)
    sys.stdout.write(picture(render(table, "rich", WIDTH, True), "repro demo"))


if __name__ == "__main__":
    main()
