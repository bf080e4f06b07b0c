"""``repro doctor``: what this machine and this checkout have, and the fix beside each problem."""

from __future__ import annotations

from typing import Annotated

import typer

from repro.commands.selection import FormatOption, check_format, print_table


def doctor(
    quick: Annotated[
        bool,
        typer.Option(
            "--quick", help="Leave out what takes seconds: file hashes, DVC's status, Ollama hosts."
        ),
    ] = False,
    format: FormatOption = "rich",
) -> None:
    """Check this machine, the installation, the checkout, the data and the Ollama hosts.

    Versions, threads, memory, disk, accelerator, clock and locale; who writes here; what is out of date; hashes
    of the data; whether the models that the texts ask are there.

    Exits with 1 if something needs a fix.

    Example: repro doctor
    """
    from repro.diagnosis.checkout import checkout
    from repro.diagnosis.data import data
    from repro.diagnosis.findings import page
    from repro.diagnosis.hosts import hosts
    from repro.diagnosis.machine import machine
    from repro.diagnosis.software import software
    from repro.layout import Layout
    from repro.params import load_params

    layout = Layout.find()
    check_format(format)
    params = load_params(layout.params)
    table = page(
        (
            ("Installation", software(layout)),
            ("Machine", machine(layout, params.engine.memory_limit_gib)),
            ("Checkout", checkout(layout, quick=quick)),
            ("Data", data(layout, params, quick=quick)),
            ("Language models", hosts(params, quick=quick)),
        )
    )
    print_table(table, format)
    if any(record["ok"] == "no" for record in table.records):
        raise typer.Exit(1)
