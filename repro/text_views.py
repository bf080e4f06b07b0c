"""Other readings of a data set's texts: the entries ``DATASET-VIEW`` under ``text``, and the controls.

A view is what a cell is fed, never what it is: ``plain`` (summaries written without reasoning),
``titles`` (nothing but titles), ``shuffled`` (the right vectors at the wrong nodes), or an entry of the
user's own, for example the same texts summarized by another model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from repro.errors import ReproError
from repro.layout import text_sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from repro.params import Cell, Params

PLAIN = "plain"
TITLES = "titles"
SHUFFLED: Literal["shuffled"] = "shuffled"
CONTROLS = (SHUFFLED, TITLES)
"""Views that take the meaning out of the text; ``--drop TEXT`` is the third control."""


def view_of(drop: Sequence[str], text: str | None) -> str | None:
    """Return the view that a cell reads, None for the data set's own text."""
    return PLAIN if "COT" in drop else text


def control_of(drop: Sequence[str], text: str | None) -> Literal["random", "shuffled"] | None:
    """Return what replaces a cell's text vectors while it is trained."""
    if "TEXT" in drop:
        return "random"
    return SHUFFLED if text == SHUFFLED else None


def entry_name(dataset: str, view: str | None) -> str:
    """Return the entry under ``text`` that a view reads."""
    return dataset if view in (None, SHUFFLED) else f"{dataset}-{view}"


def text_entry(cell: Cell) -> str | None:
    """Return the entry under ``text`` that a cell reads, from its inputs; None where it reads none."""
    parts = cell.inputs.split("/")
    return parts[2] if parts[:2] == ["data", "text"] else None


def check_view(params: Params, dataset: str, drop: Sequence[str], text: str | None) -> None:
    """Refuse a view that does not exist and cannot be made.

    Raises:
        ReproError: Naming the views that there are.
    """
    if text is not None and {"TEXT", "COT"} & set(drop):
        raise ReproError(f"--drop {' '.join(drop)} already says which text is read: leave out --text {text}.")
    view = view_of(drop, text)
    name = entry_name(dataset, view)
    own = params.text[dataset]
    if view in (None, *CONTROLS) or name in params.text:
        return
    if view == PLAIN:
        if own.chat is None or own.summarizer != "ollama":
            raise ReproError(
                "COT stands for the reasoning step of an LLM's summaries, and the summarizer "
                f"{own.summarizer!r} of {dataset} writes none: drop another component, or add summaries "
                f"written without it as text.{name} in params.yaml."
            )
        return
    known = [
        entry.removeprefix(f"{dataset}-") for entry, one in params.text.items() if one.dataset == dataset
    ]
    known = [*CONTROLS, *(entry for entry in known if entry != dataset)]
    raise ReproError(
        f"There is no text {text!r} of {dataset}: choose {', '.join(dict.fromkeys(known))}, or add "
        f"text.{name} to params.yaml."
    )


def made_entry(params: Params, dataset: str, view: str | None) -> tuple[str, dict[str, Any]] | None:
    """Return the entry that a view needs and params.yaml has not: its name and its content."""
    name = entry_name(dataset, view)
    if name in params.text:
        return None
    entry = params.text[dataset].model_dump(exclude_defaults=True)
    if view == PLAIN:
        entry["chat"] |= {"style": "plain"}
    else:
        assert view == TITLES, view
        entry.pop("chat", None)
        entry["summarizer"] = TITLES
        if entry["embedder"] == "vectors":
            entry["embedder"] = "lsa"  # vectors that came with the data are of other texts
    sources = text_sources(name, dataset, entry["summarizer"], entry["embedder"])
    return name, in_order(entry | sources)


def in_order(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry with its fields in the order in which they are read: each path behind its choice."""
    order = (
        "dataset",
        "summarizer",
        "summaries_from",
        "chat",
        "embedder",
        "vectors_from",
        "embedding",
        "dimension",
    )
    return {field: entry[field] for field in order if field in entry}
