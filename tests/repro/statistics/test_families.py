"""Corrections, ties, whole families and their words."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from repro.errors import ReproError
from repro.statistics.comparison import Question, Settings, Streams, answer, correct_family
from repro.statistics.correction import corrected
from repro.statistics.equivalence import Margin, equivalence_p_value
from repro.statistics.verdict import explain, stars, verdict

SETTINGS = Settings(
    alpha=0.05, equivalence_margin=Margin(0.01), bootstrap_samples=400, randomisation_samples=400
)


def streams():
    return Streams(*(np.random.default_rng(seed) for seed in (1, 2, 3)))


def family(values, method="holm"):
    questions = [Question(name, "base", "recall@20") for name in values if name != "base"]
    sides = {name: {"recall@20": matrix} for name, matrix in values.items()}
    return correct_family(answer(sides, questions, SETTINGS, streams()), method)


def test_holm_by_hand():
    """Sorted 0.01, 0.02, 0.04 times 3, 2, 1: 0.03, 0.04, 0.04."""
    np.testing.assert_allclose(corrected([0.04, 0.01, 0.02], "holm"), [0.04, 0.03, 0.04])


def test_benjamini_hochberg_by_hand():
    """Sorted 0.01, 0.02, 0.04 times 3/1, 3/2, 3/3, then running minima from the end: 0.03, 0.03, 0.04."""
    np.testing.assert_allclose(corrected([0.04, 0.01, 0.02], "bh"), [0.04, 0.03, 0.03])


def test_unknown_correction_names_the_known_ones():
    with pytest.raises(ReproError, match="choose holm or bh"):
        corrected([0.1], "bonferoni")


def test_no_test_needs_no_correction():
    assert len(corrected([], "holm")) == 0


def test_holm_keeps_the_chance_of_any_false_star():
    """12 families of 200 null tests: at most 5 % with a star, 99.9 % binomial bound 4 families."""
    p_values = np.random.default_rng(0).random((12, 200))
    assert sum((corrected(row, "holm") < 0.05).any() for row in p_values) <= 4


def test_tie_is_found_where_models_differ_by_noise_only():
    noise = np.random.default_rng(1).normal(0.0, 0.05, 10_000)
    assert equivalence_p_value(noise - noise.mean(), 0.01) < 1e-10


def test_tie_is_not_claimed_with_few_users():
    noise = np.random.default_rng(2).normal(0.0, 0.5, 20)
    assert equivalence_p_value(noise - noise.mean(), 0.01) > 0.05


def test_false_ties_at_the_margin_are_as_rare_as_promised():
    """The true difference is the margin itself: 400 trials at 5 % stay within [6, 37] (99.9 %)."""
    generator = np.random.default_rng(3)
    ties = sum(equivalence_p_value(generator.normal(0.1, 0.3, 80), 0.1) < 0.05 for _ in range(400))
    assert 6 <= ties <= 37


@pytest.mark.parametrize(("shift", "p"), [(0.0, 0.0), (0.005, 0.0), (0.02, 1.0)])
def test_constant_difference_is_tied_within_the_margin_only(shift, p):
    assert equivalence_p_value(np.full(30, shift), 0.01) == p


def test_equal_models_are_tied():
    base = np.random.default_rng(4).random((3, 200))
    (result,) = family({"base": base, "copy": base.copy()})
    assert (result.p_corrected, result.effect_size, result.low, result.high) == (1.0, 0.0, 0.0, 0.0)
    assert verdict(result, 0.05) == "tied"


def test_users_are_averaged_over_seeds_before_testing():
    """Three copies of the same seed say no more than one seed."""
    generator = np.random.default_rng(5)
    base, better = generator.random((1, 100)), generator.random((1, 100))
    (once,) = family({"base": base, "x": better})
    (thrice,) = family({"base": np.repeat(base, 3, axis=0), "x": np.repeat(better, 3, axis=0)})
    assert thrice.p_value == pytest.approx(once.p_value)
    assert thrice.effect_size == pytest.approx(once.effect_size)


def test_better_and_worse_are_told_apart():
    generator = np.random.default_rng(6)
    base = generator.random((2, 400))
    better, worse = family({"base": base, "up": base + 0.1 * generator.random((2, 400)), "down": 0.8 * base})
    assert (verdict(better, 0.05), verdict(worse, 0.05)) == ("better", "worse")
    assert better.low > 0 > worse.high
    assert better.family_size == 2


def test_improvement_is_the_share_of_the_reference():
    (result,) = family({"base": np.full((1, 4), 0.2), "x": np.array([[0.3, 0.3, 0.2, 0.3]])})
    assert result.improvement == pytest.approx(0.375)


def test_empty_group_is_no_test():
    empty, full = np.zeros((2, 0)), np.random.default_rng(7).random((2, 30))
    nobody = answer({"a": {"m": empty}, "b": {"m": empty}}, [Question("a", "b", "m")], SETTINGS, streams())
    some = answer({"a": {"m": full}, "b": {"m": full**2}}, [Question("a", "b", "m")], SETTINGS, streams())
    results = correct_family([*nobody, *some], "holm")
    assert [result.family_size for result in results] == [1, 1]
    assert results[0].p_corrected == 1.0


def test_an_interval_does_not_depend_on_the_other_questions():
    generator = np.random.default_rng(8)
    values = {name: generator.random((3, 60)) for name in ("base", "x", "y")}
    together = family(values)[1]
    (alone,) = family({"base": values["base"], "y": values["y"]})
    assert alone.hierarchical_low == pytest.approx(together.hierarchical_low)
    assert alone.low == pytest.approx(together.low)


def test_stars_follow_the_usual_levels():
    assert [stars(p) for p in (0.0005, 0.001, 0.01, 0.049, 0.05, 1.0)] == ["***", "**", "*", "*", "", ""]


def test_words_tell_direction_family_and_tie():
    base = np.random.default_rng(9).random((2, 500))
    (result,) = family({"base": base, "model": base * 0.5})
    text = " ".join(explain(result, 0.05, 2))
    assert "model is lower by" in text
    assert "worse than base" in text
    assert "Holm correction over 1 test," in text
    assert "not shown to be tied" in text


def test_a_real_but_tiny_difference_is_called_tiny():
    generator = np.random.default_rng(10)
    base = generator.random((1, 5000))
    (result,) = family({"base": base, "model": base + 0.002 + 0.01 * generator.normal(size=base.shape)})
    assert verdict(result, 0.05) == "better"
    assert "it hardly matters" in " ".join(explain(result, 0.05, 1))


def test_one_user_is_explained():
    (result,) = family({"base": np.ones((2, 1)), "model": np.zeros((2, 1))})
    assert explain(result, 0.05, 2) == ["recall@20: 1 user(s) with test items; nothing can be tested."]
    assert dataclasses.asdict(result)["p_value"] == 1.0
