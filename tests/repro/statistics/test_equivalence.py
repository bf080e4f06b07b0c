"""Margins, and the test that a candidate is not worse: by hand, against two libraries, under the null."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.stats
from statsmodels.stats.weightstats import ttost_paired

from repro.errors import ReproError
from repro.statistics.comparison import Question, Settings, Streams, answer, correct_family
from repro.statistics.correction import corrected
from repro.statistics.equivalence import Margin, equivalence_p_value, not_worse_p_value, read_margin
from repro.statistics.verdict import explain, explain_not_worse, not_worse_words


@pytest.mark.parametrize(
    ("text", "margin", "shown"),
    [
        ("0.001", Margin(0.001), "0.001"),
        ("1e-3", Margin(0.001), "0.001"),
        ("1%", Margin(0.01, relative=True), "1 %"),
        (" 0.5 % ", Margin(0.005, relative=True), "0.5 %"),
        ("2.5%", Margin(0.025, relative=True), "2.5 %"),
    ],
)
def test_a_margin_is_read_as_a_difference_or_as_a_share(text, margin, shown):
    assert read_margin(text) == margin
    assert str(read_margin(text)) == shown


@pytest.mark.parametrize(
    "text",
    ["x", "", "%", "0", "0%", "-0.001", "-1%", "1", "100%", "nan", "inf", "1%%", "1% of B", "0,001", "%1"],
)
def test_what_is_no_margin_is_refused_in_one_sentence(text):
    with pytest.raises(
        ReproError, match="is no difference of a metric: write a fraction between 0 and 1"
    ) as refusal:
        read_margin(text)
    assert repr(text) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_share_is_one_of_the_references_mean():
    assert Margin(0.02, relative=True).size(0.25) == pytest.approx(0.005)
    assert Margin(0.02, relative=True).size(0.0) == 0.0
    assert Margin(0.02).size(0.25) == 0.02


def test_not_worse_by_hand():
    """-1, 0, 1 with margin 2: t = 2 / (1/√3) = 3.4641 with two degrees of freedom; p = 0.0741799 / 2."""
    assert not_worse_p_value(np.array([-1.0, 0.0, 1.0]), 2.0) == pytest.approx(0.0370900, abs=1e-6)


@pytest.mark.parametrize("margin", [0.001, 0.02, 0.3])
def test_not_worse_agrees_with_scipy(margin):
    generator = np.random.default_rng(1)
    one, other = generator.random(300), generator.random(300)
    ours = not_worse_p_value(one - other, margin)
    expected = scipy.stats.ttest_rel(one + margin, other, alternative="greater").pvalue
    assert ours == pytest.approx(expected, rel=1e-9)


def test_both_tests_agree_with_statsmodels_of_two_columns():
    """TOST is not worse and not better: its p-value is the larger of both directions."""
    generator = np.random.default_rng(2)
    one = generator.random(400)
    other = one + generator.normal(0.005, 0.1, 400)
    p_value, above, below = ttost_paired(one, other, -0.02, 0.02)
    assert not_worse_p_value(one - other, 0.02) == pytest.approx(above[1], rel=1e-9)
    assert not_worse_p_value(other - one, 0.02) == pytest.approx(below[1], rel=1e-9)
    assert equivalence_p_value(one - other, 0.02) == pytest.approx(p_value, rel=1e-9)


def test_a_shift_of_all_users_moves_the_margin():
    differences = np.random.default_rng(3).normal(0.0, 0.1, 50)
    assert not_worse_p_value(differences - 0.01, 0.03) == pytest.approx(not_worse_p_value(differences, 0.02))


def test_a_wider_margin_is_easier_to_keep():
    differences = np.random.default_rng(4).normal(0.0, 0.1, 80)
    p_values = [not_worse_p_value(differences, margin) for margin in (0.0, 0.01, 0.02, 0.05)]
    assert p_values == sorted(p_values, reverse=True)
    assert p_values[0] == pytest.approx(scipy.stats.ttest_1samp(differences, 0, alternative="greater").pvalue)


def test_false_claims_at_the_margin_are_as_rare_as_promised():
    """The true difference is −margin, its users skewed: 1,000 trials at 5 % in the 99.9 % interval [29, 74]."""
    generator = np.random.default_rng(5)
    noise = generator.choice([-1, 1], size=(1000, 200)) * generator.exponential(0.3, size=(1000, 200))
    low, high = scipy.stats.binom.interval(0.999, 1000, 0.05)
    assert low <= sum(not_worse_p_value(row - 0.1, 0.1) < 0.05 for row in noise) <= high


def test_false_claims_at_a_share_of_the_measured_mean_are_as_rare_as_promised():
    """B has mean 0.3, A loses 2 % of it; the margin is 2 % of each trial's measured mean of B."""
    generator = np.random.default_rng(6)
    margin, claims = Margin(0.02, relative=True), 0
    for _ in range(1000):
        reference = generator.beta(1.5, 3.5, 300)
        differences = generator.normal(-0.006, 0.1, 300)
        claims += not_worse_p_value(differences, margin.size(float(reference.mean()))) < 0.05
    low, high = scipy.stats.binom.interval(0.999, 1000, 0.05)
    assert low <= claims <= high


@pytest.mark.parametrize(
    ("shift", "p"), [(0.0, 0.0), (0.5, 0.0), (-0.0625, 0.0), (-0.125, 1.0), (-0.25, 1.0)]
)
def test_a_constant_difference_is_not_worse_above_the_margin_only(shift, p):
    assert not_worse_p_value(np.full(30, shift), 0.125) == p


def test_one_user_proves_nothing():
    assert not_worse_p_value(np.array([0.4]), 0.1) == 1.0
    assert not_worse_p_value(np.zeros(0), 0.1) == 1.0


METRICS = ("recall@20", "ndcg@20")


def _family(margin: Margin, loss: float, method: str = "holm"):
    """Compare a model that loses about ``loss`` of 0.25 on recall, and of 0.05 on ndcg, with its base."""
    generator = np.random.default_rng(7)
    base = generator.beta(1.0, 3.0, (3, 800))
    model = base - loss + generator.normal(0.0, 0.02, base.shape)
    values = {
        name: {"recall@20": matrix, "ndcg@20": 0.2 * matrix}
        for name, matrix in (("base", base), ("model", model))
    }
    settings = Settings(
        alpha=0.05, equivalence_margin=margin, bootstrap_samples=100, randomisation_samples=100
    )
    streams = Streams(*(np.random.default_rng(seed) for seed in (1, 2, 3)))
    questions = [Question("model", "base", metric) for metric in METRICS]
    return correct_family(answer(values, questions, settings, streams), method), values


@pytest.mark.parametrize("method", ["holm", "bh"])
def test_a_share_is_taken_of_each_metrics_mean_and_corrected_as_all_tests_are(method):
    """Recall is five times ndcg, so a margin of 1 % is five times as wide there, and p is the same."""
    results, values = _family(Margin(0.01, relative=True), 0.0022, method)
    differences = [(values["model"][m] - values["base"][m]).mean(axis=0) for m in METRICS]
    for result, each in zip(results, differences, strict=True):
        margin = 0.01 * values["base"][result.metric].mean()
        assert result.margin_size == pytest.approx(margin)
        expected = scipy.stats.ttest_1samp(each, -margin, alternative="greater").pvalue
        assert result.p_not_worse == pytest.approx(expected, rel=1e-8)
        assert 1e-6 < expected < 0.999
    assert results[0].margin_size == pytest.approx(5 * results[1].margin_size)
    together = corrected([result.p_not_worse for result in results], method)
    assert [result.p_not_worse_corrected for result in results] == pytest.approx(list(together))


def test_an_absolute_margin_is_the_same_for_every_metric():
    results, _ = _family(Margin(0.001), 0.0022)
    assert [result.margin_size for result in results] == [0.001, 0.001]
    assert results[0].p_not_worse > 0.5 > results[1].p_not_worse


def test_the_words_tell_margin_and_verdict():
    kept, _ = _family(Margin(0.02, relative=True), 0.001)
    lost, _ = _family(Margin(0.02, relative=True), 0.02)
    assert not_worse_words(kept[0], 0.05) == "shown not worse by more than 2 %"
    assert not_worse_words(lost[0], 0.05) == "not shown"
    assert explain_not_worse(kept[0], 0.05).startswith(
        "Shown: model is not worse by more than 2 % of base (0.00"
    )
    assert explain_not_worse(lost[0], 0.05).startswith("Not shown: model may be worse by 2 % of base (0.00")
    assert "one-sided paired t, p = " in explain_not_worse(kept[0], 0.05)
    assert "within ±2 % of base (0.00" in " ".join(explain(lost[0], 0.05, 3))
    absolute, _ = _family(Margin(0.01), 0.001)
    assert "Shown: model is not worse by more than 0.01; " in explain_not_worse(absolute[0], 0.05)


def test_nobody_is_not_shown_to_be_anything():
    empty = {name: {"m": np.zeros((2, 0))} for name in ("a", "b")}
    settings = Settings(
        alpha=0.05, equivalence_margin=Margin(0.1), bootstrap_samples=100, randomisation_samples=100
    )
    streams = Streams(*(np.random.default_rng(seed) for seed in (1, 2, 3)))
    (result,) = correct_family(answer(empty, [Question("a", "b", "m")], settings, streams), "holm")
    assert (result.p_not_worse, result.p_not_worse_corrected) == (1.0, 1.0)
    assert math.isnan(result.reference_mean)
    assert not_worse_words(result, 0.05) == "not shown"
