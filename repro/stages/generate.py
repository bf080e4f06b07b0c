"""Stage generate: write an embedded data set with planted intents in the raw form."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from irllrec.data.raw import RawTable, TextRecord, atomic_folder, write_raw
from irllrec.data.storage import write_arrays
from irllrec.data.synthetic import PlantedClicks, plant_clicks, unrelated_stories
from irllrec.data.synthetic_text import write_item_texts, write_reviews
from irllrec.data.vocabulary import INTENTS
from repro.errors import ReproError
from repro.layout import Layout
from repro.params import Generated, load_params
from repro.stages.entry import read_name, run

MADE_BY = "irllrec-repro generator 1"


def main(argv: list[str]) -> None:
    """Generate the data set named in ``argv`` as ``generated.<name>`` of params.yaml says."""
    name = read_name(argv, "generate", "a name under `generated` in params.yaml")
    layout = Layout.find()
    generated = load_params(layout.params).generated
    if name not in generated:
        raise ReproError(
            f"{layout.params}: {name!r} is not under `generated`; there are {', '.join(generated) or 'none'}."
        )
    generate(layout, name, generated[name])


def generate(layout: Layout, name: str, sizes: Generated) -> None:
    """Write the raw folder of a generated data set; the same sizes give the same bytes."""
    planted = plant_clicks(
        user_count=sizes.users,
        item_count=sizes.items,
        interaction_count=sizes.interactions,
        intent_count=sizes.intents,
        seed=sizes.seed,
    )
    users, items = _ids("reader", sizes.users), _ids("book", sizes.items)
    table = RawTable(
        np.asarray([users[user] for user in planted.click_users.tolist()], dtype=object),
        np.asarray([items[item] for item in planted.click_items.tolist()], dtype=object),
    )
    manifest = {
        "name": name,
        "origin": "generated",
        "source": [f"generated.{name} of params.yaml"],
        "settings": sizes.model_dump(exclude_defaults=True),
        "index": "ids",
        "made_by": MADE_BY,
        "duplicates_removed": 0,
    }
    texts = list(_texts(planted, sizes, users, items))
    with atomic_folder(layout.raw(name), replace=True) as folder:
        write_arrays(folder / "ground_truth.npz", _truth(planted, users, items))
        write_raw(folder, table, manifest=manifest, texts=texts)


def _ids(word: str, count: int) -> list[str]:
    width = len(str(count))
    return [f"{word}-{number:0{width}d}" for number in range(1, count + 1)]


def _texts(
    planted: PlantedClicks, sizes: Generated, users: list[str], items: list[str]
) -> Iterator[TextRecord]:
    stories, subjects = planted, planted.click_items
    if not sizes.text_signal:
        stories, subjects = unrelated_stories(planted, sizes.seed)
    for told in write_item_texts(stories, sizes.seed):
        yield TextRecord("item", items[told.item], "title", told.title)
        if told.description is not None:
            yield TextRecord("item", items[told.item], "text", told.description)
    for review in write_reviews(stories, sizes.seed, subjects):
        user, item = users[review.user], items[review.item]
        yield TextRecord("user", user, "review", review.text, user_id=user, item_id=item)


def _truth(planted: PlantedClicks, users: list[str], items: list[str]) -> dict[str, np.ndarray]:
    """Return the planted truth: for tests only, no other stage reads it."""
    return {
        "user_id": np.asarray(users),
        "item_id": np.asarray(items),
        "intent_name": np.asarray([intent.name for intent in INTENTS[: planted.users.weights.shape[1]]]),
        "user_intent": planted.users.weights,
        "item_intent": planted.items.weights,
        "user_facet": planted.users.facets,
        "item_facet": planted.items.facets,
        "user_is_sparse": planted.is_sparse,
        "click_user": planted.click_users,
        "click_item": planted.click_items,
        "click_cause": planted.click_causes,
    }


if __name__ == "__main__":
    run(main)
