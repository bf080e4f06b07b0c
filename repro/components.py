"""What run.json tells of irllrec's components: how much they pulled, and which could not matter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from repro.results import seed_records

Run = Mapping[str, Any]
Moment = Literal["start", "best"]
Scope = Literal["all", "backbone"]

MOMENTS: tuple[Moment, ...] = ("start", "best")
SCOPES: tuple[Scope, ...] = ("all", "backbone")

NEGLIGIBLE_WEIGHT = 1e-6
"""A term with at most this weight is switched off, as the release's 1e-7 (D-02)."""

NEGLIGIBLE_SHARE = 1e-6
"""A component whose terms are a smaller share of the loss cannot move a gradient in float32."""

TERMS = {
    "IA": ("pair", "tran"),
    "PAIR": ("pair",),
    "TRAN": ("tran",),
    "ITM": ("itm",),
    "PROFILE": ("kd",),
    "GSL": ("pair", "itm"),
    "MOMENTUM": ("itm",),
    "NOISE": ("tran", "itm"),
    "TEXT": ("kd", "pair", "tran", "itm"),
    "COT": ("kd", "pair", "tran", "itm"),
}
"""Component → the loss terms that it is, or that read it."""

_WEIGHTS = {"kd": "kd_weight", "pair": "pair_weight", "tran": "tran_weight", "itm": "itm_weight"}


def terms_of(drop: Sequence[str]) -> tuple[str, ...]:
    """Return the loss terms that dropped components are or feed, each once."""
    return tuple(dict.fromkeys(term for component in drop for term in TERMS.get(component, ())))


def loss_share(run: Run, drop: Sequence[str]) -> float | None:
    """Return the share of the loss that dropped components are or feed, the mean over seeds.

    None where run.json tells no shares.
    """
    terms = terms_of(drop)
    told = [seed["loss_shares"] for seed in seed_records(run) if seed.get("loss_shares")]
    if not told or not terms:
        return None
    return float(np.mean([sum(float(shares.get(term, 0.0)) for term in terms) for shares in told]))


def gradient_share(run: Run, drop: Sequence[str], moment: Moment, scope: Scope = "backbone") -> float | None:
    """Return the norm of the components' gradients over that of the whole loss, the mean over seeds.

    Where they are several terms the norms are added, which bounds that of their sum from above.

    Args:
        run: run.json of the whole model.
        drop: The components.
        moment: With the first weights, or with those of the best epoch.
        scope: Over all trainable parameters, or over the backbone's.

    Returns:
        A ratio that exceeds 1 where terms pull against each other; None where run.json tells none.
    """
    terms = terms_of(drop)
    told = [seed["gradient_norms"][moment][scope] for seed in seed_records(run) if seed.get("gradient_norms")]
    whole = [norms for norms in told if norms.get("total")]
    if not whole or not terms:
        return None
    ratios = [sum(float(norms.get(term, 0.0)) for term in terms) / norms["total"] for norms in whole]
    return float(np.mean(ratios))


def released(run: Run, drop: Sequence[str]) -> str | None:
    """Return whether the released code computes the components on this backbone: yes, in part or no.

    None where run.json does not tell.
    """
    terms, facts = terms_of(drop), run.get("released")
    if facts is None or not terms:
        return None
    there = [term in facts["components"] for term in terms]
    return "yes" if all(there) else "in part" if any(there) else "no"


def parameter_difference(whole: Run, without: Run) -> int | None:
    """Return how many parameters the ablated model has more than the whole one, None if untold."""
    counts = [run.get("parameter_count") for run in (without, whole)]
    if counts[0] is None or counts[1] is None:
        return None
    return int(counts[0]) - int(counts[1])


def why_nothing_changes(whole: Run, without: Run) -> str | None:
    """Return why dropping the components of ``without`` cannot change the whole model, None if it can.

    Args:
        whole: run.json of the whole model.
        without: run.json of the model without them.
    """
    drop = list(without.get("drop") or ())
    touched = _touched(whole, without, drop)
    dead = {term: reason for term in touched if (reason := _why_dead(whole, term))}
    if touched and len(dead) == len(touched):
        return "; ".join(dict.fromkeys(dead.values()))
    share = loss_share(whole, drop)
    if share is not None and share < NEGLIGIBLE_SHARE:
        return (
            f"its terms are {share:.1e} of the loss, so dropping it cannot matter: "
            "what its row shows is other random draws"
        )
    return None


def _touched(whole: Run, without: Run, drop: Sequence[str]) -> list[str]:
    """Return the terms that dropping changes; translation alignment also stands inside ITM."""
    terms = list(terms_of(drop))
    keeps = bool((without.get("hyperparameters") or {}).get("keep_coupled"))
    if {"IA", "TRAN"} & set(drop) and not keeps:
        terms.append("itm")
    if set(drop) == {"GSL"} and whole.get("itm") == "code":
        terms.remove("itm")  # the release's ITM reads no interaction intents
    return list(dict.fromkeys(terms))


def _why_dead(run: Run, term: str) -> str | None:
    """Return why a term does nothing in a model, None where it does something or nothing is told."""
    told = [seed["loss_shares"] for seed in seed_records(run) if seed.get("loss_shares")]
    weight = (run.get("hyperparameters") or {}).get(_WEIGHTS[term])
    if told and not any(term in shares for shares in told):
        facts = run.get("released") or {}
        if "D-01" in facts.get("followed", ()) and term not in facts.get("components", ()):
            return (
                f"the released code, which this model follows (D-01), never computes the term {term} on "
                f"{run.get('backbone')}, so dropping it changes nothing: both models are the same"
            )
        if weight == 0:
            return f"the term {term} has the weight 0 and is not computed, so dropping it changes nothing"
        return f"the whole model never computes the term {term}, so dropping it changes nothing"
    if weight is not None and weight <= NEGLIGIBLE_WEIGHT:
        by_release = _WEIGHTS[term] in (run.get("released") or {}).get("settings", ())
        origin = ", which the release sets (D-02)" if by_release else ""
        return (
            f"the term {term} has the weight {weight:.0e}{origin}, so dropping it cannot matter: "
            "what its row shows is other random draws"
        )
    return None
