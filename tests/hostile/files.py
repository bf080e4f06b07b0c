"""Hostile files that are no pickles: archives, arrays, tables, lines and YAML that promise more than they hold."""

# ruff: noqa: E501 - one line a file reads better than four

from __future__ import annotations

import io
import json
import struct
import warnings
import zipfile
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from tests.hostile import pickles, seeds


def npy(
    shape: str, dtype: str = "'<f8'", order: str = "False", content: bytes = b"", version: int = 1
) -> bytes:
    """Return an array whose header says what it is told to say."""
    head = f"{{'descr': {dtype}, 'fortran_order': {order}, 'shape': {shape}, }}\n".encode()
    size = struct.pack("<H" if version == 1 else "<I", len(head))
    return b"\x93NUMPY" + bytes([version, 0]) + size + head + content


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method, strict_timestamps=False) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def _with_array(content: bytes) -> bytes:
    """Return an npz of vectors whose array ``user`` is another."""
    honest = zipfile.ZipFile(io.BytesIO(seeds.npz()))
    members = {name: honest.read(name) for name in honest.namelist()}
    return zipped({**members, "user.npy": content})


def _claiming(size: int, packed: bytes) -> bytes:
    """Return a zip whose directory says that its only member has another size."""
    content = bytearray(zipped({"user.npy": packed}))
    for sign, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = content.index(sign) + place
        content[start : start + 4] = struct.pack("<I", size)
    return bytes(content)


def arrays() -> dict[str, bytes]:
    """Return npz files that claim, hide or execute."""
    bomb = zipped({"user.npy": npy("(100_000_000,)", "'|u1'", content=bytes(100_000_000))})
    double = io.BytesIO(zipped({"user.npy": npy("(1,)", content=bytes(8))}))
    with zipfile.ZipFile(double, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("user.npy", npy("(1,)", content=bytes(8)))
    return {
        "a bomb": bomb, "a name twice": double.getvalue(),
        "exabytes": _with_array(npy("(2305843009213693952,)")), "sides that overflow": _with_array(npy("(4294967296, 4294967296)")),
        "a negative side": _with_array(npy("(-1,)", content=bytes(8))), "no shape": _with_array(npy("'x'")),
        "a huge number as side": _with_array(npy("(" + "9" * 5000 + ",)")), "a float as side": _with_array(npy("(1.5,)")),
        "objects": _with_array(npy("(1,)", "'|O'", content=pickles.honest())), "a pickle alone": pickles.honest(),
        "records of objects": _with_array(npy("(1,)", "[('a', '|O')]", content=pickles.honest())),
        "fields in unicode": _with_array(npy("(1,)", "[('\u00fc', '<f8')]", content=bytes(8), version=3)),
        "times": _with_array(npy("(1,)", "'<M8[s]'", content=bytes(8))), "empty strings": _with_array(npy("(99999999999,)", "'<U0'")),
        "no such type": _with_array(npy("(1,)", "'zz'")), "code as header": _with_array(npy("__import__('os').system('x')")),
        "deep header": _with_array(npy("(" * 3000 + ")" * 3000)), "a header of megabytes": _with_array(npy(" " * 5_000_000 + "(1,)", version=2)),
        "another order than its content": _with_array(npy("(3, 4)", order="True", content=bytes(95))),
        "longer than its header": _with_array(npy("(1,)", content=bytes(800))), "no npy": _with_array(b"x" * 100),
        "a member that is no array": zipped({"user.txt": b"x"}), "a zip in a zip": zipped({"user.npy": seeds.npz()}),
        "a size that lies": _claiming(4_000_000_000, npy("(1,)", content=bytes(8))), "a size of nothing": _claiming(0, npy("(1,)", content=bytes(8))),
        "characters that are none": _with_ids(np.full(3, 0x7FFFFFFF, dtype="<u4").tobytes()),
        "halves of pairs as ids": _with_ids(np.full(3, 0xD800, dtype="<u4").tobytes()),
    }  # fmt: skip


def _with_ids(content: bytes) -> bytes:
    honest = zipfile.ZipFile(io.BytesIO(seeds.npz()))
    members = {name: honest.read(name) for name in honest.namelist()}
    return zipped({**members, "user_id.npy": npy("(3,)", "'<U1'", content=content)})


def archives() -> dict[str, bytes]:
    """Return zips that lead out, unfold, or contradict themselves, as an archive of texts and as a bundle."""
    names = {
        "up": "../canary", "up inside": "a/../../canary", "absolute": "/tmp/canary", "backslashes": "..\\canary",
        "a drive": "C:\\canary", "a NUL": "a\x00b", "escape sequences": "a\x1b[2J", "bidi": "a\u202eb", "dot": ".",
        "a long name": "a" * 60_000, "a home": "~/canary", "two slashes": "//host/share",
    }  # fmt: skip
    made = {label: zipped({name: b"x" * 100}) for label, name in names.items()}
    link = io.BytesIO()
    with zipfile.ZipFile(link, "w") as archive:
        info = zipfile.ZipInfo("table.csv")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    honest = bytearray(seeds.bundles()[0])
    return {
        **made, "a link": link.getvalue(), "a bomb": zipped({"a.csv": bytes(50_000_000)}),
        "a zip in a zip": zipped({"a.zip": zipped({"a.csv": bytes(5_000_000)})}),
        "many members": zipped({f"{n}.csv": b"" for n in range(20_001)}, zipfile.ZIP_STORED),
        "not a zip": b"PK\x03\x04" + bytes(100), "only an end": b"PK\x05\x06" + bytes(18), "an end with a lie": b"PK\x05\x06" + b"\xff" * 18,
        "zip64 with a lie": b"PK\x06\x06" + struct.pack("<Q", 44) + b"\xff" * 44 + b"PK\x06\x07" + b"\x00" * 16 + b"PK\x05\x06" + b"\xff" * 18,
        "in front of an honest one": b"MZ" * 100 + bytes(honest), "behind an honest one": bytes(honest) + b"x",
        "a damaged member": bytes(honest[:60] + bytes([honest[60] ^ 255]) + honest[61:]), "cut": bytes(honest[: len(honest) // 2]),
    }  # fmt: skip


_HEADER = b"user_id,item_id\n"


def delimited() -> dict[str, bytes]:
    """Return csv files that no spreadsheet made."""
    return {
        "a column name of megabytes": b"a" * 200_000 + b",b\n1,2\n", "a cell of megabytes": _HEADER + b"1," + b"x" * 2_000_000 + b"\n",
        "a million columns": b",".join(b"%d" % n for n in range(1_000_000)) + b"\n", "a million equal columns": b"a," * 1_000_000 + b"a\n",
        "NUL in an id": _HEADER + b"1,a\x00b\n", "NUL in the header": b"user_id\x00,item_id\n1,2\n", "escape sequences in an id": _HEADER + b"1,\x1b[2Ja\n",
        "not UTF-8": _HEADER + b"1,\xff\xfe\n", "UTF-16": "user_id,item_id\n1,2\n".encode("utf-16"), "half of a pair": _HEADER + b"1,\xed\xa0\x80\n",
        "a quote without end": _HEADER + b'1,"abc\n2,d\n', "ragged": _HEADER + b"1,2,3\n", "carriage returns": b"user_id,item_id\r1,2\r",
        "only a header": _HEADER, "only commas": b",,,,\n,,,,\n", "one line without end": b"x" * 3_000_000, "only a mark": b"\xef\xbb\xbf",
        "escape sequences in the header": b"\x1b]8;;http://x\x07user_id,item_id\n1,2\n", "a huge time": b"user_id,item_id,timestamp\n1,2,1e999\n",
        "a time of digits": b"user_id,item_id,timestamp\n1,2," + b"9" * 5000 + b"\n", "no split": b"user_id,item_id,split\n1,2,\x1b[31m\n",
    }  # fmt: skip


def _parquet(table: pa.Table, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pa.parquet.write_table(table, buffer, **options)
    return buffer.getvalue()


def parquets() -> dict[str, bytes]:
    """Return parquet files that unfold, nest or lie."""
    honest = seeds.interactions_parquet()[0]
    size = int.from_bytes(honest[-8:-4], "little")
    pair = {"user_id": [1, 2], "item_id": [1, 2]}
    long = pa.array(["x" * 1_000_000]).dictionary_encode()
    unfolding = pa.DictionaryArray.from_arrays(pa.array(np.zeros(4000, dtype=np.int32)), long.dictionary)
    return {
        "a text that unfolds to gigabytes": _parquet(pa.table({"user_id": unfolding, "item_id": unfolding})),
        "lists": _parquet(pa.table({**pair, "c": [[1], [2]]})), "records": _parquet(pa.table({**pair, "c": [{"a": 1}, {"a": 2}]})),
        "lists of lists": _parquet(pa.table({"user_id": [[[[1]]]], "item_id": [1]})),
        "a date beyond years": _parquet(pa.table({**pair, "c": pa.array([2**62, 1], pa.timestamp("us"))})),
        "bytes that are no text": _parquet(pa.table({"user_id": pa.array([b"\xff", b"\xfe"]), "item_id": [1, 2]})),
        "no UTF-8": honest.replace(b"a", b"\xff"), "ids with escape sequences": _parquet(pa.table({"user_id": ["\x1b[2J"], "item_id": ["b"]})),
        "two columns of one name": _parquet(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["user_id", "user_id"])),
        "nulls": _parquet(pa.table({"user_id": pa.array([None, 1]), "item_id": [1, 2]})), "no columns": _parquet(pa.table({})),
        "no rows": _parquet(pa.table({"user_id": pa.array([], pa.int64()), "item_id": pa.array([], pa.int64())})),
        "20,000 columns": _parquet(pa.table({f"c{n}": [1] for n in range(20_000)})),
        "only signs": b"PAR1" + bytes(100) + b"PAR1", "an encrypted one": honest[:-4] + b"PARE", "a footer of gigabytes": honest[:-8] + b"\xff\xff\xff\x7fPAR1",
        "a footer of nothing": honest[:-8] + bytes(4) + b"PAR1", "another footer": honest[: -8 - size] + b"\xff" * size + honest[-8:], "cut": honest[:200],
        "more rows than it has": honest.replace(b"\x16\x0e", b"\x16\xfe\xff\xff\xff\x0f"),
    }  # fmt: skip


def lines() -> dict[str, bytes]:
    """Return JSON lines that nest, count or name what no text does."""
    row = b'{"item_id": "a", "title": %s}'
    return {
        "deep lists": row % (b"[" * 100_000), "deep and closed": row % (b"[" * 500 + b"]" * 500), "deep objects": row % (b'{"a":' * 900 + b"1" + b"}" * 900),
        "deep tags": b'{"item_id": "a", "genres": ' + b"[" * 90 + b"1" + b"]" * 90 + b"}", "digits": row % (b"9" * 10_000), "NaN": row % b"NaN", "Infinity": row % b"-Infinity",
        "1e999": row % b"1e999", "half of a pair": row % b'"\\ud800"', "a key twice": b'{"item_id": "a", "title": "b", "title": "c"}',
        "an id of megabytes": b'{"item_id": "%s"}' % (b"x" * 1_000_000), "a key of megabytes": b'{"item_id": "a", "%s": 1, "%s": 2}' % (b"x" * 500_000, b"x" * 500_000),
        "a list": b"[1, 2]", "a number": b"1", "no UTF-8": row % b'"\xff"', "a NUL": row % b'"a\x00b"', "an escape": row % b'"\x1b[2J"',
        "a list as id": b'{"item_id": ["a"], "title": "x"}', "an object as title": row % b'{"a": 1}', "nothing": b"", "blank": b"\n\n \n",
        "half a line": b'{"item_id": "a"', "text behind": row % b'"x"' + b" x", "a huge id": b'{"item_id": 1e308, "title": "x"}',
    }  # fmt: skip


def yamls() -> dict[str, bytes]:
    """Return YAML that unfolds, builds objects, or means two things."""
    laugh = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)
    )
    merge = "a0: &a0 {k: 1}\n" + "".join(
        f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}, *a{n - 1}, *a{n - 1}]}}\n" for n in range(1, 30)
    )
    made = {
        "a billion laughs": laugh, "laughing merges": merge, "holds itself": "a: &a [*a]\n", "merges itself": "a: &a {<<: *a}\n",
        "a call": "a: !!python/object/apply:os.system [touch canary]\n", "an object": "a: !!python/object/new:os.x {}\n", "a name": "a: !!python/name:os.system\n",
        "an unknown tag": "a: !x y\n", "a tag that lies": "a: !!int abc\n", "a binary that is none": "a: !!binary '*'\n", "a set of lists": "a: !!set {[1]: null}\n",
        "a list as key": "? [1, 2]\n: 3\n", "a mapping as key": "? {a: 1}\n: 3\n", "a number as key": "1: 2\n", "null as key": "null: 2\n",
        "a key twice": "training: 1\ntraining: 2\n", "a key twice below": "a: {b: 1, b: 2}\n", "digits": "a: " + "9" * 10_000 + "\n", "digits in base 60": "a: " + "1:" * 3000 + "1\n",
        "no such day": "a: 2001-99-99\n", "no such time": "a: 2001-01-01 99:99:99\n", "a zone": "a: 2001-01-01 01:01:01 +99:99\n", "deep lists": "[" * 20_000, "deep mappings": "{a: " * 3000,
        "deep and closed": "a: " + "[" * 60 + "]" * 60 + "\n", "deep by lines": "".join(" " * n + "a:\n" for n in range(500)), "two documents": "a: 1\n---\nb: 2\n", "a directive": "%YAML 9.9\n---\na: 1\n",
        "an alias of nothing": "a: *b\n", "escape sequences": "a: \x1b[2J\n", "a NUL": "a: \x00\n", "nothing": "", "a word": "x", "a list": "[1]", "tabs": "a:\n\tb: 1\n",
        "half of a pair": 'a: "\\ud800"\n', "value": "a: =\n", "merging a word": "a: {<<: x}\n", "merging numbers": "<<: [1, 2]\n", "infinity": "a: .inf\n", "a megabyte": "a: " + "x" * (1 << 20),
    }  # fmt: skip
    found = {label: content.encode() for label, content in made.items()}
    return {
        **found,
        "no UTF-8": b"a: \xff\n",
        "UTF-16": "a: 1\n".encode("utf-16"),
        "a mark": b"\xef\xbb\xbfa: 1\n",
    }


def tensors() -> dict[str, bytes]:
    """Return safetensors files whose header lies."""
    honest = seeds.tensors()[0]

    def headed(header: object, size: int | None = None, content: bytes = bytes(64)) -> bytes:
        raw = header if isinstance(header, bytes) else json.dumps(header).encode()
        return struct.pack("<Q", len(raw) if size is None else size) + raw + content

    def one(**entry: object) -> dict[str, object]:
        return {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **entry}}

    return {
        "nothing": b"", "a header of exabytes": headed(b"{}", 2**63), "a header beyond the file": headed(b"{}", 1000), "deep": headed(b"[" * 100_000),
        "exabytes": headed(one(shape=[2**62, 2**62])), "negative": headed(one(shape=[-1])), "beyond the end": headed(one(data_offsets=[0, 2**40])),
        "back to front": headed(one(data_offsets=[8, 0])), "no such type": headed(one(dtype="OBJECT")), "a pickle": pickles.honest(), "cut": honest[:-5],
        "a torch checkpoint": pickles.malformed()["a torch checkpoint"], "a header that is a list": headed({"__metadata__": {"header": "[1]"}}, content=b""),
        "a deep header": headed({"__metadata__": {"header": "[" * 5000}}, content=b""), "no JSON as header": headed({"__metadata__": {"header": "x"}}, content=b""),
        "digits as header": headed({"__metadata__": {"header": "9" * 9000}}, content=b""), "overlapping": headed({**one(), "b": one()["a"]}, content=bytes(8)),
    }  # fmt: skip


def replies() -> dict[str, bytes]:
    """Return what a language model must not have said."""

    def said(**fields: object) -> bytes:
        return json.dumps({**seeds.REPLY, **fields}).encode()

    return {
        "nothing": b"", "prose": b"Sure! Here it is: {}", "large": b"x" * 70_000, "deep": b"[" * 30_000, "digits": b"9" * 20_000, "two objects": said() + said(),
        "a key twice": said()[:-1] + b', "profile": "x"}', "NaN": said()[:-1] + b', "x": NaN}', "four intents": said(intents=list("abcd")), "no text": said(profile=1),
        "equal intents": said(intents=["a", "A.", "b"]), "long": said(profile="word " * 500), "only signs": said(profile="\x1b[2J\u202e"), "a list": b"[]", "null": b"null",
    }  # fmt: skip
