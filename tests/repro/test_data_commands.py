"""`repro data` as a user meets it: exit codes, one sentence, and real data where they are."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import yaml

from irllrec.data.prepared import load_split, load_texts
from irllrec.data.storage import read_json
from repro.cli import run
from repro.grid import add_dataset
from repro.importing import ImportRequest, import_dataset
from repro.layout import Layout
from repro.params import load_params
from repro.sources import SourceFile, verify
from repro.stages.prepare import prepare_dataset

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT / ".." / "shared" / "data"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the folder shared is not beside the checkout")

CLICKS = "user_id,item_id\n" + "".join(
    f"u{user},{(user * 3 + step) % 9}\n" for user in range(12) for step in range(6)
)


def _write(folder: Path, name: str, content: str) -> str:
    (folder / name).write_text(content, encoding="utf-8")
    return str(folder / name)


def _refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert run(["data", *words]) == 1
    sentence = capsys.readouterr().err
    assert sentence.count("\n") == 1, sentence
    return sentence


def _publish(project: Layout, mirror: Path, contents: dict[str, bytes]) -> None:
    """Put a data set called movie into a mirror and its true pins into data/sources.yaml."""
    folder = mirror / "irllrec" / "movie"
    folder.mkdir(parents=True)
    listed = yaml.safe_load(project.sources.read_text())
    entry = listed["datasets"]["movie"]
    entry["shape"] = {"users": 4, "items": 3, "train": 4, "valid": 2, "test": 2}
    for split, name in (("train", "trn_mat.pkl"), ("valid", "val_mat.pkl"), ("test", "tst_mat.pkl")):
        (folder / name).write_bytes(contents[split])
        loose = SourceFile(name=name, what="a test")
        entry["files"][split] = {"name": name, "what": "a test", **verify(folder / name, loose, name)}
    project.sources.write_text(yaml.safe_dump(listed))


def _matrices() -> dict[str, bytes]:
    cells = {
        "train": ([0, 1, 2, 3], [0, 1, 2, 0]),
        "valid": ([0, 1], [1, 2]),
        "test": ([2, 3], [0, 1]),
    }
    return {
        split: pickle.dumps(scipy.sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(4, 3)))
        for split, (rows, columns) in cells.items()
    }


def test_a_published_data_set_is_fetched_pinned_and_enters_the_grid(
    project: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _publish(project, tmp_path / "mirror", _matrices())
    assert run(["data", "fetch", "movie", "--from", str(tmp_path / "mirror")]) == 0
    assert "4 users, 3 items, 8 interactions" in capsys.readouterr().out
    params = load_params(project.params)
    assert params.datasets["movie"].seeds == (2023, 2024, 2025)
    assert "movie-lightgcn-base" in params.cells
    assert (project.raw("movie").parent / "movie.dvc").is_file()
    assert not (project.raw("movie").parent / ".movie.partial").exists()
    assert read_json(project.raw("movie") / "manifest.json")["index"] == "identity"
    prepare_dataset(project, "movie")
    test = load_split(project.prepared("movie"), "test")
    assert (test.users.tolist(), test.items.tolist()) == ([2, 3], [0, 1])
    assert run(["data", "list", "--format", "json"]) == 0
    rows = {row["dataset"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert (rows["movie"]["here"], rows["movie"]["in the grid"]) == ("verified", "yes")
    assert (rows["amazon"]["here"], rows["amazon"]["in the grid"]) == ("no", "no")


def test_a_hostile_pickle_behind_true_pins_is_refused_and_never_placed(
    project: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    canary = tmp_path / "canary"
    contents = _matrices() | {"test": b"cposix\nsystem\n(Vtouch " + str(canary).encode() + b"\ntR."}
    _publish(project, tmp_path / "mirror", contents)
    sentence = _refused(capsys, "fetch", "movie", "--from", str(tmp_path / "mirror"))
    assert "posix.system" in sentence
    assert "nothing of it was executed" in sentence
    assert not canary.exists()
    assert not project.raw("movie").exists()
    assert "movie" not in load_params(project.params).datasets


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda content: content[:-10], "bytes instead of"),
        (lambda content: content[:-1] + b"!", "altered"),
    ],
)
def test_a_short_or_altered_file_is_refused_and_named(
    change: Any, words: str, project: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _publish(project, tmp_path / "mirror", _matrices())
    bad = tmp_path / "mirror" / "irllrec" / "movie" / "val_mat.pkl"
    bad.write_bytes(change(bad.read_bytes()))
    sentence = _refused(capsys, "fetch", "movie", "--from", str(tmp_path / "mirror"))
    assert "val_mat.pkl is refused" in sentence
    assert words in sentence
    assert not project.raw("movie").exists()


def test_matrices_that_share_a_pair_are_refused(
    project: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    contents = _matrices()
    shared = scipy.sparse.coo_matrix((np.ones(2), ([0, 1], [0, 2])), shape=(4, 3))
    _publish(project, tmp_path / "mirror", contents | {"test": pickle.dumps(shared)})
    sentence = _refused(capsys, "fetch", "movie", "--from", str(tmp_path / "mirror"))
    assert "a pair stands in two" in sentence


def test_text_decides_which_cells_an_imported_data_set_gets(
    project: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clicks = _write(tmp_path, "clicks.csv", CLICKS)
    items = _write(
        tmp_path, "items.jsonl", "".join(f'{{"item_id": {n}, "title": "T{n}"}}\n' for n in range(9))
    )
    bare = import_dataset(project, ImportRequest("bare", Path(clicks)))
    add_dataset(project, "bare", bare.entry)
    assert (
        run(["data", "import", "told", "--interactions", clicks, "--item-text", items, "--seeds", "1,2"]) == 0
    )
    params = load_params(project.params)
    assert params.datasets["bare"].text is None
    told = params.datasets["told"]
    assert told.text is not None
    assert (told.text.summarizer, told.text.embedder, told.seeds) == ("extractive", "lsa", (1, 2))
    assert told.text.summaries_from == "data/prepared/told/text.parquet"
    assert told.text.vectors_from == "data/text/told/summaries.jsonl"
    variants = {
        name: {cell.variant for cell in params.cells.values() if cell.dataset == name}
        for name in ("bare", "told")
    }
    assert variants == {"bare": {"base"}, "told": {"base", "rlmrec-con", "rlmrec-gen", "irllrec"}}
    assert "users" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (
            "user_id,item_id,split\n1,1,train\n1,2,test\n2,2,test\n",
            [],
            "clicks.csv: user 2 has held-out items",
        ),
        (CLICKS, ["--split", "given"], "clicks.csv has no column 'split'"),
        (CLICKS, ["--split", "time"], "clicks.csv has no column 'timestamp'"),
        (CLICKS, ["--split", "random"], "--split is 'random': use given, ratio, time"),
        (CLICKS, ["--ratio", "3:1"], "--ratio is '3:1': give three numbers"),
        (CLICKS, ["--ratio", "0:1:1"], "train above 0"),
        (CLICKS, ["--seeds", "one"], "--seeds is 'one'"),
        (CLICKS, ["--user-vectors", "v.npz"], "--user-vectors and --item-vectors go together"),
        (CLICKS, ["--vectors", "v.npz"], "v.npz is missing"),
        (CLICKS, ["--item-text", "t.jsonl"], "t.jsonl is missing"),
        (CLICKS, ["--user-column", "who"], "no column 'who'"),
    ],
)
def test_a_bad_import_is_one_sentence_and_leaves_nothing(
    content: str,
    options: list[str],
    words: str,
    project: Layout,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = project.params.read_text()
    clicks = _write(tmp_path, "clicks.csv", content)
    assert words in _refused(capsys, "import", "shop", "--interactions", clicks, *options)
    assert project.params.read_text() == before
    raw = project.raw("shop").parent
    assert not raw.exists() or list(raw.iterdir()) == []


def test_names_that_cannot_be_used_are_refused(
    project: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clicks = _write(tmp_path, "clicks.csv", CLICKS)
    assert "single hyphens" in _refused(capsys, "import", "../out", "--interactions", clicks)
    assert "embedded data set" in _refused(capsys, "import", "demo", "--interactions", clicks)
    assert "no published data set 'netflix'" in _refused(capsys, "fetch", "netflix")
    assert "no data set 'netflix'" in _refused(capsys, "audit", "netflix")
    assert "give an http(s) URL" in _refused(capsys, "fetch", "amazon", "--from", "ftp://host")


def test_an_existing_data_set_is_replaced_only_on_request(
    project: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clicks = _write(tmp_path, "clicks.csv", CLICKS)
    import_dataset(project, ImportRequest("shop", Path(clicks)))
    assert "--replace" in _refused(capsys, "import", "shop", "--interactions", clicks)
    other = _write(tmp_path, "other.csv", CLICKS + "u99,1\n")
    assert run(["data", "import", "shop", "--interactions", other, "--replace", "--ratio", "8:1:1"]) == 0
    assert load_params(project.params).datasets["shop"].split.ratio == (8, 1, 1)
    assert read_json(project.raw("shop") / "manifest.json")["counts"]["users"] == 13


def test_a_failed_audit_prints_every_check_and_exits_with_one(
    project: Layout, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clicks = Path(_write(tmp_path, "clicks.csv", CLICKS))
    add_dataset(project, "shop", import_dataset(project, ImportRequest("shop", clicks)).entry)
    prepare_dataset(project, "shop")
    assert run(["data", "audit", "shop", "--format", "csv"]) == 0
    assert "failed" not in capsys.readouterr().out
    train = project.prepared("shop") / "train.npz"
    shutil.copy(project.prepared("shop") / "test.npz", train)
    assert run(["data", "audit", "shop", "--format", "csv"]) == 1
    printed = capsys.readouterr()
    assert "no pair stands in two parts,failed" in printed.out
    assert printed.err.count("\n") == 1


@pytest.mark.parametrize("command", ["list", "fetch", "import", "card", "audit"])
def test_every_help_holds_a_worked_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", command, "--help"]) == 0
    assert f"repro data {command}" in capsys.readouterr().out.split("Example:")[1]


@pytest.mark.real_data
@needs_shared
@pytest.mark.parametrize(
    ("name", "mirror", "counts"),
    [
        ("amazon", "mirror", {"train": 120_464, "valid": 40_290, "test": 40_106}),
        ("yelp", "mirror/rlmrec", {"train": 166_620, "valid": 55_479, "test": 55_436}),
    ],
)
def test_the_published_splits_have_their_published_counts(
    name: str, mirror: str, counts: dict[str, int], project: Layout
) -> None:
    assert run(["data", "fetch", name, "--from", str(SHARED / mirror)]) == 0
    prepare_dataset(project, name)
    card = read_json(project.prepared(name) / "card.json")
    assert {split: part["interactions"] for split, part in card["splits"].items()} == counts
    assert card["cold"]["test"] == {"users": 0, "items": 0, "interactions_with_cold_item": 0}
    assert run(["data", "audit", name]) == 0


@pytest.mark.real_data
@needs_shared
def test_real_profiles_and_vectors_are_imported_with_their_split(project: Layout) -> None:
    folder = SHARED / "xrec-yelp"
    words = [
        "--user-text",
        str(folder / "user_profiles.jsonl"),
        "--item-text",
        str(folder / "item_profiles.jsonl"),
    ]
    given = [
        "--interactions",
        str(folder / "interactions_split.csv"),
        "--vectors",
        str(folder / "text_vectors.npz"),
    ]
    assert run(["data", "import", "xrec", *given, *words]) == 0
    prepare_dataset(project, "xrec")
    card = read_json(project.prepared("xrec") / "card.json")
    assert (card["users"], card["items"]) == (2228, 2473)
    assert [card["splits"][split]["interactions"] for split in ("train", "valid", "test")] == [
        21034,
        7067,
        6972,
    ]
    assert card["vectors"]["user_profile"] == [2228, 384]
    text = load_params(project.params).datasets["xrec"].text
    assert text is not None
    assert (text.summarizer, text.embedder) == ("upstream", "vectors")
    vectors = np.load(project.prepared("xrec") / "vectors.npz")
    source = np.load(folder / "text_vectors.npz")
    np.testing.assert_array_equal(vectors["item_profile"], source["item"].astype(np.float32))
    assert run(["data", "audit", "xrec"]) == 0


@pytest.mark.real_data
@needs_shared
@pytest.mark.parametrize(
    ("folder", "sizes", "options"),
    [
        ("xrec-yelp", (2228, 2473, 35_073), []),
        ("steam-part", (23_268, 5_231, 209_732), ["--item-text", "item_metadata.jsonl", "--skip-unknown"]),
    ],
)
def test_real_clicks_without_a_split_get_one(
    folder: str, sizes: tuple[int, int, int], options: list[str], project: Layout
) -> None:
    words = [str(SHARED / folder / word) if word.endswith(".jsonl") else word for word in options]
    clicks = str(SHARED / folder / "interactions.csv")
    assert run(["data", "import", "real", "--interactions", clicks, *words]) == 0
    prepare_dataset(project, "real")
    card = read_json(project.prepared("real") / "card.json")
    assert (card["users"], card["items"], card["interactions"]) == sizes
    shares = [card["splits"][part]["interactions"] / sizes[2] for part in ("train", "valid", "test")]
    assert shares == pytest.approx([0.6, 0.2, 0.2], abs=0.003)
    assert card["cold"]["test"] == {"users": 0, "items": 0, "interactions_with_cold_item": 0}
    if options:
        assert "Gunspell - Steam Edition" in {text.text for text in load_texts(project.prepared("real"))}
    assert run(["data", "audit", "real"]) == 0


@pytest.mark.real_data
@needs_shared
def test_an_id_of_the_metadata_that_nobody_clicked_is_named(
    project: Layout, capsys: pytest.CaptureFixture[str]
) -> None:
    clicks, items = SHARED / "steam-part" / "interactions.csv", SHARED / "steam-part" / "item_metadata.jsonl"
    sentence = _refused(capsys, "import", "real", "--interactions", str(clicks), "--item-text", str(items))
    assert "item_metadata.jsonl, line 819: item_id 818 is in no interaction" in sentence
