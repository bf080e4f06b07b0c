"""Sweeps: what is searched, how it goes on after an interruption, and what is recorded and written."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from irllrec.data.interactions import Interactions
from irllrec.data.storage import save_interactions
from irllrec.recommender import backbone_class, is_simple, objective_class
from irllrec.settings import read_settings
from repro.cli import run
from repro.errors import ReproError
from repro.grid import CellRequest
from repro.layout import Layout
from repro.params import load_params
from repro.presets import use_tuned
from repro.tuning.ledger import Trial, chosen, ledger_path, read_ledger, write_ledger
from repro.tuning.overview import tuning_table
from repro.tuning.proposals import RANDOM_TRIALS, propose, round_of
from repro.tuning.search import Search, run_search, searchable, trial_cell
from repro.tuning.spaces import (
    Choices,
    Range,
    default_settings,
    override_of,
    parse_dimension,
    read_spaces,
    space_of,
    with_dimensions,
)

ROOT = Path(__file__).resolve().parents[2]
METHOD = CellRequest("demo", "lightgcn", "base")
SPACE = {
    "backbone.layers": Range(low=1, high=3),
    "objective.regularization": Range(low=1e-8, high=1e-3, log=True),
    "training.batch_size": Choices(choices=(64, 128)),
}


def _search(count: int = 6, seed: int = 2023) -> Search:
    return Search(METHOD, SPACE, count, seed)


def _trial(number: int, value: float | None, **settings: float) -> Trial:
    status = "failed" if value is None else "done"
    return Trial(number, 2023, settings, "recall@20", value, 3, 9, status, "abc")


def _method_names() -> list[tuple[str, str]]:
    params = load_params(ROOT / "params.yaml")
    backbones = [name for name in params.backbones if not is_simple(name)]
    return [(backbone, objective) for backbone in backbones for objective in params.objectives]


@pytest.mark.parametrize(("backbone", "objective"), _method_names())
def test_every_method_has_a_search_space_of_settings_that_exist(backbone: str, objective: str) -> None:
    """Both ends of every range are values that the method takes; its default lies inside."""
    params = load_params(ROOT / "params.yaml")
    space = space_of(read_spaces(ROOT / "data" / "search_spaces.yaml"), backbone, objective)
    defaults = default_settings(params, backbone, objective)
    assert set(space) <= set(defaults)
    assert {name for name, dimension in space.items() if not dimension.holds(defaults[name])} == set()
    for end in (0, -1):
        ends = {
            name: (d.choices if isinstance(d, Choices) else (d.low, d.high))[end] for name, d in space.items()
        }
        override = override_of(ends)
        for kind, section, name in (
            (backbone_class(backbone), "backbone", backbone),
            (objective_class(objective), "objective", objective),
        ):
            given = {**getattr(params, f"{section}s")[name], **override.get(section, {})}
            read_settings(kind.Settings, given, where=name)


def test_the_same_backbone_is_searched_alike_under_every_objective() -> None:
    spaces = read_spaces(ROOT / "data" / "search_spaces.yaml")
    parts = [
        {name: d for name, d in space_of(spaces, "sgl", objective).items() if name.startswith("backbone.")}
        for objective in spaces.objectives
    ]
    assert parts[0]
    assert all(part == parts[0] for part in parts)


@pytest.mark.parametrize(
    ("text", "name", "dimension"),
    [
        ("kd_weight=0.001..0.1,log", "kd_weight", Range(low=0.001, high=0.1, log=True)),
        ("backbone.layers=1..4", "backbone.layers", Range(low=1, high=4)),
        ("reg=1e-8..1e-3,log", "reg", Range(low=1e-8, high=1e-3, log=True)),
        ("layers=1|3", "layers", Choices(choices=(1, 3))),
        ("itm=code|reading", "itm", Choices(choices=("code", "reading"))),
    ],
)
def test_a_setting_given_on_the_command_line_is_read(text: str, name: str, dimension: object) -> None:
    assert parse_dimension(text) == (name, dimension)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("kd_weight", "write setting=low..high"),
        ("kd_weight=0.1", "write setting=low..high"),
        ("kd_weight=a..b", "write setting=low..high"),
        ("kd_weight=0.1..0.01", "low must be below high"),
        ("kd_weight=0..1,log", "with log it must be above 0"),
    ],
)
def test_a_setting_of_another_form_is_refused(text: str, words: str) -> None:
    with pytest.raises(ReproError, match=words):
        parse_dimension(text)


def test_a_setting_takes_the_place_of_the_files_or_stands_beside_it(checkout: Layout) -> None:
    params = load_params(checkout.params)
    space = {"backbone.layers": Range(low=1, high=4)}
    given = [parse_dimension("layers=2|3"), parse_dimension("learning_rate=0.0001..0.01,log")]
    changed = with_dimensions(space, given, params, "lightgcn", "base")
    assert changed == {
        "backbone.layers": Choices(choices=(2, 3)),
        "training.learning_rate": Range(low=0.0001, high=0.01, log=True),
    }
    with pytest.raises(ReproError, match=r"no such setting: choose from backbone.layers"):
        with_dimensions(space, [parse_dimension("kd_weight=0..1")], params, "lightgcn", "base")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("backbones: {mf: {}}\n", "`objectives`"),
        ("backbones: {mf: {layers: {low: 3, high: 1}}}\nobjectives: {}\n", "low must be below high"),
        ("backbones: {mf: {layers: {low: 1}}}\nobjectives: {}\n", "backbones.mf.layers"),
        ("backbones: [\n", "not valid YAML: mend line"),
    ],
)
def test_a_wrong_file_of_search_spaces_is_refused_by_key(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "spaces.yaml"
    path.write_text(content)
    with pytest.raises(ReproError, match=words):
        read_spaces(path)


def test_a_backbone_without_a_search_space_is_refused_with_the_fix() -> None:
    spaces = read_spaces(ROOT / "data" / "search_spaces.yaml")
    with pytest.raises(ReproError, match="no entry `backbones.mynet`: add one to data/search_spaces.yaml"):
        space_of(spaces, "mynet", "base")


def test_a_proposal_follows_from_seed_number_and_earlier_rounds_alone() -> None:
    first = {"backbone.layers": 3, "objective.regularization": 1e-6, "training.batch_size": 128}
    earlier = [
        _trial(n, 0.1 + 0.01 * n, **propose(SPACE, n, [], 7, ["demo"], first)) for n in range(RANDOM_TRIALS)
    ]
    again = [propose(SPACE, 9, earlier, 7, ["demo"], first) for _ in range(2)]
    assert again[0] == again[1]
    assert propose(SPACE, 9, earlier, 8, ["demo"], first) != again[0]
    assert propose(SPACE, 10, earlier, 7, ["demo"], first) != again[0]
    for name, value in again[0].items():
        assert SPACE[name].holds(value)


def test_later_proposals_come_nearer_to_what_was_good() -> None:
    """The value falls with the distance of log10(x) from −4: informed trials are nearer than random ones."""
    import math

    space = {"objective.regularization": Range(low=1e-8, high=1e-1, log=True)}
    trials: list[Trial] = []
    for number in range(40):
        earlier = trials[: round_of(number)]
        settings = propose(space, number, earlier, 5, ["toy"], {"objective.regularization": 1e-8})
        distance = abs(math.log10(settings["objective.regularization"]) + 4)
        trials.append(_trial(number, 1 - distance, **settings))
    values = [trial.best_validation for trial in trials]
    assert sum(values[20:]) / 20 > sum(values[:RANDOM_TRIALS]) / RANDOM_TRIALS + 0.5


def test_the_first_trial_is_the_default_where_the_space_holds_it() -> None:
    first = {"backbone.layers": 3, "objective.regularization": 1.0, "training.batch_size": 128}
    settings = propose(SPACE, 0, [], 2023, ["demo"], first)
    assert (settings["backbone.layers"], settings["training.batch_size"]) == (3, 128)
    assert settings["objective.regularization"] <= 1e-3


def test_a_ledger_comes_back_as_it_was_written(tmp_path: Path) -> None:
    settings = {"backbone.layers": 2, "objective.kd_weight": 1e-07, "objective.itm": "code"}
    trials = [_trial(1, None, **settings), _trial(0, 0.123456789012345678, **settings)]
    write_ledger(tmp_path / "a.csv", trials)
    assert read_ledger(tmp_path / "a.csv") == trials[::-1]


def test_the_best_trial_is_the_earliest_of_equals_and_never_a_failed_one() -> None:
    assert chosen([_trial(0, 0.1), _trial(1, 0.2), _trial(2, 0.2), _trial(3, None)]).number == 1
    assert chosen([_trial(0, None)]) is None


@pytest.mark.parametrize("content", ["a,b\n1,2\n", "trial,seed\nx,1\n", "\x00", ""])
def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(content)
    with pytest.raises(ReproError, match="is not a tuning ledger"):
        read_ledger(path)


def test_a_search_records_each_trial_by_what_training_reached_on_validation(small: Layout) -> None:
    """The values are those that the stage train reaches with these settings and this seed."""
    from repro.stages import train

    (small.prepared("demo") / "test.npz").unlink()
    params = load_params(small.params)
    trials = run_search(small, params, _search(2))
    assert [trial.status for trial in trials] == ["done", "done"]
    best = chosen(trials)
    use_tuned(small, METHOD, override_of(best.settings), 2)
    train.main([METHOD.key])
    with (small.run("demo", "lightgcn", "base") / "history.csv").open() as handle:
        rows = [row for row in csv.DictReader(handle) if row["seed"] == "2023" and row["validation"]]
    assert max(float(row["validation"]) for row in rows) == best.best_validation
    assert load_params(small.params).cells[METHOD.key].settings == "tuned (2 trials)"
    assert not any((small.checkpoints / f"tuning-{METHOD.key}").iterdir())


def test_an_interrupted_search_makes_the_same_trials_as_an_undisturbed_one(small: Layout) -> None:
    """Stopped after every single trial, and with two workers at the end; ROUND is 4."""
    params = load_params(small.params)
    whole = run_search(small, params, _search())
    path = ledger_path(small, "demo", "lightgcn", "base")
    undisturbed = path.read_bytes()
    path.unlink()

    def stop(trial: Trial, trials: object) -> None:
        raise KeyboardInterrupt

    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            run_search(small, params, _search(), stop)
    assert len(read_ledger(path)) == 5
    assert run_search(small, params, _search()) == whole
    assert path.read_bytes() == undisturbed


@pytest.mark.slow
def test_the_trials_do_not_depend_on_how_many_run_at_once(small: Layout) -> None:
    params = load_params(small.params)
    alone = run_search(small, params, _search())
    ledger_path(small, "demo", "lightgcn", "base").unlink()
    engine = params.engine.model_copy(update={"workers": 2})
    assert run_search(small, params.model_copy(update={"engine": engine}), _search()) == alone


def test_a_longer_search_goes_on_and_a_shorter_one_looks_at_its_share(small: Layout) -> None:
    params = load_params(small.params)
    three = run_search(small, params, _search(3))
    four = run_search(small, params, _search(4))
    assert four[:3] == three
    assert run_search(small, params, _search(3)) == three


def test_trials_of_another_seed_or_data_are_not_mixed_with_new_ones(small: Layout) -> None:
    params = load_params(small.params)
    run_search(small, params, _search(1))
    with pytest.raises(ReproError, match="another search space, seed, data set version"):
        run_search(small, params, _search(1, seed=7))
    valid = small.prepared("demo") / "valid.npz"
    save_interactions(valid, Interactions.from_pairs([0, 1], [2, 3], 60, 40))
    with pytest.raises(ReproError, match="ask for the same again, or move the file away"):
        run_search(small, params, _search(1))


def test_a_trial_that_diverges_is_recorded_as_failed_and_not_chosen(small: Layout) -> None:
    params = load_params(small.params)
    space = {"training.learning_rate": Choices(choices=(1e30, 1e35))}
    (trial,) = run_search(small, params, Search(METHOD, space, 1, 2023))
    assert (trial.status, trial.best_validation) == ("failed", None)
    assert chosen([trial]) is None


def test_settings_that_the_released_code_fixes_are_not_searched(checkout: Layout) -> None:
    """D-02 and D-09: in fidelity code, IRLLRec on lightgcn has its weights and keep rate from the release."""
    params = load_params(checkout.params).model_copy(update={"fidelity": "code"})
    request = CellRequest("demo", "lightgcn", "irllrec")
    space = space_of(read_spaces(ROOT / "data" / "search_spaces.yaml"), "lightgcn", "irllrec")
    free, fixed = searchable(params, request, space)
    assert fixed == ["backbone.keep_rate", "objective.tran_weight", "objective.itm_weight"]
    assert list(free) == [name for name in space if name not in fixed]
    assert searchable(params.model_copy(update={"fidelity": "paper"}), request, space) == (space, [])


def test_a_trial_stays_as_faithful_to_the_release_as_its_cell(checkout: Layout) -> None:
    text = checkout.params.read_text()
    line = "variant: irllrec, inputs: data/text/demo/vectors.npz,"
    assert text.count(line) == 1
    override = "override: {fidelity: code, backbone: {layers: 1}},"
    checkout.params.write_text(text.replace(line, f"{line} {override}"))
    cell = trial_cell(
        load_params(checkout.params),
        CellRequest("demo", "lightgcn", "irllrec"),
        {"objective.kd_weight": 0.1},
    )
    assert cell.override.model_dump(exclude_unset=True) == {
        "fidelity": "code",
        "objective": {"kd_weight": 0.1},
    }


def test_the_ledgers_table_marks_the_chosen_trial_and_names_unequal_budgets() -> None:
    ledgers = {
        "demo/lightgcn/base": [_trial(0, 0.1), _trial(1, 0.2)],
        "demo/lightgcn/irllrec": [_trial(0, 0.3, **{"objective.kd_weight": 0.5})],
    }
    table = tuning_table(ledgers)
    assert [row["chosen"] for row in table.records] == ["", "yes", "yes"]
    assert [row["objective.kd_weight"] for row in table.records] == [None, None, 0.5]
    assert any("demo/lightgcn/base 2, demo/lightgcn/irllrec 1" in note for note in table.notes)
    assert not any("budgets" in note for note in tuning_table({"a/b/c": [_trial(0, 0.1)]}).notes)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--dataset", "demo"], "name what to tune with --dataset, --backbone and --objective"),
        (["--all-of", "demo", "-b", "mf"], "leave out the other names"),
        (["--all-of", "nowhere"], "the grid has no cell of 'nowhere'"),
        (["-d", "demo", "-b", "nosuch", "-o", "base"], "no backbone 'nosuch'"),
        (["-d", "demo", "-b", "ease", "-o", "base"], "ease is a simple baseline, which chooses among its"),
        (["-d", "demo", "-b", "lightgcn", "-o", "base", "--set", "a=b"], "--set a=b: write"),
        (["-d", "demo", "-b", "lightgcn", "-o", "base", "--space", "none.yaml"], "none.yaml is missing"),
        (["-d", "demo", "-b", "lightgcn", "-o", "base", "--format", "html"], "format 'html' is unknown"),
    ],
)
def test_mistakes_are_refused_before_anything_is_trained(
    small: Layout, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    assert run(["sweep", *words]) == 1
    assert sentence in capsys.readouterr().err


def test_a_ledger_that_is_not_there_is_named_with_the_command_that_makes_it(
    small: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["table", "tuning"]) == 1
    assert "repro sweep --dataset demo" in capsys.readouterr().err


@pytest.mark.slow
def test_a_sweep_from_the_command_line_forbids_test_and_writes_cell_and_ledger(small: Layout) -> None:
    """The whole command in a process of its own, on data that DVC prepared; the table goes to stdout."""
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q", "--no-scm"], cwd=small.root, check=True)
    for folder in ("repro", "irllrec"):
        (small.root / folder).symlink_to(ROOT / folder)
    (small.root / "runs" / "demo").mkdir(parents=True)
    program = (
        "import sys; from repro.cli import run; from repro.layout import Layout\n"
        "code = run(sys.argv[1:])\n"
        "try: (Layout.find().prepared('demo') / 'test.npz').read_bytes()\n"
        "except Exception as error: print(error, file=sys.stderr)\n"
        "sys.exit(code)"
    )
    words = ["sweep", "-d", "demo", "-b", "lightgcn", "-o", "base", "--trials", "2", "--format", "csv"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("REPRO_VERBOSITY")
    done = subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=small.root,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert sorted(row["chosen"] for row in rows) == ["", "yes"]
    assert "2 of 2, all done" in done.stderr
    assert "test.npz is held-out data" in done.stderr
    assert load_params(small.params).cells[METHOD.key].settings == "tuned (2 trials)"
    assert len(read_ledger(ledger_path(small, "demo", "lightgcn", "base"))) == 2
