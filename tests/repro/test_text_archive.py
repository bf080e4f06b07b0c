"""RLMRec's text archive, from a real local server that behaves well and badly, and from folders."""

import copy
import functools
import io
import json
import pickle
import re
import shutil
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import yaml

from irllrec.data.auditing import FAILED, audit
from irllrec.data.cards import card_rows
from irllrec.data.raw import read_manifest, read_texts, read_vectors
from irllrec.data.storage import read_json, write_json
from irllrec.errors import DataError, UnsafePickleError
from repro import download, text_archive
from repro.cli import run
from repro.errors import ReproError
from repro.fetching import Fetched, fetch
from repro.grid import add_dataset
from repro.layout import Layout
from repro.params import load_params
from repro.sources import SourceFile, load_sources, verify
from repro.stages.prepare import prepare_dataset
from tests.range_server import Server, serving

ROOT = Path(__file__).resolve().parents[2]
USERS, ITEMS, DIMENSION = 4, 3, 5
PAIRS = {"train": ([0, 1, 2, 3], [0, 1, 2, 0]), "valid": ([0, 1], [1, 2]), "test": ([2, 3], [0, 1])}


def _profiles(role: str, count: int) -> dict[int, dict[str, str]]:
    return {node: {"profile": f"{role} {node} likes x", "reasoning": "because"} for node in range(count)}


def _vectors(count: int) -> Any:
    return np.arange(count * DIMENSION, dtype=np.float64).reshape(count, DIMENSION) / 8


def _members(folder: str = "data/amazon") -> dict[str, bytes]:
    """Return what the archive holds of one data set, and other things beside it."""
    values = {
        "usr_prf.pkl": _profiles("user", USERS),
        "itm_prf.pkl": _profiles("item", ITEMS),
        "usr_emb_np.pkl": _vectors(USERS),
        "itm_emb_np.pkl": -_vectors(ITEMS),
    }
    own = {f"{folder}/{name}": pickle.dumps(value, protocol=4) for name, value in values.items()}
    noise = np.random.default_rng(3).bytes(100_000)
    return {
        "data/yelp/usr_emb_np.pkl": noise,
        **own,
        "data/steam/usr_prf.pkl": noise,
        "data/read_me.md": b"x",
    }


def _zip(members: dict[str, bytes], *, stored: tuple[str, ...] = (), comment: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            packing = zipfile.ZIP_STORED if name.endswith(stored) and stored else zipfile.ZIP_DEFLATED
            archive.writestr(zipfile.ZipInfo(name), content, compress_type=packing)
        archive.comment = comment
    return buffer.getvalue()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "FIRST_WAIT_SECONDS", 0.001)
    with serving() as behaviour:
        yield behaviour


@dataclass
class Project:
    """A checkout whose amazon is small, and a mirror folder with its matrices."""

    layout: Layout
    mirror: Path
    sources: dict[str, Any]

    @property
    def raw(self) -> Path:
        return self.layout.raw("amazon")

    @property
    def partial(self) -> Path:
        return self.raw.parent / ".amazon.partial"

    def publish(self, content: bytes, server: Server | None = None, *, pinned: int | None = None) -> None:
        """Make ``content`` the archive, of the size that data/sources.yaml then pins."""
        if server is not None:
            server.content = content
        else:
            (self.mirror / "archive").mkdir(exist_ok=True)
            (self.mirror / "archive" / "data.zip").write_bytes(content)
        archive = self.sources["archives"]["rlmrec-text"]
        archive["file"]["bytes"] = len(content) if pinned is None else pinned
        self.layout.sources.write_text(json.dumps(self.sources))

    def unpack(self, members: dict[str, bytes]) -> Path:
        folder = self.mirror / "archive" / "amazon"
        folder.mkdir(parents=True)
        for name, content in members.items():
            if name.startswith("data/amazon/"):
                (folder / name.rpartition("/")[2]).write_bytes(content)
        return folder

    def fetch_matrices(self) -> Fetched:
        return fetch(self.layout, "amazon", str(self.mirror))

    def fetch(self, mirror: str | None = None, *, replace: bool = False) -> Fetched:
        """Fetch the text into the matrices, which are here unless they are to be replaced."""
        return fetch(self.layout, "amazon", mirror or str(self.mirror), text=True, replace=replace)

    def refuse(self, *words: str, mirror: str | None = None, replace: bool = False) -> None:
        """Check that a fetch is refused with one sentence of these words, and changes nothing."""
        before = read_manifest(self.raw) if self.raw.exists() else None
        with pytest.raises((DataError, ReproError)) as caught:
            self.fetch(mirror, replace=replace)
        sentence = str(caught.value)
        assert "\n" not in sentence
        assert [word for word in words if word not in sentence] == [], sentence
        assert (read_manifest(self.raw) if self.raw.exists() else None) == before


@functools.cache
def _listed() -> dict[str, Any]:
    listed: dict[str, Any] = yaml.safe_load((ROOT / "data" / "sources.yaml").read_text())
    return listed


@pytest.fixture
def project(checkout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setenv("REPRO_ROOT", str(checkout.root))
    monkeypatch.setenv("REPRO_VERBOSITY", "quiet")
    (checkout.root / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc" / "config", checkout.root / ".dvc" / "config")
    listed = copy.deepcopy(_listed())
    del listed["datasets"]["yelp"], listed["datasets"]["steam"]
    folder = tmp_path / "mirror" / "rlmrec" / "amazon"
    folder.mkdir(parents=True)
    entry = listed["datasets"]["amazon"]
    entry["shape"] = {"users": USERS, "items": ITEMS, "train": 4, "valid": 2, "test": 2}
    for split, (rows, columns) in PAIRS.items():
        path = folder / entry["files"][split]["name"]
        matrix = scipy.sparse.coo_matrix((np.ones(len(rows)), (rows, columns)), shape=(USERS, ITEMS))
        path.write_bytes(pickle.dumps(matrix))
        loose = SourceFile(name=path.name, what="a test")
        entry["files"][split] = {"name": path.name, "what": "a test", **verify(path, loose, path.name)}
    listed["archives"]["rlmrec-text"]["dimension"] = DIMENSION
    checkout.sources.write_text(json.dumps(listed))
    return Project(checkout, tmp_path / "mirror", listed)


@pytest.fixture
def fetched(project: Project) -> Project:
    """The project with amazon's matrices in place."""
    project.fetch_matrices()
    return project


def _check_content(project: Project) -> None:
    """Check that the raw folder holds the profiles and vectors of ``_members``."""
    texts = [(text.role, text.id, text.kind, text.text) for text in read_texts(project.raw)]
    assert texts == [("user", node, "profile", f"user {node} likes x") for node in range(USERS)] + [
        ("item", node, "profile", f"item {node} likes x") for node in range(ITEMS)
    ]
    vectors = read_vectors(project.raw)
    assert vectors is not None
    assert {name: array.dtype.name for name, array in vectors.items()} == {
        "user_id": "int64",
        "user": "float32",
        "item_id": "int64",
        "item": "float32",
    }
    np.testing.assert_array_equal(vectors["user"], _vectors(USERS))
    np.testing.assert_array_equal(vectors["item"], -_vectors(ITEMS))


def test_only_the_members_of_the_data_set_are_downloaded(fetched: Project, server: Server) -> None:
    """Its four members have under 2 kB, the others 200 kB; the directory is read with the last 64 KiB."""
    fetched.publish(_zip(_members()), server)
    fetched.fetch(server.url)
    _check_content(fetched)
    assert len(server.content) > 200_000
    assert server.bytes_sent < 64 * 1024 + 4 * 1200 + 2000
    assert len(server.ranges) == 1 + 2 * 4
    assert not fetched.partial.exists()


@pytest.mark.parametrize("folder", ["amazon", "data/amazon", "a/b/amazon"])
def test_the_data_sets_may_lie_in_any_folder_of_the_archive(
    folder: str, fetched: Project, server: Server
) -> None:
    fetched.publish(_zip(_members(folder), stored=("_np.pkl",), comment=b"made by hand"), server)
    fetched.fetch(server.url)
    _check_content(fetched)


def test_text_fetched_with_the_matrices_or_added_to_them_makes_the_same_files(project: Project) -> None:
    members = _members()
    project.publish(_zip(members))
    project.fetch()
    at_once = read_manifest(project.raw)
    shutil.rmtree(project.raw)
    project.fetch_matrices()
    assert project.fetch().added
    assert read_manifest(project.raw) == at_once
    shutil.rmtree(project.raw)
    project.unpack(members)
    project.fetch()
    assert read_manifest(project.raw) == at_once
    source = at_once["text_source"]
    assert source["pins"] == "size of the archive pinned; sha256 recorded at first fetch, not pinned"
    assert source["files"]["user_profiles"]["path"] == "archive/amazon/usr_prf.pkl"
    assert source["without_profile"] == {"users": 0, "items": 0}


def test_the_text_is_prepared_carded_and_audited_as_an_import_is(fetched: Project) -> None:
    members = _members()
    profiles = _profiles("user", USERS)
    del profiles[3]
    members["data/amazon/usr_prf.pkl"] = pickle.dumps(profiles)
    fetched.publish(_zip(members))
    found = fetched.fetch()
    assert found.remarks == ["1 of 4 users have no profile: their summaries are extractive."]
    text = {"summarizer": "upstream", "embedder": "vectors"}
    entry = {"origin": "fetched", "split": {"how": "given"}, "seeds": [1], "text": text}
    add_dataset(fetched.layout, "amazon", entry)
    prepare_dataset(fetched.layout, "amazon")
    folder = fetched.layout.prepared("amazon")
    rows = dict(card_rows(read_json(folder / "card.json")))
    assert rows["users with text"] == "3 (75.0%): profile 3"
    assert rows["items with text"] == "3 (100.0%): profile 3"
    with np.load(folder / "vectors.npz") as vectors:
        for kind in ("profile", "intent"):
            np.testing.assert_array_equal(vectors[f"user_{kind}"], _vectors(USERS))
            np.testing.assert_array_equal(vectors[f"item_{kind}"], -_vectors(ITEMS))
    assert [check for check in audit(fetched.raw, folder) if check.outcome == FAILED] == []


def test_the_command_adds_the_text_and_its_cells_and_keeps_what_was_set(
    fetched: Project, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {"origin": "fetched", "split": {"how": "given"}, "seeds": [7, 8], "training": {"batch_size": 64}}
    add_dataset(fetched.layout, "amazon", own, published=True)
    fetched.publish(_zip(_members()), server)
    assert run(["data", "fetch", "amazon", "--text", "--from", server.url]) == 0
    printed = capsys.readouterr().out
    assert re.search(
        r"user profiles: archive/amazon/usr_prf\.pkl, .* sha256 .*: recorded, not pinned", printed
    )
    assert "8 interactions, 7 texts; in the grid: amazon-lightgcn-base" in printed
    params = load_params(fetched.layout.params)
    dataset = params.datasets["amazon"]
    assert (dataset.seeds, dataset.training) == ((7, 8), {"batch_size": 64})
    assert dataset.text is not None
    assert (dataset.text.summarizer, dataset.text.embedder) == ("upstream", "vectors")
    cells = {cell.variant: cell.settings for cell in params.cells.values() if cell.dataset == "amazon"}
    assert set(cells) == {"base", "rlmrec-con", "rlmrec-gen", "irllrec"}
    assert cells["irllrec"] == "published"
    assert run(["data", "list", "--format", "json"]) == 0
    rows = {row["dataset"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert rows["amazon"]["here"] == "verified, with text"


def test_the_matrices_alone_come_as_before(project: Project) -> None:
    assert not project.fetch_matrices().text
    assert read_manifest(project.raw)["counts"]["texts"] == 0
    assert sorted(path.name for path in project.raw.iterdir()) == ["interactions.parquet", "manifest.json"]


def test_movie_has_no_published_text(project: Project) -> None:
    with pytest.raises(ReproError, match=r"movie has no published text archive, only amazon, yelp, steam"):
        fetch(project.layout, "movie", str(project.mirror), text=True)
    assert not project.raw.parent.exists()


def test_a_second_command_goes_on_where_the_first_was_cut(fetched: Project, server: Server) -> None:
    members = _members()
    members["data/amazon/itm_emb_np.pkl"] += np.random.default_rng(5).bytes(600_000)  # behind the STOP
    fetched.publish(_zip(members), server)
    server.break_after, server.breaks = 100_000, 50
    fetched.refuse("could not be read in 5 attempts", "it goes on where it stopped", mirror=server.url)
    assert (
        sorted(path.name for path in fetched.partial.iterdir())
        == [
            "itm_prf.pkl",
            "usr_emb_np.pkl",
            "usr_prf.pkl",
        ]
        or (fetched.partial / "itm_emb_np.pkl.part").is_file()
    )
    part = (fetched.partial / "itm_emb_np.pkl.part").stat().st_size
    server.breaks, server.bytes_sent = 0, 0
    fetched.fetch(server.url)
    _check_content(fetched)
    assert part == 500_000
    assert server.bytes_sent < 600_000 - part + 64 * 1024 + 6000


def test_a_server_without_ranges_sends_the_whole_archive(
    fetched: Project, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REPRO_VERBOSITY", "normal")
    fetched.publish(_zip(_members()), server)
    server.honours_range = False
    fetched.fetch(server.url)
    _check_content(fetched)
    assert "comes as a whole only: all 0.2 MB are downloaded" in capsys.readouterr().err
    assert not fetched.partial.exists()


@pytest.mark.parametrize("more", [1, -1, 10_000_000, -100_000])
def test_an_archive_of_another_size_is_refused(more: int, fetched: Project, server: Server) -> None:
    content = _zip(_members())
    fetched.publish(content, server, pinned=len(content) + more)
    words = (f"it has {len(content):,} bytes instead of {len(content) + more:,}", "data/sources.yaml")
    fetched.refuse(*words, mirror=server.url)
    fetched.publish(content, pinned=len(content) + more)
    fetched.refuse("data.zip is refused", *words)


def test_a_missing_archive_is_named_with_the_way_it_should_lie(fetched: Project, server: Server) -> None:
    fetched.refuse("cannot be read, the server answered 404", "--from", mirror=f"{server.url}/nothing")
    fetched.refuse("archive/data.zip is missing, and so is archive/amazon/usr_prf.pkl", "--from")


def test_an_unpacked_mirror_must_be_whole_and_not_too_large(
    fetched: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = fetched.unpack(_members())
    monkeypatch.setattr(text_archive, "PROFILES_LIMIT", 10)
    fetched.refuse("usr_prf.pkl is refused: it has", "more than the 10 that it may have")
    (folder / "itm_emb_np.pkl").unlink()
    fetched.refuse("itm_emb_np.pkl is missing beside others")


def test_a_file_that_differs_from_the_recorded_one_is_refused(project: Project) -> None:
    project.publish(_zip(_members()))
    project.fetch()
    again = project.fetch(replace=True)
    assert again.lines[-1].endswith("as recorded at the first fetch, not pinned")
    members = _members()
    members["data/amazon/itm_prf.pkl"] = pickle.dumps(_profiles("other", ITEMS))
    project.publish(_zip(members))
    words = ("archive/amazon/itm_prf.pkl is refused", "the first fetch recorded", "remove data/raw/amazon")
    project.refuse(*words, replace=True)
    project.refuse("has its text already: add --replace")
    shutil.rmtree(project.raw)
    project.fetch()
    assert read_texts(project.raw)[-1].text == "other 2 likes x"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"origin": "imported"}, "does not hold the published matrices"),
        ({"user_count": 5}, "does not hold the published matrices"),
        ({"files": {"interactions.parquet": "0" * 64}}, "interactions.parquet was changed after it was made"),
        ({"files": {"gone.parquet": "0" * 64}}, "gone.parquet was changed"),
    ],
)
def test_text_is_added_to_the_published_matrices_only(
    change: dict[str, Any], words: str, fetched: Project
) -> None:
    fetched.publish(_zip(_members()))
    write_json(fetched.raw / "manifest.json", read_manifest(fetched.raw) | change)
    fetched.refuse(words, "--replace")


def _with(name: str, content: bytes) -> dict[str, bytes]:
    return {**_members(), f"data/amazon/{name}": content}


@pytest.mark.parametrize(
    ("members", "words"),
    [
        (_with("usr_emb_np.pkl", pickle.dumps(_vectors(USERS + 1))), "shape 5 x 5, but the matrices have 4"),
        (_with("itm_emb_np.pkl", pickle.dumps(np.ones((ITEMS, 2)))), "shape 3 x 2, but the matrices have 3"),
        (_with("itm_prf.pkl", pickle.dumps(_profiles("i", 4))), "of item 3, but the matrices have items 0"),
        (_with("usr_prf.pkl", pickle.dumps({0: {"profile": ""}})), "no profile for any of the 4 users"),
        (_with("usr_prf.pkl", b"cposix\nsystem\n(Vfalse\ntR."), "posix.system"),
        (_with("usr_prf.pkl", b"\x80\x04"), "truncated or malformed"),
    ],
)
def test_content_that_does_not_fit_the_matrices_is_refused(
    members: dict[str, bytes], words: str, fetched: Project
) -> None:
    fetched.publish(_zip(members))
    fetched.refuse(words)


def test_a_hostile_member_executes_nothing(fetched: Project, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    hostile = b"cposix\nsystem\n(Vtouch " + str(canary).encode() + b"\ntR."
    fetched.publish(_zip(_with("itm_emb_np.pkl", hostile)))
    with pytest.raises(UnsafePickleError, match="nothing of it was executed"):
        fetched.fetch()
    assert not canary.exists()


def test_a_member_that_is_missing_or_double_is_refused_with_what_is_there(fetched: Project) -> None:
    members = _members()
    del members["data/amazon/itm_prf.pkl"]
    fetched.publish(_zip(members))
    fetched.refuse("has no members that end in 'amazon/itm_prf.pkl'", "data/yelp/usr_emb_np.pkl")
    fetched.publish(_zip({**_members(), "old/amazon/itm_prf.pkl": b"x"}))
    fetched.refuse("has 2 members that end in", "it holds data/amazon/itm_prf.pkl, old/amazon/itm_prf.pkl")
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w") as archive:
        warnings.simplefilter("ignore")
        for name in [*_members(), "data/amazon/usr_prf.pkl"]:
            archive.writestr(name, b"x")
    fetched.publish(buffer.getvalue())
    fetched.refuse("has 2 members that end in 'amazon/usr_prf.pkl'")
    fetched.publish(_zip({f"f{number}": b"" for number in range(40)}))
    fetched.refuse("f0, f1, ", " and 28 more")
    fetched.publish(_zip({}))
    fetched.refuse("it holds nothing")


def test_the_archive_of_the_list_is_the_published_one() -> None:
    sources = load_sources(ROOT / "data" / "sources.yaml")
    key, archive = sources.text_archive("steam")
    assert key == "rlmrec-text"
    assert sources.archive_url(archive) == "https://archive.org/download/rlmrec_data/data.zip"
    assert (archive.size, archive.dimension) == (475_035_502, 1536)
    assert archive.path == "archive/data.zip"
    assert archive.member_path("yelp", archive.members.item_vectors) == "archive/yelp/itm_emb_np.pkl"


@pytest.mark.slow
def test_of_a_hundred_megabytes_only_the_needed_ones_are_sent(fetched: Project, server: Server) -> None:
    """The directory comes with the last 64 KiB, each of the four members with up to 1,054 bytes of its header."""
    noise = np.random.default_rng(6).bytes(50_000_000)
    own = {name: content for name, content in _members().items() if "/amazon/" in name}
    content = _zip(
        {"data/yelp/usr_emb_np.pkl": noise, **own, "data/steam/usr_emb_np.pkl": noise}, stored=(".pkl",)
    )
    fetched.publish(content, server)
    fetched.fetch(server.url)
    _check_content(fetched)
    assert len(content) > 100_000_000
    assert server.bytes_sent == 65_536 + 4 * 1_054 + sum(len(member) for member in own.values())
