"""Options of ``repro data import`` that hold several numbers, read from the text that was typed."""

from __future__ import annotations

from repro.errors import ReproError


def parse_ratio(text: str) -> tuple[float, float, float]:
    """Return the shares of train, valid and test in ``--ratio``, as in ``3:1:1``.

    Raises:
        ReproError: If these are not three numbers.
    """
    try:
        train, valid, test = (float(part) for part in text.replace(",", ":").split(":"))
    except ValueError:
        raise ReproError(f"--ratio is {text!r}: give three numbers such as 3:1:1.") from None
    return train, valid, test


def parse_seeds(text: str) -> tuple[int, ...]:
    """Return the numbers in ``--seeds``, as in ``2023,2024``.

    Raises:
        ReproError: If these are not whole numbers.
    """
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise ReproError(f"--seeds is {text!r}: give whole numbers with commas, such as 2023,2024.") from None
