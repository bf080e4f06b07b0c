"""What the audits of a data set's texts and prompts found, as its card shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irllrec.data.storage import read_json
from repro.layout import Layout
from repro.params import Params


def stored_audits(layout: Layout, params: Params, dataset: str) -> dict[str, Any]:
    """Return the audit of each entry under ``text`` of a data set that has been summarized."""
    entries = [name for name, text in params.text.items() if text.dataset == dataset]
    paths = {name: layout.text(name) / "audit.json" for name in entries}
    return {name: read_json(path) for name, path in paths.items() if path.is_file()}


def audit_rows(audits: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return audits as rows of what and how much, for printing behind those of the card."""
    rows = []
    for name, audit in audits.items():
        texts, summaries = audit["texts"], audit["summaries"]
        rows.append(
            (
                f"text {name}: held-out reviews in own texts",
                f"0 of {texts['held_out_reviews']:,} looked for in {texts['own_texts']:,} texts",
            )
        )
        rows += [
            (
                f"text {name}: titles of a user's {part} items in her own text",
                f"{count['named']:,} of {count['looked_for']:,}",
            )
            for part, count in texts["titles"].items()
            if count["looked_for"]
        ]
        if "prompts" in audit:
            prompts = audit["prompts"]
            rows += [
                (
                    f"text {name}: prompts",
                    f"{prompts['prompts']:,} on {prompts['pairs_seen']:,} interactions, all of training",
                ),
                (
                    f"text {name}: held-out reviews in prompts",
                    f"0 of {prompts['held_out_reviews']:,} looked for",
                ),
                (f"text {name}: sha256 of the training pairs", prompts["training_sha256"]),
            ]
        rows.append(
            (
                f"text {name}: summaries",
                f"{summaries['records']:,}, with {summaries['pairs']:,} interactions seen, all of training",
            )
        )
    return rows
