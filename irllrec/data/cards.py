"""The card of a data set: its sizes, degrees, cold nodes and text, counted from the prepared files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from irllrec.data.interactions import SPLITS, Interactions
from irllrec.data.prepared import PreparedText, load_split, load_texts
from irllrec.data.raw import KINDS, read_manifest
from irllrec.data.storage import read_arrays

QUANTILES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
HELD_OUT = ("valid", "test")


def make_card(folder: Path) -> dict[str, Any]:
    """Return the card of a prepared folder: counts, shares in 0..1 and degree quantiles.

    Degrees are those of the training graph over all nodes, so a node unseen in training counts as
    degree 0. ``cold`` counts the distinct users and items of the validation and the test part that
    are unseen in training, and the interactions that touch such an item.
    """
    manifest = read_manifest(folder)
    splits = {name: load_split(folder, name) for name in SPLITS}
    train = splits["train"]
    total = sum(len(part) for part in splits.values())
    return {
        "name": manifest.get("name", folder.name),
        "origin": manifest.get("origin"),
        "split": manifest.get("split"),
        "users": train.user_count,
        "items": train.item_count,
        "interactions": total,
        "density": total / (train.user_count * train.item_count),
        "splits": {name: _part(part) for name, part in splits.items()},
        "train_degrees": {
            "user": _quantiles(train.user_degrees),
            "item": _quantiles(train.item_degrees),
        },
        "cold": {name: _cold(train, splits[name]) for name in HELD_OUT},
        "duplicates_removed": manifest.get("duplicates_removed", 0),
        "moved_to_train": manifest.get("moved_to_train", 0),
        "left_out": manifest.get("left_out", 0),
        "text": _text(load_texts(folder), train),
        "vectors": _vectors(folder),
    }


def _part(part: Interactions) -> dict[str, int]:
    return {
        "interactions": len(part),
        "users": int((part.user_degrees > 0).sum()),
        "items": int((part.item_degrees > 0).sum()),
    }


def _quantiles(degrees: npt.NDArray[np.int64]) -> dict[str, float]:
    values = np.quantile(degrees, QUANTILES)
    found = {f"{share:g}": float(value) for share, value in zip(QUANTILES, values, strict=True)}
    return found | {"mean": float(degrees.mean())}


def _cold(train: Interactions, part: Interactions) -> dict[str, int]:
    cold_users = (part.user_degrees > 0) & (train.user_degrees == 0)
    cold_items = (part.item_degrees > 0) & (train.item_degrees == 0)
    return {
        "users": int(cold_users.sum()),
        "items": int(cold_items.sum()),
        "interactions_with_cold_item": int(cold_items[part.items].sum()),
    }


def _text(texts: list[PreparedText], train: Interactions) -> dict[str, Any]:
    """Return per role how many nodes have a text of each kind, a review being read for both sides."""
    covered: dict[str, dict[str, set[int]]] = {
        role: {kind: set() for kind in KINDS} for role in ("user", "item")
    }
    for text in texts:
        covered[text.role][text.kind.partition(":")[0]].add(text.node)
        if text.kind == "review" and text.item >= 0:
            covered["item"]["review"].add(text.item)
    counts = {"user": train.user_count, "item": train.item_count}
    found: dict[str, Any] = {"texts": len(texts)}
    for role, kinds in covered.items():
        nodes = {kind: len(members) for kind, members in kinds.items() if members}
        having = len(set().union(*kinds.values()))
        found[role] = {"with_text": having, "coverage": having / counts[role], "kinds": nodes}
    reviews = [text for text in texts if text.kind == "review"]
    found["reviews"] = {name: sum(text.split == name for text in reviews) for name in SPLITS}
    found["reviews"]["without_interaction"] = sum(text.user < 0 for text in reviews)
    return found


def _vectors(folder: Path) -> dict[str, list[int]]:
    path = folder / "vectors.npz"
    if not path.is_file():
        return {}
    return {name: list(array.shape) for name, array in read_arrays(path).items()}


def card_rows(card: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the card as rows of what and how much, for printing."""
    rows = [
        ("users", f"{card['users']:,}"),
        ("items", f"{card['items']:,}"),
        ("interactions", f"{card['interactions']:,}"),
        ("density", f"{card['density']:.6f}"),
    ]
    if card["split"]:
        rows.append(("split", _split_words(card["split"])))
    for name in SPLITS:
        part = card["splits"][name]
        share = part["interactions"] / max(card["interactions"], 1)
        rows.append(
            (
                name,
                f"{part['interactions']:,} ({share:.1%}) over {part['users']:,} users and {part['items']:,} "
                "items",
            )
        )
    for role in ("user", "item"):
        quantiles = card["train_degrees"][role]
        steps = ", ".join(f"{value:g}" for value in (quantiles[f"{share:g}"] for share in QUANTILES))
        rows.append((f"{role} degree in train: min, 10, 25, 50, 75, 90 %, max", steps))
        rows.append((f"mean {role} degree in train", f"{quantiles['mean']:.2f}"))
    for name in HELD_OUT:
        cold = card["cold"][name]
        rows.append((f"cold users in {name}", f"{cold['users']:,}"))
        rows.append(
            (
                f"cold items in {name}",
                f"{cold['items']:,} (in {cold['interactions_with_cold_item']:,} interactions)",
            )
        )
    rows.append(("duplicates removed", f"{card['duplicates_removed']:,}"))
    rows.append(("moved into train so that every held-out item is seen", f"{card['moved_to_train']:,}"))
    rows.append(("left out because user or item has no past", f"{card['left_out']:,}"))
    text = card["text"]
    for role in ("user", "item"):
        kinds = (
            ", ".join(f"{kind} {count:,}" for kind, count in sorted(text[role]["kinds"].items())) or "none"
        )
        rows.append(
            (f"{role}s with text", f"{text[role]['with_text']:,} ({text[role]['coverage']:.1%}): {kinds}")
        )
    if any(text["reviews"].values()):
        parts = ", ".join(
            f"{name.replace('_', ' ')} {text['reviews'][name]:,}" for name in (*SPLITS, "without_interaction")
        )
        rows.append(("reviews by part of their interaction", parts))
    for name, shape in card["vectors"].items():
        rows.append((f"{name} vectors", " x ".join(f"{side:,}" for side in shape)))
    return rows


def _split_words(split: dict[str, Any]) -> str:
    if split.get("how") == "given":
        return "given"
    ratio = ":".join(f"{share:g}" for share in split.get("ratio", ()))
    return f"by {split.get('how')} {ratio}" + (
        f", seed {split['seed']}" if split.get("how") == "ratio" else ""
    )


def card_markdown(card: dict[str, Any]) -> str:
    """Return the card as a Markdown page."""
    lines = [f"# {card['name']}", "", "| what | value |", "|---|---|"]
    return "\n".join(lines + [f"| {what} | {value} |" for what, value in card_rows(card)]) + "\n"
