"""An entry of the section ``cells`` of params.yaml: one trained thing, over all seeds."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from repro.text_params import CellName, Name, Record

Drop = Literal["IA", "PAIR", "TRAN", "ITM", "PROFILE", "GSL", "MOMENTUM", "NOISE", "TEXT", "COT"]
Fidelity = Literal["code", "paper"]
Precision = Literal["exact", "fast"]
Percent = Annotated[int, Field(ge=1, le=100)]
Setting = Annotated[str, Field(pattern=r"^(backbone|objective|training)\.[a-z_0-9]+$|^text\.dimension$")]


class Override(Record):
    """Settings that hold for one cell only."""

    backbone: dict[str, Any] = Field(default_factory=dict)
    objective: dict[str, Any] = Field(default_factory=dict)
    training: dict[str, Any] = Field(default_factory=dict)
    fidelity: Fidelity | None = None
    turned: tuple[Annotated[str, Field(pattern=r"^D-(0[1-9]|1[0-2])$")], ...] = ()
    """Deviations turned the other way from the fidelity: docs/deviations.md."""
    precision: Precision | None = None


class Cell(Record):
    """One trained thing: a backbone under an objective on a data set, over all seeds."""

    dataset: Name
    backbone: Name
    objective: Name
    variant: CellName
    inputs: str
    code: str | None = None
    backbone_code: str | None = None
    drop: tuple[Drop, ...] = ()
    text: Name | None = None
    """Another reading of the data set's texts: the entry ``text.DATASET-NAME``, or ``shuffled``."""
    click_noise: Percent | None = None
    """Fake interactions among the training ones: :mod:`irllrec.data.noise`."""
    text_noise: Percent | None = None
    """Users, and as large a share of items, that have each other's text vectors."""
    at: dict[Setting, int | float] = Field(default_factory=dict)
    """Settings that differ from the plain cell's, by section and name; they come after ``override``."""
    settings: str = "default"
    override: Override = Override()

    @property
    def is_noisy(self) -> bool:
        """Whether it is trained on polluted interactions or text."""
        return bool(self.click_noise or self.text_noise)

    @property
    def is_ablation(self) -> bool:
        """Whether it leaves something out of another cell, or is fed another text, and nothing else."""
        return bool(self.drop or self.text) and not (self.is_noisy or self.at)

    def changed(self, section: str) -> dict[str, int | float]:
        """Return what ``at`` has of a section: backbone, objective, training or text."""
        names = {name.partition("."): value for name, value in self.at.items()}
        return {name: value for (of, _, name), value in names.items() if of == section}

    @property
    def is_variation(self) -> bool:
        """Whether it varies its objective's plain cell: components dropped, deviations turned, another
        precision, noise added, or settings changed to see what they do.

        Such cells are compared with the cell that they vary and stand in no main table.
        """
        override = self.override
        turned = override.fidelity or override.turned or {"itm", "keep_coupled"} & set(override.objective)
        varied = turned or override.precision
        if self.is_ablation or self.is_noisy or self.at:
            return True
        return self.variant != self.objective and bool(varied)
