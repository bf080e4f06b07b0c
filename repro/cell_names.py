"""Names of cells: what a variant's name says of it, written and read back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

COMPONENTS = ("IA", "PAIR", "TRAN", "ITM", "PROFILE", "GSL", "MOMENTUM", "NOISE", "TEXT", "COT")
"""What ``--drop`` takes, in the order in which names of variants list them."""

RESERVED = re.compile(r"-(no|at|clicks[1-9][0-9]*|textnoise[1-9][0-9]*)(-|$)|-coupled$")
"""Words that part a name: a text of the user's own that held them could not be read back."""

_VARIATION = re.compile(
    r"(-(?P<fidelity>code|paper))?(?P<turned>(-d\d\d)*)(-itm-(?P<itm>code|reading))?"
    r"(-(?P<precision>exact|fast))?(-with-(?P<text>[a-z0-9-]+?))?"
    r"(-clicks(?P<click_noise>[1-9][0-9]*))?(-textnoise(?P<text_noise>[1-9][0-9]*))?"
    r"(-at-(?P<settings>[a-z0-9-]+))?"
)
_SETTING = re.compile(r"(?P<name>[a-z][a-z0-9-]*?)-(?P<value>[0-9][0-9emp]*)(-|$)")


def name_of(
    objective: str,
    *,
    fidelity: str | None,
    turned: Sequence[str],
    itm: str | None,
    precision: str | None,
    text: str | None,
    click_noise: int | None,
    text_noise: int | None,
    settings: Sequence[tuple[str, int | float]],
    drop: Sequence[str],
    keep_coupled: bool,
) -> str:
    """Return the name of a variant: the objective, how it is varied, then what was dropped."""
    parts = [objective]
    parts += [fidelity] if fidelity else []
    parts += [name.lower().replace("-", "") for name in sorted(turned)]
    parts += [f"itm-{itm}"] if itm else []
    parts += [precision] if precision else []
    parts += [f"with-{text}"] if text else []
    parts += [f"clicks{click_noise}"] if click_noise else []
    parts += [f"textnoise{text_noise}"] if text_noise else []
    parts += ["at", *(f"{_dashed(key)}-{number_word(value)}" for key, value in settings)] if settings else []
    dropped = [name.lower() for name in COMPONENTS if name in drop]
    parts += ["no", *dropped] if dropped else []
    parts += ["coupled"] if keep_coupled else []
    return "-".join(parts)


def read_name_of(name: str, objectives: Sequence[str]) -> dict[str, Any]:
    """Return what a variant's name says, by the names of :func:`name_of`.

    A name that cannot be read so becomes the objective.
    """
    stem, _, dropped = name.removesuffix("-coupled").partition("-no-")
    known = [one for one in objectives if f"{stem}-".startswith(f"{one}-")]
    objective = max(known, key=len, default=stem)
    said = {
        "drop": tuple(dropped.upper().split("-")) if dropped else (),
        "keep_coupled": name.endswith("-coupled"),
    }
    told = _VARIATION.fullmatch(stem.removeprefix(objective))
    settings = None if told is None else _read_settings(told["settings"] or "")
    if told is None or settings is None:
        return {"objective": stem, **said}
    found: dict[str, Any] = {key: told[key] for key in ("fidelity", "itm", "precision", "text")}
    for key in ("click_noise", "text_noise"):
        found[key] = int(told[key]) if told[key] else None
    turned = tuple(f"D-{digits}" for digits in re.findall(r"\d\d", told["turned"]))
    return {"objective": objective, **said, **found, "turned": turned, "settings": settings}


def number_word(value: int | float) -> str:
    """Return a number from 0 up as a word: 0.01 is ``0p01``, 1e-5 is ``1em5``."""
    mantissa, _, exponent = repr(value).partition("e")
    word = mantissa.removesuffix(".0") + (f"e{int(exponent)}" if exponent else "")
    return word.replace(".", "p").replace("-", "m")


def read_number(word: str) -> int | float:
    """Return the number that :func:`number_word` wrote.

    Raises:
        ValueError: If the word is no number.
    """
    text = word.replace("p", ".").replace("m", "-")
    return int(text) if text.isdigit() else float(text)


def _dashed(key: str) -> str:
    """Return a setting as a name has it; only those of backbones need their section to be told apart."""
    section, _, name = key.partition(".")
    return (name if section in ("objective", "training") else f"{section}_{name}").replace("_", "-")


def _undashed(words: str) -> str:
    from repro.params import Training

    name = words.replace("-", "_")
    for section in ("backbone", "text"):
        if name.startswith(f"{section}_"):
            return f"{section}.{name.removeprefix(f'{section}_')}"
    return f"training.{name}" if name in Training.model_fields else f"objective.{name}"


def _read_settings(text: str) -> tuple[tuple[str, int | float], ...] | None:
    """Return the settings that a name ends in, None where it cannot be read."""
    found: list[tuple[str, int | float]] = []
    while text:
        part = _SETTING.match(text)
        if part is None:
            return None
        try:
            found.append((_undashed(part["name"]), read_number(part["value"])))
        except ValueError:
            return None
        text = text[part.end() :]
    return tuple(found)
