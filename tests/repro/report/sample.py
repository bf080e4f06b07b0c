"""A report made by hand: every kind of part, and texts that strangers could have written."""

from __future__ import annotations

import dataclasses
from typing import Any

from repro.figures.model import Figure
from repro.report.model import FigurePart, Gap, Judged, MadeBy, Report, Section, TablePart, Verdict
from repro.tables.model import Block, Entry, Group, Line, Table

HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=1">',
    "]]></script><script>document.title='owned'</script>",
    "</template></textarea></style><svg onload=document.title=1>",
    "abc\u202edcba\u2066x",
    "\x1b[31mred\x1b[0m\x07\x00",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "&lt;b&gt; & <b>",
)


def line(*texts: str | Entry, faint: bool = False) -> Line:
    return Line(tuple(Entry(text) if isinstance(text, str) else text for text in texts), faint)


MAIN = Table(
    title="Main results",
    columns=("variant", "R@20", "N@20", "note"),
    label_count=1,
    blocks=(
        Block(
            "demo  (5 seeds, 1,200 users)",
            (
                Group(
                    "lightgcn",
                    (
                        line("base", "0.1000", "0.0900", "b"),
                        line("  rlmrec", "0.1010", "0.0800", "", faint=True),
                        line("irllrec", Entry("0.3000", "best", "***"), Entry("0.0500", "", "*▼"), "a"),
                        line("vs best other", "+3.20%", "-4.00%", "–"),
                    ),
                ),
                Group("ease", (line("base", Entry("0.2000", "second"), Entry("0.1200", "best"), "c10"),)),
            ),
        ),
        Block(
            "shop", (Group("", (line("base", "–", "1e-03", "c9"), line("other", "0.5000", "0.4", "c10"))),)
        ),
    ),
    notes=("Best in bold; * p<0.05.",),
    records=({"variant": "base", "recall@20": 0.1}, {"variant": "irllrec", "recall@20": 0.3}),
)

STRANGE = Table(
    title=HOSTILE[0],
    columns=("title", "count", HOSTILE[1]),
    label_count=1,
    blocks=(Block(HOSTILE[2], (Group(HOSTILE[3], tuple(line(text, "1", text) for text in HOSTILE)),)),),
    notes=HOSTILE,
    records=tuple({"title": text, "count": 1, HOSTILE[1]: text} for text in HOSTILE),
)


def _draw(canvas: Any) -> None:
    axes = canvas.subplots()
    axes.plot([0, 1, 2], [0.1, 0.3, 0.2], marker="o")
    axes.set_title(HOSTILE[0])


def figure(name: str = "curve", strange: bool = False) -> Figure:
    """A figure with 250 numbers; a strange one says what a stranger wrote."""
    words = HOSTILE[1] if strange else "A curve"
    return Figure(
        name=name,
        title=words,
        alt=HOSTILE[1] if strange else "It rises to 0.3, then falls to 0.2.",
        caption="\n".join(HOSTILE) if strange else "One seed, 10 users.",
        command="repro figures --dataset demo",
        size=(3.35, 2.0),
        records=tuple({"series": words, "epoch": epoch, "value": epoch / 3} for epoch in range(250)),
        draw=_draw,
    )


def report() -> Report:
    """The whole page, with every kind of verdict."""
    words = ("supported", "contradicted", "undecided", "cannot be tested here")
    verdicts = [
        Verdict(
            place="demo/lightgcn",
            verdict=word,
            figures="" if word.startswith("cannot") else "+0.0123 [+0.0100, +0.0150]",
            why=f"Because of `repro table main` and {HOSTILE[4]}.",
            command="repro claims --dataset demo",
        )
        for word in words
    ]
    over = dataclasses.replace(verdicts[1], place="shop", within=tuple(verdicts[2:]))
    claims = (
        *(Judged(f"claim-c{n}", f"C{n}", "Text matters", "paper", (verdicts[n - 1],)) for n in (1, 2, 3)),
        Judged("claim-c4", "C4", HOSTILE[0], "ours", (verdicts[3], over)),
    )
    sections = (
        Section(
            "results",
            "Main results",
            ("One `code` word, and an odd ` backtick.",),
            (
                TablePart("results-main", "Variants by metrics", MAIN, "repro table main --dataset demo"),
                TablePart("results-strange", HOSTILE[3], STRANGE, HOSTILE[0], folded=True),
            ),
        ),
        Section(
            "figures",
            HOSTILE[0],
            (),
            (
                FigurePart("figure-curve", figure()),
                FigurePart("figure-strange", figure("strange", True), folded=True),
            ),
            (Gap("Tuning ledger", f"no trial: run `repro sweep` {HOSTILE[1]}"),),
        ),
    )
    made_by = MadeBy("repro report --dataset demo", "irllrec-repro 0", "0123456789abcdef")
    return Report(HOSTILE[0], ("Of 4 claims: one each.", HOSTILE[2]), claims, sections, made_by)
