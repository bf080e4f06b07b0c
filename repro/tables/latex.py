"""A table for a paper: booktabs, no package beside it."""

from __future__ import annotations

import re

from repro.tables.model import WORSE, Entry, Table

_SPECIAL_IN_MATH = re.compile(r"[\\&%$#_{}~^<>|]")
"""Stars and marks stand raised, and nothing that LaTeX would take for a command."""

SPECIAL = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    "≥": r"$\geq$",
    "≤": r"$\leq$",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": r"$-$",
    "–": r"--",
    "→": r"$\to$",
    "Δ": r"$\Delta$",
    WORSE: r"$\downarrow$",
}


def escape(text: str) -> str:
    """Return text that pdflatex prints as it is; a hyphen before a digit becomes a minus sign."""
    out = []
    for position, character in enumerate(text):
        follows = text[position + 1 : position + 2]
        before = text[position - 1 : position] if position else ""
        if character == "-" and follows.isdigit() and not before.isalnum():
            out.append("$-$")
        else:
            out.append(SPECIAL.get(character, character))
    return "".join(out)


def latex(table: Table) -> str:
    r"""Return a ``table*`` environment; it needs ``\usepackage{booktabs}`` in the preamble."""
    count = len(table.columns)
    alignment = "l" * table.label_count + "r" * (count - table.label_count)
    lines = [
        r"% needs \usepackage{booktabs}",
        r"\begin{table*}[t]",
        r"\centering\small",
        rf"\begin{{tabular}}{{{alignment}}}",
        r"\toprule",
        " & ".join(escape(column) for column in table.columns) + r" \\",
    ]
    for block in table.blocks:
        lines.append(r"\midrule")
        if block.title:
            lines += [rf"\multicolumn{{{count}}}{{c}}{{\textbf{{{escape(block.title)}}}}} \\", r"\midrule"]
        for number, group in enumerate(block.groups):
            if number:
                lines.append(r"\cmidrule(lr){1-" + str(count) + "}")
            if group.heading:
                lines.append(rf"\multicolumn{{{count}}}{{l}}{{\emph{{{escape(group.heading)}}}}} \\")
            lines.extend(" & ".join(_entry(entry) for entry in line.entries) + r" \\" for line in group.lines)
    caption = " ".join(escape(note) for note in (table.title + ".", *table.notes))
    lines += [r"\bottomrule", r"\end{tabular}", rf"\caption{{{caption}}}", r"\end{table*}"]
    return "\n".join(lines) + "\n"


def _entry(entry: Entry) -> str:
    text = escape(entry.text)
    if entry.mark == "best":
        text = rf"\textbf{{{text}}}"
    elif entry.mark == "second":
        text = rf"\underline{{{text}}}"
    raised = _SPECIAL_IN_MATH.sub("", entry.raised).replace(WORSE, r"\downarrow")
    return text + (f"$^{{{raised}}}$" if raised else "")
