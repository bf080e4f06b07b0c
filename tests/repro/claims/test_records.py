"""claims.yaml: what is read, and that every mistake in it gets one sentence."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from repro.claims.planning import plan
from repro.claims.records import load_claims
from repro.errors import ReproError
from repro.layout import Layout
from repro.params import load_params

REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def layout(checkout):
    shutil.copy(REPOSITORY / "claims.yaml", checkout.claims)
    (checkout.root / "data").mkdir(exist_ok=True)
    shutil.copy(REPOSITORY / "data" / "sources.yaml", checkout.sources)
    return checkout


def load(layout: Layout):
    return load_claims(layout, load_params(layout.params))


def change(layout: Layout, old: str, new: str) -> None:
    text = layout.claims.read_text(encoding="utf-8")
    assert old in text
    layout.claims.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_shipped_file_holds_the_seven_claims(layout):
    claims = load(layout).claims
    assert list(claims) == ["C1", "C2", "C3", "C4", "C5", "C6", "C7"]
    assert {name for name, claim in claims.items() if claim.source == "ours"} == {"C6", "C7"}
    assert claims["C3"].sign == -1


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("rule:", "rules:", "the key `rule` is missing"),
        ("power: 0.8", "power: 1.8", "`rule.power` is 1.8: input should be less than 1"),
        ("ties: contradict ", "ties: refute ", "`rule.ties` is 'refute': input should be 'contradict'"),
        ("test: difference", "test: guess", "`claims.C1.test` is 'guess': choose difference, interaction"),
        ("    test: difference\n", "", "the key `claims.C1.test` is missing: add it"),
        ("smallest_effect: 0.001", "smallest_effect: 0", "`claims.C1.smallest_effect` is 0"),
        ("    smallest_effect: 0.001\n", "", "the key `claims.C1.smallest_effect` is missing"),
        ("source: paper", "sauce: paper", "claims.C1"),
        (
            "candidates: [irllrec]",
            "candidates: [irlrec]",
            "`claims.C1.candidates` names 'irlrec'.* no such variant",
        ),
        ("dccf/base", "dcf/base", "`claims.C1.references` names 'dcf', and there is no such backbone"),
        (
            "irllrec-no-ia",
            "irllrec-no-ai",
            "`claims.C3.candidates` names 'AI', and there is no such component",
        ),
        ("[base, rlmrec-con", "[irllrec, rlmrec-con", "`claims.C1` compares 'irllrec' with itself"),
        ("recall@20", "auc@20", "`claims.C1.metrics`: the metric 'auc@20' is unknown"),
        ("direction: higher", "direction: up", "`claims.C1.direction` is 'up'"),
        ("groups: quantiles ", "groups: 5,5 ", "`claims.C2.groups`: the groups '5,5' do not rise"),
        ("click_noise: [10, 20]", "click_noise: []", "`claims.C5` names no noise"),
        ("click_noise: [10, 20]", "click_noise: [200]", "`claims.C5.click_noise.0` is 200"),
        ("datasets: every", "datasets: [amazn]", "`claims.C1.datasets` names 'amazn'.* no such data set"),
        ("backbones: every", "backbones: [resnet]", "`claims.C1.backbones` names 'resnet'"),
        ("backbones: every", "backbone: every", "claims.C1.backbone"),
        ("rule:", "rule: [", "is not valid YAML"),
    ],
)
def test_a_mistake_is_refused_in_one_sentence(layout, old, new, sentence):
    change(layout, old, new)
    with pytest.raises(ReproError, match=sentence) as caught:
        load(layout)
    assert str(layout.claims) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_or_missing_file_says_how_to_restore_it(layout):
    layout.claims.write_text("", encoding="utf-8")
    with pytest.raises(ReproError, match="holds no sections: restore it with `git checkout claims.yaml`"):
        load(layout)
    layout.claims.unlink()
    with pytest.raises(ReproError, match=r"claims\.yaml is missing: restore it"):
        load(layout)


def test_a_named_data_set_that_is_not_here_is_a_reason(layout):
    change(layout, "datasets: every", "datasets: [demo, amazon]")
    places = {place.dataset: place for place in plan(load(layout), load_params(layout.params), names=["C1"])}
    assert "bring it with `repro data fetch amazon`" in places["amazon"].reason
    assert places["amazon"].tests == ()
    assert len(places["demo"].tests) == 10


def test_a_backbone_that_is_its_own_reference_is_compared_once(layout):
    """On dccf the reference base is dccf/base: four references remain, two metrics each."""
    (place,) = plan(load(layout), load_params(layout.params), names=["c1"], backbones=["dccf"])
    assert [test.reference.name for test in place.tests[::2]] == [
        "dccf/base",
        "dccf/rlmrec-con",
        "dccf/rlmrec-gen",
        "bigcf/base",
    ]


def test_a_simple_baseline_cannot_be_tested_as_a_backbone(layout):
    (place,) = plan(load(layout), load_params(layout.params), names=["C1"], backbones=["ease"])
    assert "ease is a simple baseline" in place.reason
    assert place.tests == ()


def test_a_claim_about_other_data_is_not_asked_about_these(layout):
    change(layout, "datasets: every", "datasets: [amazon]")
    with pytest.raises(ReproError, match="C1 in claims.yaml: no such claim is about what was asked for"):
        plan(load(layout), load_params(layout.params), names=["C1"], datasets=["demo"])


def test_noise_cells_are_the_same_cells_with_noise(layout):
    (place,) = plan(load(layout), load_params(layout.params), names=["C5"])
    variants = {request.variant for request in place.requests}
    assert variants == {
        "irllrec",
        "irllrec-no-tran",
        "irllrec-clicks10",
        "irllrec-clicks20",
        "irllrec-clicks10-no-tran",
        "irllrec-clicks20-no-tran",
    }
