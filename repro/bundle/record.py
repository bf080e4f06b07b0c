"""bundle.json: what a bundle holds, what was left out of it, and why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from irllrec.data.storage import write_json
from repro.errors import ReproError
from repro.text_params import Name, Record

RECORD = "bundle.json"


class Contained(Record):
    """How much of a data set is in the bundle."""

    origin: Literal["generated", "fetched", "imported"]
    interactions: Literal["included", "hashes only"]
    """Only generated data may be passed on; of others there are the hashes in their manifest."""


class Bundle(Record):
    """The whole file."""

    format: Literal[1] = 1
    version: str | None
    """Of the package that made it."""
    commit: str | None
    datasets: dict[Name, Contained]
    cells: tuple[Name, ...] = Field(min_length=1)
    left_out: tuple[str, ...] = ()
    """Cells of the grid without results."""
    stale: tuple[str, ...] | None = ()
    """Cells whose results were older than code or settings; None where DVC could not tell."""
    redacted: tuple[str, ...] = ()
    """Files in which paths or hosts were replaced."""
    not_pinned: tuple[str, ...] = ()
    """What dvc.lock did not name as it is here."""
    commands: dict[str, str] = Field(default_factory=dict)
    """Printed table → the command that prints it."""
    has_report: bool = False


def write_record(folder: Path, bundle: Bundle) -> None:
    """Write bundle.json."""
    write_json(folder / RECORD, bundle.model_dump(mode="json"))


def read_record(folder: Path) -> Bundle:
    """Return the content of bundle.json.

    Raises:
        ReproError: If it is missing, unreadable or of another format.
    """
    path = folder / RECORD
    try:
        return Bundle.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise ReproError(
            f"{RECORD} is missing, so this is no bundle: name the zip that `repro bundle` wrote."
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ReproError(
            f"{RECORD}: `{key}` is {first['input']!r}: {first['msg']}: the bundle was altered, or made by a "
            "newer release: install that."
        ) from None
    except (ValueError, RecursionError):
        raise ReproError(f"{RECORD} is not valid JSON: the bundle was altered.") from None
