"""Where the released code and the paper differ: names of the differences, and which of them hold.

``docs/deviations.md`` says in words what each does and what it costs. ``fidelity: code`` follows the
release in all of them, ``fidelity: paper`` in none, and a cell may turn any of them the other way.
"""

from __future__ import annotations

from typing import Literal

from irllrec.errors import ConfigurationError

Fidelity = Literal["code", "paper"]

DEVIATIONS = tuple(f"D-{number:02d}" for number in range(1, 13))


def as_released(fidelity: Fidelity, turned: frozenset[str] = frozenset()) -> frozenset[str]:
    """Return the deviations in which a model follows the release.

    Args:
        fidelity: ``code`` starts from all of them, ``paper`` from none.
        turned: Those that are then turned the other way.

    Raises:
        ConfigurationError: If ``turned`` names a deviation that does not exist.
    """
    unknown = sorted(turned - set(DEVIATIONS))
    if unknown:
        raise ConfigurationError(
            f"there is no deviation {unknown[0]!r} to turn: choose from {DEVIATIONS[0]} to {DEVIATIONS[-1]}."
        )
    start = frozenset(DEVIATIONS) if fidelity == "code" else frozenset()
    return start ^ turned
