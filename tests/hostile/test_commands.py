"""Hostile files through the commands a user types: exit code 1, one printable line, nothing written, nothing run."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from repro.cli import run
from repro.layout import Layout
from repro.printing import one_line
from repro.sources import SourceFile, verify
from tests.hostile import files, pickles

ROOT = Path(__file__).resolve().parents[2]
CLICKS = "user_id,item_id\n" + "".join(
    f"u{user},{(user * 3 + step) % 9}\n" for user in range(12) for step in range(6)
)
EXECUTING = (
    "os.system, protocol 0", "subprocess, protocol 4", "eval, protocol 2", "numpy.load", "STACK_GLOBAL", "NEWOBJ_EX",
    "hidden in the matrix", "array of objects", "BUILD with a __setstate__ of one's own", "behind an honest matrix",
)  # fmt: skip


def some(*labels: str) -> list[object]:
    """Return labels as parameters: the first two for every run, the others for the slow one."""
    return [*labels[:2], *(pytest.param(label, marks=pytest.mark.slow) for label in labels[2:])]


@pytest.fixture
def project(project: Layout) -> Layout:
    """The project with its claims."""
    shutil.copy(ROOT / "claims.yaml", project.claims)
    return project


def refusal(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Run a command that must end with 1 and one printable line on stderr, and return that line."""
    assert run(list(words)) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    sentence = printed.err.removesuffix("\n")
    assert sentence == one_line(sentence) and sentence
    return sentence


def imported(project: Layout) -> list[str]:
    """Return what lies below data/raw."""
    folder = project.root / "data" / "raw"
    return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize("label", some(*EXECUTING))
def test_a_malicious_pickle_behind_true_pins_is_refused_by_fetch(
    label: str, project: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    canary, folder = tmp_path / "canary", tmp_path / "mirror" / "irllrec" / "movie"
    folder.mkdir(parents=True)
    listed = yaml.safe_load(project.sources.read_text())
    for split, name in (("train", "trn_mat.pkl"), ("valid", "val_mat.pkl"), ("test", "tst_mat.pkl")):
        (folder / name).write_bytes(pickles.executing(canary)[label])
        pins = verify(folder / name, SourceFile(name=name, what="a test"), name)
        listed["datasets"]["movie"]["files"][split] = {"name": name, "what": "a test", **pins}
    project.sources.write_text(yaml.safe_dump(listed))
    sentence = refusal(capsys, "data", "fetch", "movie", "--from", str(tmp_path / "mirror"))
    assert "trn_mat.pkl is refused, and nothing of it was executed" in sentence
    assert not canary.exists()
    assert "movie" not in imported(project)


@pytest.mark.parametrize(
    "label", some("objects", "a bomb", "exabytes", "a pickle alone", "code as header", "a size that lies")
)
def test_hostile_vectors_are_refused_by_import(
    label: str, project: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clicks, vectors = tmp_path / "clicks.csv", tmp_path / "v.npz"
    clicks.write_text(CLICKS)
    vectors.write_bytes(files.arrays()[label])
    sentence = refusal(
        capsys, "data", "import", "shop", "--interactions", str(clicks), "--vectors", str(vectors)
    )
    assert "v.npz" in sentence
    assert imported(project) == []


@pytest.mark.parametrize(
    "label",
    some(
        "NUL in an id",
        "a million equal columns",
        "a column name of megabytes",
        "escape sequences in an id",
        "escape sequences in the header",
        "a cell of megabytes",
        "no split",
        "UTF-16",
    ),
)
def test_hostile_clicks_are_refused_by_import(
    label: str, project: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clicks = tmp_path / "clicks.csv"
    clicks.write_bytes(files.delimited()[label])
    sentence = refusal(capsys, "data", "import", "shop", "--interactions", str(clicks))
    assert "clicks.csv" in sentence
    assert imported(project) == []


@pytest.mark.parametrize(
    "label", some("deep lists", "digits", "NaN", "half of a pair", "a key twice", "a key of megabytes")
)
def test_hostile_texts_are_refused_by_import(
    label: str, project: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clicks, texts = tmp_path / "clicks.csv", tmp_path / "texts.jsonl"
    clicks.write_text(CLICKS)
    texts.write_bytes(files.lines()[label])
    words = ["--interactions", str(clicks), "--item-text", str(texts)]
    assert "texts.jsonl, line 1" in refusal(capsys, "data", "import", "shop", *words)
    assert imported(project) == []


def test_escape_sequences_in_the_name_of_a_file_are_spelt_out(
    project: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clicks = tmp_path / "\x1b]52;c;eA==\x07\u202e\nclicks.csv"
    clicks.write_text("nothing\n")
    sentence = refusal(capsys, "data", "import", "shop", "--interactions", str(clicks))
    assert "⟨U+001B⟩]52;c;eA==⟨U+0007⟩⟨U+202E⟩ clicks.csv" in sentence


@pytest.mark.parametrize(
    "label",
    some("a billion laughs", "a call", "a key twice", "digits", "no such day", "deep by lines", "no UTF-8"),
)
@pytest.mark.parametrize("name", ["params.yaml", "claims.yaml"])
def test_hostile_settings_are_refused_by_every_command_that_reads_them(
    name: str, label: str, project: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.root / name).write_bytes(files.yamls()[label])
    sentence = refusal(capsys, "claims", "--no-run")
    assert f"{name} is not valid YAML: mend" in sentence
    assert not (project.root / "canary").exists()


@pytest.mark.parametrize(
    "label",
    some(
        "up", "absolute", "a link", "a bomb", "zip64 with a lie", "behind an honest one", "escape sequences"
    ),
)
def test_hostile_bundles_are_refused_by_check(
    label: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    monkeypatch.chdir(inside)
    bundle = tmp_path / "bundle.zip"
    bundle.write_bytes(files.archives()[label])
    assert "bundle.zip" in refusal(capsys, "bundle", "check", str(bundle))
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["bundle.zip", "inside"]


@pytest.mark.slow
def test_a_command_in_a_process_of_its_own_takes_little_memory_for_a_bomb(
    project: Layout, tmp_path: Path
) -> None:
    clicks, vectors = tmp_path / "clicks.csv", tmp_path / "v.npz"
    clicks.write_text(CLICKS)
    vectors.write_bytes(files.arrays()["a bomb"])
    code = (
        "import sys; from repro.cli import run; from repro.memory import peak_bytes; "
        f"code = run(['data', 'import', 'shop', '--interactions', {str(clicks)!r}, '--vectors', {str(vectors)!r}]); "
        "print(peak_bytes()); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    assert "it would unpack" in done.stderr and "Traceback" not in done.stderr
    assert int(done.stdout) < 400 << 20


@pytest.mark.slow
def test_an_honest_data_set_with_odd_names_is_imported_and_shown_safely(
    project: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Bidi marks and markup may stand in ids: they are kept as they are, and spelt out where they are printed."""
    clicks, texts = tmp_path / "clicks.csv", tmp_path / "texts.jsonl"
    clicks.write_text(CLICKS.replace("u3,", "[red]\u202eu3[/red],"), encoding="utf-8")
    texts.write_bytes(b'{"item_id": "8", "title": "\\u001b[31m<script>=1+1", "\\u001b]8;;x\\u0007": 1}\n')
    assert run(["data", "import", "shop", "--interactions", str(clicks), "--item-text", str(texts)]) == 0
    printed = capsys.readouterr()
    for line in (printed.out + printed.err).splitlines():
        assert line == one_line(line)
    assert "[red]\u202eu3[/red]" in user_ids_of(project)


def user_ids_of(project: Layout) -> list[str]:
    from irllrec.data.raw import read_table

    return list(read_table(project.raw("shop")).user_ids)


def test_words_of_a_command_line_and_tracebacks_are_spelt_out_as_well(
    project: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "\\x1b" in refusal(capsys, "data", "import", "shop", "--no-such-\x1b[2J")
    clicks = tmp_path / "\x1b[2J.csv"
    clicks.write_text("")
    assert run(["-v", "data", "import", "shop", "--interactions", str(clicks)]) == 1
    printed = capsys.readouterr().err
    assert "Traceback" in printed and "\x1b" not in printed
