"""params.yaml as typed records; every unknown, unused or impossible entry is refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, model_validator

from repro.cell_params import Cell, Fidelity, Precision
from repro.errors import ReproError
from repro.text_params import CellName, Name, OllamaEngine, Record, Text, check_texts, with_first_texts
from repro.yaml_text import load_yaml, read_yaml_text


class Protocol(Record):
    """How a ranking is judged."""

    mask: Literal["train", "train+valid"]
    cutoffs: tuple[Annotated[int, Field(ge=1, le=100)], ...] = Field(min_length=1)
    metrics: tuple[Literal["recall", "ndcg", "precision", "hit", "mrr"], ...] = Field(min_length=1)


class Training(Record):
    """How long and in what steps every cell is trained."""

    embedding_size: int = Field(ge=1, le=4096)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0)
    max_epochs: int = Field(ge=1)
    validate_every: int = Field(ge=1)
    patience: int = Field(ge=1)
    stop_on: str = Field(
        pattern=r"^(recall|ndcg|precision|hit|mrr)@[1-9][0-9]?$|^(recall|ndcg|precision|hit|mrr)@100$"
    )


class Engine(Record):
    """How the work is done; no number in a table depends on it."""

    device: str = Field(pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$")
    workers: Literal["auto"] | Annotated[int, Field(ge=1)]
    memory_gib: Literal["auto"] | Annotated[float, Field(gt=0)] = "auto"
    """Most memory that trainings may fill, in GiB; auto is what is free, within a container's limit."""
    checkpoint_seconds: float = Field(ge=0)
    ollama: OllamaEngine = OllamaEngine()

    @property
    def memory_limit_gib(self) -> float | None:
        """The limit of the user's own, None for none."""
        return None if self.memory_gib == "auto" else self.memory_gib


class Statistics(Record):
    """How two rows of a table are compared."""

    alpha: float = Field(gt=0, lt=1)
    correction: Literal["holm", "bh"]
    equivalence_margin: float = Field(gt=0)
    bootstrap_samples: int = Field(ge=100)
    randomisation_samples: int = Field(ge=100)
    seed: int


class Split(Record):
    """How a data set is divided into training, validation and test interactions."""

    how: Literal["given", "ratio", "time"]
    ratio: tuple[float, float, float] = (3, 1, 1)
    seed: int = 2023


class Dataset(Record):
    """One data set of the grid."""

    origin: Literal["generated", "fetched", "imported"]
    split: Split
    text: Text | None = None
    seeds: tuple[int, ...] = Field(min_length=1)
    training: dict[str, Any]
    """Entries of the section ``training`` that differ on this data set; ``{}`` where none does."""


class Generated(Record):
    """The sizes of an embedded data set, and whether its texts tell what causes the clicks."""

    users: int = Field(ge=10)
    items: int = Field(ge=10)
    interactions: int = Field(ge=30)
    intents: int = Field(ge=2, le=24)
    seed: int
    text_signal: bool = True


class Params(Record):
    """The whole file; ``datasets.NAME.text`` is filled in from the section ``text``."""

    protocol: Protocol
    fidelity: Fidelity
    precision: Precision = "exact"
    training: Training
    engine: Engine
    statistics: Statistics
    datasets: dict[Name, Dataset]
    text: dict[Name, Text] = Field(default_factory=dict)
    generated: dict[Name, Generated]
    backbones: dict[Name, dict[str, Any]]
    objectives: dict[Name, dict[str, Any]]
    cells: dict[CellName, Cell]

    @model_validator(mode="before")
    @classmethod
    def _text_stands_apart(cls, content: Any) -> Any:
        """Copy each entry of ``text`` to its data set; DVC makes one text stage per entry there."""
        return with_first_texts(content)

    def training_of(self, cell: Cell) -> Training:
        """Return the training settings of a cell: the section, its data set's entries, its own."""
        own = self.datasets[cell.dataset].training | cell.override.training | cell.changed("training")
        return Training.model_validate(self.training.model_dump() | own)

    def text_of(self, name: str) -> Text:
        """Return the entry ``name`` under ``text``: how a data set's text becomes vectors.

        Raises:
            ReproError: If there is no such entry.
        """
        if name not in self.text:
            raise ReproError(
                f"params.yaml: {name!r} is not under `text` ({', '.join(self.text) or 'nothing is'}): name its "
                "summarizer and embedder there, or run only the variant base."
            )
        return self.text[name]

    def cell(self, key: str) -> Cell:
        """Return one cell.

        Raises:
            ReproError: If the grid has no such cell.
        """
        if key not in self.cells:
            raise ReproError(
                f"params.yaml has no cell {key!r}: choose one of {', '.join(self.cells) or 'none yet'}, "
                "or add it with `repro grid add`."
            )
        return self.cells[key]

    @model_validator(mode="after")
    def _texts_name_what_their_stages_read(self) -> Params:
        check_texts(self.text)
        return self

    @model_validator(mode="after")
    def _names_agree(self) -> Params:
        for key, cell in self.cells.items():
            _check_training(f"cells.{key}.override.training", self.training, cell.override.training)
            _check_training(f"cells.{key}.at", self.training, cell.changed("training"))
            for section, name in (
                ("datasets", cell.dataset),
                ("backbones", cell.backbone),
                ("objectives", cell.objective),
            ):
                known = getattr(self, section)
                if name not in known:
                    raise ValueError(
                        f"cells.{key} names {name!r}, which is not under `{section}` ({', '.join(known)})"
                    )
            code = f"irllrec/objectives/{cell.objective.replace('-', '_')}.py"
            if cell.code not in (None, code):
                raise ValueError(f"cells.{key}.code is {cell.code!r} and should be {code}")
            code = f"irllrec/backbones/{cell.backbone.replace('-', '_')}.py"
            if cell.backbone_code not in (None, code):
                raise ValueError(f"cells.{key}.backbone_code is {cell.backbone_code!r} and should be {code}")
            if key != f"{cell.dataset}-{cell.backbone}-{cell.variant}":
                raise ValueError(
                    f"cells.{key} should be called {cell.dataset}-{cell.backbone}-{cell.variant}"
                )
        for name, dataset in self.datasets.items():
            _check_training(f"datasets.{name}.training", self.training, dataset.training)
            if (dataset.origin == "generated") != (name in self.generated):
                raise ValueError(
                    f"datasets.{name} has origin {dataset.origin!r}: exactly the generated data sets "
                    "stand under `generated`"
                )
        return self


def _check_training(where: str, section: Training, entries: Mapping[str, Any]) -> None:
    try:
        Training.model_validate(section.model_dump() | dict(entries))
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        what = f"is unknown: it takes {', '.join(Training.model_fields)}"
        if first["type"] != "extra_forbidden":
            what = f"is {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}"
        raise ValueError(f"{where}: the key {key!r} {what}") from None


def load_params(path: Path) -> Params:
    """Return the checked content of params.yaml.

    Raises:
        ReproError: Naming the file, the key, the value and what is allowed.
    """
    return parse_params(read_yaml_text(path, f"restore it with `git checkout {path.name}`"), path)


def parse_params(text: str, path: Path) -> Params:
    """Return the checked content of ``text``; ``path`` names it in errors.

    Raises:
        ReproError: As ``load_params``.
    """
    content = load_yaml(text, path)
    if not isinstance(content, dict):
        raise ReproError(f"{path} holds no sections: restore it with `git checkout {path.name}`.")
    try:
        return Params.model_validate(content)
    except ValidationError as error:
        raise ReproError(_sentence(path, error)) from None


def _sentence(path: Path, error: ValidationError) -> str:
    first = error.errors()[0]
    parts = [str(part) for part in first["loc"] if part != "[key]"]
    if parts[::2][:2] == ["datasets", "text"]:  # where the section `text` was copied to
        parts = ["text", parts[1], *parts[3:]]
    key = ".".join(parts)
    if first["type"] == "extra_forbidden":
        return f"{path}: unknown key `{key}`: remove it, or check its spelling."
    if first["type"] == "missing":
        return f"{path}: the key `{key}` is missing: add it."
    if first["type"] == "value_error":
        return (
            f"{path}: {first['ctx']['error']}." if not key else f"{path}: `{key}`: {first['ctx']['error']}."
        )
    return f"{path}: `{key}` is {first['input']!r:.200}: {first['msg'][0].lower()}{first['msg'][1:]}."
