"""The commands that are disturbed: what each starts from, and what it needs beside the checkout."""

from __future__ import annotations

import json
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse
import yaml

from repro.sources import SourceFile, verify
from tests.faults.scratch import copy, make_checkout, need
from tests.faults.servers import Servers

USERS, ITEMS = 60, 40
PREPARED = ("embed@demo", "code-train", "code-evaluate", "evaluate@demo-lightgcn-base")
"""What stands before the pipeline is disturbed: one cell is done, the other is all to do."""


@dataclass(frozen=True)
class Disturbed:
    """A command to disturb.

    Attributes:
        name: How the table calls it.
        words: The command; ``{mirror}`` is the address of the local mirror.
        start: Makes the checkout it starts from.
    """

    name: str
    words: tuple[str, ...]
    start: str


ALL = (
    Disturbed("dvc repro", ("dvc", "repro"), "prepared"),
    Disturbed("repro table main", ("repro", "table", "main", "--dataset", "demo"), "prepared"),
    Disturbed("repro run", ("repro", "run", "--jobs", "2", "--threads", "1"), "prepared"),
    Disturbed("repro text run", ("repro", "text", "run"), "asking"),
    Disturbed("repro data fetch", ("repro", "data", "fetch", "movie", "--from", "{mirror}"), "empty"),
    Disturbed(
        "repro data import",
        ("repro", "data", "import", "shop", "--interactions", "clicks.csv", "--item-text", "items.jsonl"),
        "empty",
    ),
    Disturbed("repro report", ("repro", "report", "--dataset", "demo"), "finished"),
    Disturbed("repro bundle", ("repro", "bundle", "--dataset", "demo"), "finished"),
)


def make_starts(folder: Path, servers: Servers, wanted: set[str]) -> dict[str, Path]:
    """Return the checkouts that commands start from by their names, made once below ``folder``."""
    made = {"empty": folder / "empty"}
    make_checkout(made["empty"])
    _publish(made["empty"], servers.mirror)
    _write_own(made["empty"])
    need(made["empty"], "dvc", "repro", "generate@demo")
    makers: dict[str, tuple[str, Callable[[Path], None]]] = {
        "prepared": ("empty", lambda root: need(root, "dvc", "repro", *PREPARED)),
        "asking": ("prepared", lambda root: _ask(root, servers.ollama.url)),
        "finished": ("prepared", lambda root: need(root, "dvc", "repro")),
    }
    for name, (source, make) in makers.items():
        if name in wanted or any(origin == name and later in wanted for later, (origin, _) in makers.items()):
            made[name] = folder / name
            copy(made[source], made[name])
            make(made[name])
    return made


def _publish(root: Path, mirror: Path) -> None:
    """Put a data set called movie into the mirror, and its true pins into data/sources.yaml."""
    generator = np.random.default_rng(5)
    pairs = generator.permutation(USERS * ITEMS)[:900]
    parts = {"train": pairs[:600], "valid": pairs[600:750], "test": pairs[750:]}
    path = root / "data" / "sources.yaml"
    listed = yaml.safe_load(path.read_text(encoding="utf-8"))
    entry = listed["datasets"]["movie"]
    entry["shape"] = {"users": USERS, "items": ITEMS, **{split: len(part) for split, part in parts.items()}}
    folder = mirror / "irllrec" / "movie"
    folder.mkdir(parents=True)
    for split, name in (("train", "trn_mat.pkl"), ("valid", "val_mat.pkl"), ("test", "tst_mat.pkl")):
        rows, columns = np.divmod(parts[split], ITEMS)
        matrix = scipy.sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(USERS, ITEMS))
        (folder / name).write_bytes(pickle.dumps(matrix))
        loose = SourceFile(name=name, what="made for the faults")
        entry["files"][split] = {"name": name, "what": loose.what, **verify(folder / name, loose, name)}
    path.write_text(yaml.safe_dump(listed), encoding="utf-8")


def _write_own(root: Path) -> None:
    """Write a user's own clicks and texts beside the checkout's files."""
    rows = [f"u{user},{(user * 3 + step * 7) % 30}" for user in range(40) for step in range(8)]
    (root / "clicks.csv").write_text("\n".join(["user_id,item_id", *rows]) + "\n", encoding="utf-8")
    texts = [{"item_id": item, "text": f"number {item} is about topic {item % 5}"} for item in range(30)]
    (root / "items.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")


def _ask(root: Path, url: str) -> None:
    """Let the summaries of demo come from the language model at ``url``."""
    path = root / "params.yaml"
    text = path.read_text(encoding="utf-8")
    chat = "chat: {model: tiny, domain: books, num_ctx: 4096, num_predict: 512}"
    text = text.replace("summarizer: extractive,", f"summarizer: ollama, {chat},")
    hosts = f"  ollama: {{hosts: ['{url}'], timeout_seconds: 10, give_up_seconds: 20}}\n"
    path.write_text(re.sub(r"(?m)^engine:.*\n", lambda line: line[0] + hosts, text), encoding="utf-8")
