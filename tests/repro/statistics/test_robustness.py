"""Changes under noise, and that a relative change is tested as the ratio it is."""

import numpy as np
import pytest

from repro.statistics.paired import paired_t
from repro.statistics.robustness import changes, relative_changes


def test_changes_are_differences_of_each_seed_and_user() -> None:
    found = changes(np.array([[0.2, 0.5]]), np.array([[0.4, 0.4]]))
    assert found == pytest.approx(np.array([[-0.2, 0.1]]))


def test_the_mean_of_relative_changes_is_the_change_of_the_means_over_the_clean_mean() -> None:
    """(0.1 + 0.5) / (0.4 + 0.4) − 1 = −0.25, though one user's clean value is 0 in the second seed."""
    clean = np.array([[0.4, 0.4], [0.8, 0.0]])
    noisy = np.array([[0.1, 0.5], [0.6, 0.0]])
    found = relative_changes(noisy, clean)
    assert found is not None
    assert found.mean() == pytest.approx(noisy.sum() / clean.sum() - 1)
    assert relative_changes(np.array([[0.1, 0.5]]), np.array([[0.4, 0.4]])).mean() == pytest.approx(-0.25)  # type: ignore[union-attr]


def test_a_relative_change_does_not_depend_on_the_unit_of_the_metric() -> None:
    generator = np.random.default_rng(3)
    clean, noisy = generator.random((2, 30)), generator.random((2, 30))
    ours, hundredfold = relative_changes(noisy, clean), relative_changes(100 * noisy, 100 * clean)
    assert ours == pytest.approx(hundredfold)


def test_nothing_is_relative_to_a_metric_of_zero() -> None:
    assert relative_changes(np.array([[0.1, 0.0]]), np.zeros((1, 2))) is None


@pytest.mark.parametrize("seed", [0, 1])
def test_equal_relative_losses_are_called_different_about_as_often_as_alpha_says(seed: int) -> None:
    """Both models lose 10 % on average, of 0.3 and of 0.15: 500 samples of 300 users, the share of p < 0.05.

    0.99 interval of a binomial share of 500 around 0.05: 0.026 to 0.078.
    """
    generator = np.random.default_rng(seed)
    rejected = 0
    for _ in range(500):
        level = generator.gamma(2.0, 0.15, size=300)
        first, second = level, level / 2
        lost = [
            relative_changes((one * 0.9 + generator.normal(0, 0.05, 300))[None], one[None])
            for one in (first, second)
        ]
        assert lost[0] is not None
        assert lost[1] is not None
        rejected += paired_t((lost[0] - lost[1]).mean(axis=0)).p_value < 0.05
    assert 0.026 <= rejected / 500 <= 0.078
