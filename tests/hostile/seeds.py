"""Honest files of every kind that is read: what a fuzzer begins with."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import sqlite3
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import scipy.sparse

from irllrec.text.exports import write_export
from repro.bundle.archive import pack

ROOT = Path(__file__).resolve().parents[2]
USERS, ITEMS = ["7", "8", "9"], ["a", "b", "c"]
ROWS = [("7", "a"), ("7", "b"), ("7", "c"), ("8", "a"), ("8", "b"), ("8", "c"), ("9", "a")]

REPLY = {
    "reasoning": "Reads a lot.",
    "profile": "A reader of crime.",
    "intents": ["crime", "tea rooms", "snow"],
}
SUMMARY = {
    "role": "user", "node": 0, "id": 7, "profile": "A reader.", "intents": ["crime", "snow"],
    "summarizer": "extractive", "saw": [[0, 1]], "input_sha256": "ab", "options": {"a": 1},
}  # fmt: skip


def matrices() -> list[bytes]:
    dense = np.array([[0, 1, 0, 2], [0, 0, 0, 0], [1, 0, 0, 1]])
    made = [scipy.sparse.coo_matrix(dense), scipy.sparse.csr_array(dense.astype(np.float32))]
    return [pickle.dumps(matrix, protocol=protocol) for matrix in made for protocol in (0, 2, 4)]


def profiles() -> list[bytes]:
    value = {0: {"profile": "A reader.", "reasoning": "x"}, 1: {"profile": "Ü"}, 2: None}
    return [pickle.dumps(value, protocol=protocol) for protocol in (0, 2, 4)]


def profile_vectors() -> list[bytes]:
    return [pickle.dumps(np.eye(3, 4), protocol=protocol) for protocol in (0, 2, 5)]


def npz(compressed: bool = False) -> bytes:
    buffer = io.BytesIO()
    arrays = {
        "user_id": np.array([7, 8, 9]),
        "user": np.eye(3, 4, dtype=np.float32),
        "item_id": np.array(ITEMS),
        "item": np.ones((3, 4), dtype=np.float16),
    }
    (np.savez_compressed if compressed else np.savez)(buffer, **arrays)
    return buffer.getvalue()


def interactions_npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, user=np.array([0, 1]), item=np.array([1, 0]), shape=np.array([2, 2]))
    return buffer.getvalue()


def zips() -> list[bytes]:
    made = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            for name in ("amazon/usr_prf.pkl", "amazon/itm_prf.pkl"):
                archive.writestr(name, b"content " * 9)
        made.append(buffer.getvalue())
    return made


def bundles() -> list[bytes]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "content"
        (folder / "runs").mkdir(parents=True)
        (folder / "bundle.json").write_text(json.dumps({"format": 1, "cells": ["demo-mf-base"]}))
        (folder / "params.yaml").write_text("a: {b: 1}\n")
        (folder / "runs" / "x.npz").write_bytes(interactions_npz())
        (folder / "runs" / "y.parquet").write_bytes(per_user())
        (folder / "table.csv").write_text("a,b\n1,2\n")
        pack(folder, Path(name) / "bundle.zip")
        return [(Path(name) / "bundle.zip").read_bytes()]


def delimited(sign: str) -> list[bytes]:
    header = ["user_id", "item_id", "split", "timestamp", "rating"]
    splits = ["train", "valid", "test", "train", "valid", "test", "train"]
    rows = [
        [*pair, part, str(time), "4.5"] for time, (pair, part) in enumerate(zip(ROWS, splits, strict=True))
    ]
    plain = "\n".join(sign.join(row) for row in [header, *rows]) + "\n"
    quoted = "\r\n".join(sign.join(f'"{cell}"' for cell in row) for row in [header, *rows])
    return [plain.encode(), b"\xef\xbb\xbf" + quoted.encode()]


def atomic() -> list[bytes]:
    lines = ["user_id:token\titem_id:token\ttimestamp:float", *(f"{u}\t{i}\t3.0" for u, i in ROWS)]
    return ["\n".join(lines).encode()]


def _parquet(columns: dict[str, object], **options: object) -> bytes:
    buffer = io.BytesIO()
    pa.parquet.write_table(pa.table(columns), buffer, **options)
    return buffer.getvalue()


def interactions_parquet() -> list[bytes]:
    columns = {"user_id": [int(u) for u, _ in ROWS], "item_id": [i for _, i in ROWS], "timestamp": [1.5] * 7}
    return [_parquet(columns), _parquet(columns, use_dictionary=False, compression="none")]


def per_user() -> bytes:
    columns = {
        "seed": [1, 1, 2, 2],
        "user": [0, 1, 0, 1],
        "train_degree": [3, 4, 3, 4],
        "recall@20": [0.5] * 4,
    }
    return _parquet(columns)


def text_lines() -> list[bytes]:
    rows = [
        {"item_id": "a", "title": "A", "genres": ["x", {"y": 1}], "description": "Ü"},
        {"item_id": "b", "reviews": ["good", {"text": "bad", "user_id": 7}], "price": 1e3},
        {"item_id": "c", "user_id": "7", "text": "fine"},
    ]
    return ["\n".join(json.dumps(row) for row in rows).encode()]


def item_table() -> list[bytes]:
    return [b"item_id:token\tmovie_title:token_seq\tyear:float\na\tA film\t1999\nb\tB\t2000\n"]


def summaries() -> list[bytes]:
    return ["\n".join(json.dumps({**SUMMARY, "node": node}) for node in range(3)).encode()]


def exports() -> list[bytes]:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "x.jsonl.gz"
        write_export(path, [json.dumps(SUMMARY)], {"dataset": "demo"})
        content = path.read_bytes()
    return [content, gzip.compress(gzip.decompress(content), 1, mtime=0)]


def yaml_file(name: str) -> list[bytes]:
    return [(ROOT / name).read_bytes()]


def tensors() -> list[bytes]:
    import torch
    from safetensors.torch import save

    made = {"a": torch.ones(2, 3), "state/b": torch.arange(4)}
    return [save(made, {"header": json.dumps({"epoch": 3, "identity": "x"})}), save(made)]


def store() -> list[bytes]:
    from irllrec.text.store import ReplyStore

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "x.sqlite"
        with ReplyStore(path) as replies:
            replies.add_vectors("k", np.ones((2, 3), dtype=np.float32), model="m", digest="d", host="h")
        connection = sqlite3.connect(path)
        connection.execute(
            "INSERT INTO replies VALUES ('k',1,'stop',1,2,0.5,'h','1','m','d','t','plain','t','s','i','{}','c',"
            '\'{"profile": "x"}\')'
        )
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.close()
        return [path.read_bytes()]


def http_answers() -> list[bytes]:
    body = b"content of the file"
    return [
        b"HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n" + body,
        b"HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 4-18/19\r\nContent-Length: 15\r\n\r\n"
        + body[4:],
        b"HTTP/1.1 302 Found\r\nLocation: https://[::1/x\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n",
    ]


def ollama_answers() -> list[bytes]:
    body = json.dumps(
        {
            "model": "m", "created_at": "2025-01-01T00:00:00Z", "done": True, "done_reason": "stop",
            "message": {"role": "assistant", "content": json.dumps(REPLY)}, "eval_count": 3, "prompt_eval_count": 4,
            "version": "0.12.6", "models": [{"model": "m:latest", "digest": "ab"}], "embeddings": [[0.5, 0.25]],
        }
    ).encode()  # fmt: skip
    length = str(len(body)).encode()
    return [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
        + length
        + b"\r\n\r\n"
        + body,
        b'HTTP/1.1 429 Busy\r\nRetry-After: Wed, 21 Oct 2099 07:28:00 GMT\r\nContent-Length: 13\r\n\r\n{"error": 1}\n',
    ]
