"""Every claim of claims.yaml, judged by the real command on results made by hand: each verdict each way."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import shutil

import pytest

from repro.claims_view import claims_table_of, judged_claims_of
from repro.cli import run
from repro.layout import Layout
from repro.params import load_params
from repro.tables.render import render
from tests.repro.claims.conftest import USERS

CLAIMS = ("C1", "C2", "C3", "C4", "C5", "C6", "C7")


@pytest.fixture
def ask(monkeypatch, capsys):
    """A function that runs `repro claims` in a checkout and returns exit code, answer and what stderr says."""

    def call(root, words):
        monkeypatch.setenv("REPRO_ROOT", str(root))
        monkeypatch.setenv("COLUMNS", "140")
        code = run(["claims", *words.split()])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return call


@pytest.fixture
def copied(judged_project, tmp_path):
    """A copy of the checkout to take cells out of."""
    return shutil.copytree(judged_project, tmp_path / "copy")


def judged(root, dataset, **asked):
    layout = Layout(root)
    found = judged_claims_of(layout, load_params(layout.params), dataset, **asked)
    return {one.claim: one for one in found.judgements}


@pytest.fixture(scope="module")
def answer(judged_project):
    """What the command says of all data sets at once, by data set: its rows, one a test."""
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as printed:
        patch.setenv("REPRO_ROOT", str(judged_project))
        assert run(["claims", "--no-run", "--format", "json"]) == 0
    rows = json.loads(printed.getvalue())["rows"]
    return {name: [row for row in rows if row["dataset"] == name] for name in (*USERS, "bare", "all")}


@pytest.mark.parametrize(
    ("world", "verdict", "finding"),
    [
        ("gain", "supported", "as claimed"),
        ("loss", "contradicted", "opposite"),
        ("tie", "contradicted", "tied"),
        ("vague", "undecided", "open"),
    ],
)
def test_every_claim_gets_the_verdict_that_its_world_was_made_for(answer, world, verdict, finding):
    rows = answer[world]
    assert {row["claim"]: row["verdict"] for row in rows} == dict.fromkeys(CLAIMS, verdict)
    deciding = [row for row in rows if row["decides"]]
    assert [row["claim"] for row in deciding] == list(CLAIMS)
    assert {row["finding"] for row in deciding} == {finding}
    assert {row["tests_in_family"] for row in rows} == {4 * 32}
    assert {row["seeds"] for row in rows} == {2}


def test_a_data_set_without_text_cannot_be_tested_and_says_why(answer):
    assert [row["claim"] for row in answer["bare"]] == list(CLAIMS)
    assert {row["verdict"] for row in answer["bare"]} == {"cannot be tested here"}
    assert all("irllrec reads text and the data set bare has none" in row["why"] for row in answer["bare"])


def test_one_refuting_data_set_refutes_a_claim_about_every_data_set(answer):
    assert {row["claim"]: row["verdict"] for row in answer["all"]} == dict.fromkeys(CLAIMS, "contradicted")


def test_missing_cells_are_named_with_the_command_that_makes_them(copied, ask):
    shutil.rmtree(copied / "runs" / "gain" / "lightgcn" / "irllrec-no-ia")
    code, answer, _ = ask(copied, "--dataset gain --claim C3,C4 --no-run --format json")
    assert code == 0
    rows = {row["claim"]: row for row in json.loads(answer)["rows"]}
    assert rows["C3"]["verdict"] == "cannot be tested here"
    assert "gain-lightgcn-irllrec-no-ia: run `repro claims --claim C3 --dataset gain" in rows["C3"]["why"]
    assert rows["C3"]["difference"] is None
    assert rows["C4"]["verdict"] == "supported"


def test_without_no_run_missing_cells_are_made_through_dvc(copied, ask):
    gone = copied / "runs" / "gain" / "lightgcn" / "irllrec-no-ia"
    shutil.rmtree(gone)
    code, answer, said = ask(copied, "--dataset gain --claim C3 --format json")
    assert code == 0
    assert "evaluate@gain-lightgcn-irllrec-no-ia" in said
    assert (gone / "per_user.parquet").is_file()
    assert {row["verdict"] for row in json.loads(answer)["rows"]} == {"supported"}


def test_results_that_are_out_of_date_count_as_missing(copied, ask):
    path = copied / "runs" / "gain" / "lightgcn" / "irllrec-no-itm" / "run.json"
    path.write_text(path.read_text(encoding="utf-8").replace("default", "other"), encoding="utf-8")
    _, answer, _ = ask(copied, "--dataset gain --claim C4 --no-run --format json")
    (row,) = json.loads(answer)["rows"]
    assert row["verdict"] == "cannot be tested here"
    assert "no up-to-date results of the cell gain-lightgcn-irllrec-no-itm" in row["why"]


def test_a_missing_reference_takes_support_away_and_leaves_a_contradiction(copied):
    for world in ("gain", "loss"):
        shutil.rmtree(copied / "runs" / world / "bigcf" / "base")
    assert judged(copied, "gain")["C1"].verdict == "cannot be tested here"
    assert len(judged(copied, "gain")["C1"].tests) == 8
    assert judged(copied, "loss")["C1"].verdict == "contradicted"


def test_raw_data_that_are_missing_are_a_reason_and_no_failure(copied, ask):
    shutil.rmtree(copied / "data" / "raw" / "gain")
    code, answer, _ = ask(copied, "--dataset gain --claim C6 --format json")
    (row,) = json.loads(answer)["rows"]
    assert (code, row["verdict"]) == (0, "cannot be tested here")
    assert "The data set gain is missing" in row["why"]


def test_several_places_have_a_verdict_together(judged_project):
    layout = Layout(judged_project)
    params = load_params(layout.params)
    answer = judged_claims_of(layout, params, names=["C6"], correction="holm")
    found = {one.dataset: one for one in answer.judgements}
    assert {name: one.verdict for name, one in found.items()} == {
        None: "contradicted",
        "gain": "supported",
        "loss": "contradicted",
        "tie": "contradicted",
        "vague": "undecided",
        "bare": "cannot be tested here",
    }
    together = found[None]
    assert len(together.tests) == 8
    assert together.deciding in found["loss"].tests
    assert "supported on gain/lightgcn" in together.why


def test_undecided_tells_the_difference_that_could_have_been_shown(judged_project):
    judgement = judged(judged_project, "vague")["C3"]
    assert "with 60 users 80 % power begins at a difference of 0." in judgement.why
    deciding = judgement.deciding
    assert deciding is not None
    assert deciding.detectable > 3 * deciding.standard_error


def test_a_tie_leaves_the_claim_undecided_where_the_file_says_so(copied):
    path = copied / "claims.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("ties: contradict ", "ties: undecided "), "utf-8"
    )
    assert {one.verdict for one in judged(copied, "tie").values()} == {"undecided"}
    assert {one.verdict for one in judged(copied, "loss").values()} == {"contradicted"}


def test_any_test_is_enough_where_the_file_says_so(copied):
    """Of C1's references only base gains nothing: every is contradicted, any is supported."""
    shutil.rmtree(copied / "runs" / "gain" / "lightgcn" / "base")
    shutil.copytree(
        copied / "runs" / "gain" / "lightgcn" / "irllrec-no-tran",
        copied / "runs" / "gain" / "lightgcn" / "base",
    )
    assert judged(copied, "gain", names=["C1"])["C1"].verdict == "undecided"
    path = copied / "claims.yaml"
    path.write_text(
        path.read_text(encoding="utf-8").replace("supported_if: every", "supported_if: any"), "utf-8"
    )
    assert judged(copied, "gain", names=["C1"])["C1"].verdict == "supported"


def test_the_family_is_what_is_shown(judged_project):
    alone = judged(judged_project, "vague", names=["C6"])["C6"]
    among = judged(judged_project, "vague")["C6"]
    assert [test.family_size for test in (*alone.tests[:1], *among.tests[:1])] == [2, 32]
    assert [test.difference for test in alone.tests] == [test.difference for test in among.tests]
    assert [(test.low, test.high) for test in alone.tests] == [(test.low, test.high) for test in among.tests]


def test_robustness_compares_what_is_kept(judged_project):
    """irllrec loses 0.01 and 0.02 to noise and the variant without tran 0.03 and 0.06: it keeps 0.02, 0.04 more."""
    tests = judged(judged_project, "gain")["C5"].tests
    kept = {test.name: test.difference for test in tests if test.metric == "recall@20"}
    assert kept["irllrec − irllrec-no-tran, clicks10"] == pytest.approx(0.02, abs=0.003)
    assert kept["irllrec − irllrec-no-tran, clicks20"] == pytest.approx(0.04, abs=0.003)


def test_sparse_users_are_set_against_dense_ones(judged_project):
    """The sparsest quarter gains 0.03 + 0.02 and the densest 0.03."""
    (recall, _) = judged(judged_project, "gain")["C2"].tests
    assert recall.candidate_mean == pytest.approx(0.05, abs=0.004)
    assert recall.reference_mean == pytest.approx(0.03, abs=0.004)
    assert recall.difference == pytest.approx(recall.candidate_mean - recall.reference_mean)
    assert recall.low < recall.difference < recall.high


@pytest.mark.parametrize("width", [80, 140])
def test_the_terminal_shows_every_verdict_and_why(judged_project, width):
    layout = Layout(judged_project)
    text = render(claims_table_of(layout, load_params(layout.params), "vague"), "rich", width)
    assert max(map(len, text.splitlines())) <= width
    assert text.count("undecided") >= 2 * len(CLAIMS)
    assert "Holm over all 32 tests of the claims shown" in " ".join(text.split())
    assert "C3  Removing intent alignment (IA) hurts (the paper's)" in text


def test_why_shows_and_explains_every_test(judged_project):
    layout = Layout(judged_project)
    table = claims_table_of(layout, load_params(layout.params), "gain", names=["C1"], why=True)
    answer = render(table, "md")
    assert answer.count(": as claimed.") == answer.count("· as claimed") == 10
    assert "irllrec − bigcf/base, ndcg@20" in answer


def test_csv_holds_one_row_a_test_with_its_verdict(judged_project):
    layout = Layout(judged_project)
    table = claims_table_of(layout, load_params(layout.params), "loss", names=["C3"])
    rows = list(csv.DictReader(io.StringIO(render(table, "csv"))))
    assert [(row["metric"], row["verdict"], row["finding"]) for row in rows] == [
        ("recall@20", "contradicted", "opposite"),
        ("ndcg@20", "contradicted", "opposite"),
    ]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--claim C9", "There is no claim 'C9' in claims.yaml: choose C1, C2,"),
        ("--dataset nowhere", "There is no data set 'nowhere' in params.yaml: choose gain,"),
        ("--backbone resnet", "There is no backbone 'resnet' in params.yaml: choose lightgcn,"),
        ("--format html", "the format 'html' is unknown"),
        ("--correction none", "the correction 'none' is unknown"),
    ],
)
def test_mistakes_are_refused_in_one_sentence(judged_project, ask, words, sentence):
    code, answer, said = ask(judged_project, words)
    assert (code, answer) == (1, "")
    assert sentence in said
    assert len(said.strip().splitlines()) == 1
