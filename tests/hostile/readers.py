"""Every reader of bytes that this program did not write itself, as functions a fuzzer can call."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

from irllrec.errors import IrllrecError
from repro.errors import ReproError
from tests.hostile import seeds

ROOT = Path(__file__).resolve().parents[2]
LONGEST_SENTENCE = 2000


@dataclass(frozen=True)
class Reader:
    """One reader.

    Attributes:
        name: What it reads.
        file: The name of the file that the bytes are written to.
        read: Takes that file's path.
        seeds: Makes honest contents.
        expected: Errors of its own that a caller turns into a sentence.
    """

    name: str
    file: str
    read: Callable[[Path], object]
    seeds: Callable[[], list[bytes]]
    expected: tuple[type[BaseException], ...] = ()


def judge(reader: Reader, content: bytes, folder: Path) -> str | None:
    """Return what is wrong with how a content is read, None where it is read or refused in one sentence."""
    path = folder / reader.file
    path.write_bytes(content)
    try:
        reader.read(path)
    except (ReproError, IrllrecError) as error:
        return _badness(error)
    except reader.expected:
        return None
    except Exception as error:
        return f"{type(error).__name__} in {_place(error)}"
    return None


def _badness(error: BaseException) -> str | None:
    """Return what is wrong with the sentence that a user is told."""
    from repro.failures import explain
    from repro.printing import one_line

    sentence = explain(error, Path(os.devnull)).sentence
    if len(sentence) > LONGEST_SENTENCE:
        return f"a sentence of {len(sentence):,} characters in {_place(error)}"
    if one_line(sentence) != sentence:
        return f"an unprintable sentence in {_place(error)}"
    return None


def _place(error: BaseException) -> str:
    """Return the deepest lines of our own code that an error came through."""
    trace, found = error.__traceback__, []
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        if str(ROOT) in path and "/tests/" not in path and "/.venv/" not in path:
            found.append(f"{Path(path).relative_to(ROOT)}:{trace.tb_frame.f_code.co_name}")
        trace = trace.tb_next
    return " > ".join(found[-2:]) or "no code of ours"


def _texts(role: str, path: Path) -> object:
    from irllrec.data.texts import read_text_file

    def resolve(value: Any) -> str | None:
        return str(value) if str(value) in (*seeds.USERS, *seeds.ITEMS) else None

    return read_text_file(path, role, resolve, resolve, lambda user, item: True)


def _interactions(path: Path) -> object:
    from irllrec.data.tables import read_interactions

    return read_interactions(path)


def _rated(path: Path) -> object:
    from irllrec.data.tables import read_interactions

    return read_interactions(path, rating_min=1.0)


def _matrix(path: Path) -> object:
    from irllrec.data.reading import read_matrix

    return read_matrix(path)


def _profiles(path: Path) -> object:
    from irllrec.data.profiles import read_profiles

    return read_profiles(path, "user", 3)


def _profile_vectors(path: Path) -> object:
    from irllrec.data.profiles import read_profile_vectors

    return read_profile_vectors(path, "user", 3, 4)


def _vectors(path: Path) -> object:
    from irllrec.data.vectors import read_vector_file

    return read_vector_file(path, [7, 8, 9], seeds.ITEMS)


def _stored_interactions(path: Path) -> object:
    from irllrec.data.storage import load_interactions

    return load_interactions(path)


def _zip(path: Path) -> None:
    from repro.ranged_zip import as_member, extract, read_directory
    from repro.spans import LocalFile

    archive = LocalFile(path, path.stat().st_size)
    for number, info in enumerate(read_directory(archive)[:5]):
        target = path.parent / f"member-{number}"
        target.unlink(missing_ok=True)
        extract(archive, as_member(archive, info, 1 << 20), target, lambda done: None)


def _bundle(path: Path) -> None:
    import tempfile

    from repro.bundle.archive import files_in, unpack
    from repro.bundle.guards import unreadable

    with tempfile.TemporaryDirectory(dir=path.parent) as name:
        unpack(path, Path(name))
        unreadable(Path(name), files_in(Path(name)))


def _guarded(path: Path) -> None:
    from repro.bundle.guards import unreadable

    unreadable(path.parent, [path.name])


def _params(path: Path) -> object:
    from repro.params import load_params

    return load_params(path)


def _edited_params(path: Path) -> object:
    from repro.params_file import read_yaml

    return read_yaml(path)


def _sources(path: Path) -> object:
    from repro.sources import load_sources

    return load_sources(path)


@cache
def _own_params() -> Any:
    from repro.params import load_params

    return load_params(ROOT / "params.yaml")


def _claims(path: Path) -> object:
    from repro.claims.records import load_claims
    from repro.layout import Layout

    return load_claims(Layout(path.parent), _own_params())


def _spaces(path: Path) -> object:
    from repro.tuning.spaces import read_spaces

    return read_spaces(path)


def _lock(path: Path) -> object:
    from repro.bundle import pins

    return pins._pinned_files(pins._stages(path))


def _summaries(path: Path) -> object:
    from irllrec.text.records import read_summaries

    return read_summaries(path)


def _tensors(path: Path) -> object:
    from irllrec.training.checkpoint import load_tensors

    return load_tensors(path)


def _result(path: Path) -> object:
    """Read a cell's results of which one file is hostile and the others are honest."""
    from repro.layout import Layout
    from repro.results import read_result

    key = next(iter(_own_params().cells))
    cell = _own_params().cells[key]
    root = path.parent / "root"
    folder = Layout(root).run(cell.dataset, cell.backbone, cell.variant)
    folder.mkdir(parents=True, exist_ok=True)
    honest = {"per_user.parquet": seeds.per_user(), "run.json": b"{}", "metrics.json": b'{"mask": "train"}'}
    for name, content in honest.items():
        (folder / name).write_bytes(path.read_bytes() if path.name == name else content)
    return read_result(Layout(root), key, cell)


def _reply(path: Path) -> object:
    from irllrec.text.replies import parse_reply

    return parse_reply(path.read_bytes().decode("utf-8", "replace"), "reasoning")


def _ledger(path: Path) -> object:
    from repro.tuning.ledger import read_ledger

    return read_ledger(path)


def _published(path: Path) -> object:
    from repro.tables.published import read_published

    return read_published(path.parent)


def _store(path: Path) -> object:
    from irllrec.text.store import ReplyStore

    with ReplyStore(path) as store:
        store.failures("k")
        return store.reply("k"), store.vectors("k"), store.costs("m"), store.quarantined()


def _raw(path: Path) -> object:
    from irllrec.data.raw import read_manifest, read_table, read_texts

    read = {"manifest.json": read_manifest, "interactions.parquet": read_table, "text.jsonl": read_texts}
    return read[path.name](path.parent)


class _OneAnswer:
    """A server on this machine that gives every visitor the same bytes."""

    def __init__(self) -> None:
        self.content = b""
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            visitor, _ = self.listener.accept()
            with visitor:
                try:
                    visitor.settimeout(2)
                    visitor.recv(65536)
                    visitor.sendall(self.content)
                    visitor.shutdown(socket.SHUT_WR)
                except OSError:
                    continue


_answer = cache(_OneAnswer)


def _download(path: Path) -> None:
    from repro import download
    from repro.sources import SourceFile

    _answer().content = path.read_bytes()
    file = SourceFile(name="x", what="x", bytes=19, sha256="0" * 64)
    target = path.parent / "part"
    target.write_bytes(b"cont")
    with download.open_client() as client:
        download._attempt(client, f"{_answer().url}/x", file, target, lambda done: None)


def _ollama(path: Path) -> None:
    from irllrec.text.chats import ChatRequest
    from irllrec.text.client import OllamaHost

    _answer().content = path.read_bytes()

    async def ask() -> None:
        request = ChatRequest("m", (("user", "?"),), {}, {"num_ctx": 9})
        async with OllamaHost(_answer().url, connect_seconds=2, reply_seconds=2) as host:
            for question in (host.version, partial(host.digest_of, "m"), partial(host.embed, "m", ["x"])):
                try:
                    await question()
                except IrllrecError as error:
                    if wrong := _badness(error):
                        raise AssertionError(wrong) from None
            host._version = "0.12.6"
            await host.chat(request)

    asyncio.run(ask())


def _http_errors() -> tuple[type[BaseException], ...]:
    import httpx

    from repro.download import TryAgainError

    # What `patiently` turns into a sentence.
    return TryAgainError, httpx.TransportError, httpx.InvalidURL, httpx.TooManyRedirects


def all_readers() -> dict[str, Reader]:
    """Return every reader by its name."""
    found = [
        Reader("pickled matrix", "trn_mat.pkl", _matrix, seeds.matrices),
        Reader("pickled profiles", "usr_prf.pkl", _profiles, seeds.profiles),
        Reader("pickled vectors", "usr_emb_np.pkl", _profile_vectors, seeds.profile_vectors),
        Reader("npz vectors", "vectors.npz", _vectors, lambda: [seeds.npz(), seeds.npz(compressed=True)]),
        Reader("npz interactions", "test.npz", _stored_interactions, lambda: [seeds.interactions_npz()]),
        Reader("zip of texts", "data.zip", _zip, seeds.zips),
        Reader("bundle", "bundle.zip", _bundle, seeds.bundles),
        Reader("npz of a bundle", "x.npz", _guarded, lambda: [seeds.interactions_npz()]),
        Reader("parquet of a bundle", "x.parquet", _guarded, lambda: [seeds.per_user()]),
        Reader("csv", "clicks.csv", _rated, lambda: seeds.delimited(",")),
        Reader("tsv", "clicks.tsv", _interactions, lambda: seeds.delimited("\t")),
        Reader("atomic", "clicks.inter", _interactions, seeds.atomic),
        Reader("parquet", "clicks.parquet", _interactions, seeds.interactions_parquet),
        Reader("jsonl texts", "text.jsonl", partial(_texts, "item"), seeds.text_lines),
        Reader("atomic texts", "text.item", partial(_texts, "item"), seeds.item_table),
        Reader("raw manifest", "manifest.json", _raw, lambda: [b'{"index": "ids", "files": {"a": "b"}}']),
        Reader("raw interactions", "interactions.parquet", _raw, seeds.interactions_parquet),
        Reader("raw texts", "text.jsonl", _raw, lambda: [b'{"role":"user","id":7,"kind":"text","text":"x"}']),
        Reader("params.yaml", "params.yaml", _params, lambda: seeds.yaml_file("params.yaml")),
        Reader("edited params.yaml", "params.yaml", _edited_params, lambda: seeds.yaml_file("params.yaml")),
        Reader("sources.yaml", "sources.yaml", _sources, lambda: seeds.yaml_file("data/sources.yaml")),
        Reader("claims.yaml", "claims.yaml", _claims, lambda: seeds.yaml_file("claims.yaml")),
        Reader("search spaces", "spaces.yaml", _spaces, lambda: seeds.yaml_file("data/search_spaces.yaml")),
        Reader("dvc.lock", "dvc.lock", _lock, lambda: [seeds.yaml_file("dvc.lock")[0][:3000]]),
        Reader("summaries", "summaries.jsonl", _summaries, seeds.summaries),
        Reader("exported summaries", "x.jsonl.gz", _summaries, seeds.exports),
        Reader("safetensors", "seed-1.safetensors", _tensors, seeds.tensors),
        Reader("per_user.parquet", "per_user.parquet", _result, lambda: [seeds.per_user()]),
        Reader("run.json", "run.json", _result, lambda: [b'{"mask": "train", "seeds": [1, 2]}']),
        Reader("metrics.json", "metrics.json", _result, lambda: [b'{"mask": "train"}']),
        Reader("model reply", "reply.txt", _reply, lambda: [_json(seeds.REPLY), b"```json\n{}\n```"]),
        Reader("ledger", "ledger.csv", _ledger, lambda: [_LEDGER]),
        Reader("published figures", "tables.csv", _published, lambda: [_PUBLISHED]),
        Reader("reply store", "replies.sqlite", _store, seeds.store),
        Reader("download answer", "answer", _download, seeds.http_answers, _http_errors()),
        Reader("model server answer", "answer", _ollama, seeds.ollama_answers),
    ]
    return {reader.name: reader for reader in found}


def _json(value: object) -> bytes:
    import json

    return json.dumps(value).encode()


_LEDGER = (
    b"trial,seed,objective.kd_weight,metric,best_validation,best_epoch,epochs,status,setup\n"
    b"0,1,0.5,recall@20,0.1,2,3,done,abc\n1,1,0.7,recall@20,,,,failed,abc\n"
)
_PUBLISHED = b"source,dataset,backbone,variant,metric,value\npaper,amazon,mf,base,recall@5,0.0537\n"
