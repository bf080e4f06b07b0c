"""Where everything lies: the only module that spells out paths of a checkout."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from repro.errors import ReproError

FAKES = "fake_interactions.npz"
"""Beside the models of a cell that was trained with click noise: the pairs that were added."""


@dataclass(frozen=True)
class Layout:
    """Paths below one project root."""

    root: Path

    @classmethod
    def find(cls, start: Path | None = None) -> Layout:
        """Return the layout of the checkout around ``start`` (default: the working directory).

        ``REPRO_ROOT`` overrides the search.

        Raises:
            ReproError: If no folder from here upwards holds params.yaml and dvc.yaml.
        """
        named = os.environ.get("REPRO_ROOT")
        here = Path(named) if named else (start or Path.cwd())
        for folder in (here.resolve(), *here.resolve().parents):
            if (folder / "params.yaml").is_file() and (folder / "dvc.yaml").is_file():
                return cls(folder)
            if named:
                break
        raise ReproError(
            f"{here} is not inside an irllrec-repro checkout (no params.yaml beside dvc.yaml): "
            "change into one, or name it in REPRO_ROOT."
        )

    @property
    def params(self) -> Path:
        return self.root / "params.yaml"

    @property
    def claims(self) -> Path:
        return self.root / "claims.yaml"

    @property
    def pipeline(self) -> Path:
        return self.root / "dvc.yaml"

    def code(self, kind: str) -> Path:
        """Hashes of the code that all stages of a kind share: the output of the stage ``code-KIND``."""
        return self.root / "build" / "code" / f"{kind}.json"

    @property
    def sources(self) -> Path:
        return self.root / "data" / "sources.yaml"

    @property
    def published(self) -> Path:
        return self.root / "data" / "published"

    @property
    def deviations_page(self) -> Path:
        return self.root / "docs" / "deviations.md"

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def search_spaces(self) -> Path:
        return self.root / "data" / "search_spaces.yaml"

    @property
    def tuning(self) -> Path:
        """The tuning ledgers, one a method and data set; git tracks them."""
        return self.results / "tuning"

    @property
    def state(self) -> Path:
        """Scratch that survives DVC deleting stage outputs; never tracked."""
        return self.root / ".repro"

    @property
    def checkpoints(self) -> Path:
        return self.state / "checkpoints"

    def timings(self, key: str) -> Path:
        """What training a cell cost here: outside the outputs, which are equal between equal runs."""
        return self.state / "timings" / f"{key}.json"

    def replies(self, dataset: str) -> Path:
        """Replies and vectors by language models: beside the outputs, which DVC deletes before a run."""
        return self.state / "text" / f"{dataset}.sqlite"

    def raw(self, dataset: str) -> Path:
        return self.root / "data" / "raw" / dataset

    def prepared(self, dataset: str) -> Path:
        return self.root / "data" / "prepared" / dataset

    def text(self, dataset: str) -> Path:
        return self.root / "data" / "text" / dataset

    def vectors(self, dataset: str) -> Path:
        return self.text(dataset) / "vectors.npz"

    def knowledge(self, dataset: str) -> Path:
        return self.text(dataset) / "knowledge.npz"

    def run(self, dataset: str, backbone: str, variant: str) -> Path:
        return self.root / "runs" / dataset / backbone / variant


def text_sources(name: str, dataset: str, summarizer: str, embedder: str) -> dict[str, str]:
    """Return ``summaries_from`` and ``vectors_from`` of the entry ``name`` under ``text``.

    A field is left out where the path is the user's own: for summarizer ``pinned`` and embedder
    ``sentence-transformers``.
    """
    found = {}
    if summarizer != "pinned":
        found["summaries_from"] = f"data/prepared/{dataset}/text.parquet"
    if embedder == "vectors":
        found["vectors_from"] = f"data/prepared/{dataset}/vectors.npz"
    elif embedder != "sentence-transformers":
        found["vectors_from"] = f"data/text/{name}/summaries.jsonl"
    return found
