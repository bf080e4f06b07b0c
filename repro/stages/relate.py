"""Stage relate: turn metadata and text intents of items into a knowledge graph."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from irllrec.data.prepared import load_texts
from irllrec.text.records import NodeIds, load_summaries
from irllrec.text.relating import Fact, relate, write_knowledge
from repro.layout import Layout
from repro.params import load_params
from repro.stages.entry import read_name, run


def main(argv: list[str]) -> None:
    """Relate the items of the data set named in ``argv``; writes knowledge.npz."""
    name = read_name(argv, "relate", "a name under `text` in params.yaml")
    layout = Layout.find()
    prepared = layout.prepared(load_params(layout.params).text_of(name).dataset)
    ids = NodeIds.load(prepared)
    summaries = load_summaries(layout.text(name) / "summaries.jsonl", ids)
    facts = relate(load_texts(prepared), summaries)
    write_knowledge(layout.knowledge(name), facts)
    print(describe(name, facts, len(ids.items)), file=sys.stderr)


def describe(name: str, facts: Sequence[Fact], item_count: int) -> str:
    """Return one line that counts facts, entities and the items that have any, by relation."""
    if not facts:
        return f"Knowledge of {name}: no two items share a tag or an intent phrase."
    counts: dict[str, int] = {}
    for fact in facts:
        counts[fact.relation] = counts.get(fact.relation, 0) + 1
    told = ", ".join(f"{count} {relation}" for relation, count in sorted(counts.items()))
    entities = len({fact.entity for fact in facts})
    items = len({fact.item for fact in facts})
    return (
        f"Knowledge of {name}: {len(facts)} facts ({told}) on {entities} entities about "
        f"{items} of {item_count} items."
    )


if __name__ == "__main__":
    run(main)
