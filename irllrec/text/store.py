"""The replies of a language model, kept in one SQLite file so that none is ever asked for twice.

Each reply is committed and flushed to the disk on its own before it counts: whatever ends the process,
the next one goes on behind the last reply. Attempts that went wrong are kept as well, with their text.
The file belongs on a local disk; SQLite's write-ahead log does not work on network file systems.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from irllrec.data.untrusted import parse_json
from irllrec.errors import TextError
from irllrec.text.asked import Asked, FailureCounts, Quarantined, StoredFailure, StoredReply, utc_now
from irllrec.text.store_lock import StoreLock

SCHEMA_VERSION = 1
APPLICATION_ID = 0x69724C4C
BUSY_SECONDS = 30

_ASKED = """
    attempt INTEGER NOT NULL, done_reason TEXT, prompt_tokens INTEGER, reply_tokens INTEGER,
    seconds REAL NOT NULL, host TEXT NOT NULL, server_version TEXT NOT NULL, model TEXT NOT NULL,
    digest TEXT NOT NULL, asked_at TEXT NOT NULL, style TEXT NOT NULL, template TEXT NOT NULL,
    template_sha256 TEXT NOT NULL, input_sha256 TEXT NOT NULL, options TEXT NOT NULL, content TEXT NOT NULL
"""
_SCHEMA = (
    f"CREATE TABLE replies (key TEXT PRIMARY KEY, {_ASKED}, parsed TEXT NOT NULL)",
    f"""CREATE TABLE failures (key TEXT NOT NULL, {_ASKED}, kind TEXT NOT NULL, sentence TEXT NOT NULL,
        pardoned INTEGER NOT NULL DEFAULT 0)""",
    "CREATE INDEX failures_of_key ON failures (key)",
    """CREATE TABLE quarantine (key TEXT PRIMARY KEY, kind TEXT NOT NULL, sentence TEXT NOT NULL,
        since TEXT NOT NULL)""",
    """CREATE TABLE vectors (key TEXT PRIMARY KEY, model TEXT NOT NULL, digest TEXT NOT NULL,
        host TEXT NOT NULL, row_count INTEGER NOT NULL, column_count INTEGER NOT NULL,
        made_at TEXT NOT NULL, bytes BLOB NOT NULL)""",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)


class ReplyStore:
    """The store of one data set. Use it as ``with ReplyStore(path) as store``."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        """Open the store, or make it if there is no file; only one process may have it open to write.

        Args:
            path: The file.
            read_only: Only look, also while another process writes; the file must be there.

        Raises:
            TextError: If another process uses it, or the file is damaged or something else.
        """
        self.path = path
        self._lock = None if read_only else StoreLock(path)
        address = f"file:{quote(str(path))}?mode={'ro' if read_only else 'rwc'}"
        try:
            with self._sorted_errors():
                self._connection = sqlite3.connect(
                    address, uri=True, timeout=BUSY_SECONDS, isolation_level=None
                )
            try:
                self._open(read_only=read_only)
            except BaseException:
                self._connection.close()
                raise
        except BaseException:
            self._release()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and give back the lock; everything is on the disk already."""
        self._connection.close()
        self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()

    def add_reply(self, reply: StoredReply) -> bool:
        """Store a good reply for good; return whether its question had none before."""
        with self._transaction():
            added = self._insert("replies", reply, on_conflict="ON CONFLICT (key) DO NOTHING")
            self._run("DELETE FROM quarantine WHERE key = ?", (reply.key,))
        return added

    def add_failure(self, failure: StoredFailure, *, give_up: bool = False) -> None:
        """Store a failure, and with ``give_up`` put its question into quarantine with it."""
        with self._transaction():
            self._insert("failures", failure)
            if give_up:
                self._run(
                    "INSERT OR REPLACE INTO quarantine VALUES (?, ?, ?, ?)",
                    (failure.key, failure.kind, failure.sentence, utc_now()),
                )

    def release(self, keys: Iterable[str]) -> None:
        """Let questions out of quarantine; their failures stay but no longer count against them."""
        with self._transaction():
            for key in keys:
                self._run("DELETE FROM quarantine WHERE key = ?", (key,))
                if self._changed():
                    self._run("UPDATE failures SET pardoned = 1 WHERE key = ?", (key,))

    def answered(self) -> set[str]:
        """Return the keys of all questions that have a good reply."""
        return {key for (key,) in self._run("SELECT key FROM replies")}

    def reply(self, key: str) -> StoredReply | None:
        """Return the good reply to a question, or ``None``."""
        names = [entry.name for entry in fields(StoredReply)]
        rows = self._run(f"SELECT {', '.join(names)} FROM replies WHERE key = ?", (key,))
        with self._sorted_errors():
            return StoredReply(**_values(names, rows[0])) if rows else None

    def failures(self, key: str) -> list[StoredFailure]:
        """Return all failures of a question, the oldest first."""
        names = [entry.name for entry in fields(StoredFailure)]
        rows = self._run(f"SELECT {', '.join(names)} FROM failures WHERE key = ? ORDER BY rowid", (key,))
        with self._sorted_errors():
            return [StoredFailure(**_values(names, row)) for row in rows]

    def failure_counts(self) -> dict[str, FailureCounts]:
        """Return how often each question failed, by kind; questions without failures are left out."""
        found: dict[str, FailureCounts] = {}
        for key, kind, pardoned, count in self._run(
            "SELECT key, kind, pardoned, COUNT(*) FROM failures GROUP BY key, kind, pardoned"
        ):
            counts = found.setdefault(key, FailureCounts())
            counts.ever[kind] += count
            counts.standing[kind] += 0 if pardoned else count
        return found

    def quarantined(self) -> dict[str, Quarantined]:
        """Return the questions that are not asked again, by key."""
        rows = self._run("SELECT key, kind, sentence, since FROM quarantine")
        return {key: Quarantined(kind, sentence, since) for key, kind, sentence, since in rows}

    def digests(self, model: str) -> list[str]:
        """Return the digests of the models of this name that replied, the latest last."""
        rows = self._run(
            "SELECT digest, MAX(asked_at) AS last FROM replies WHERE model = ? GROUP BY digest ORDER BY last",
            (model,),
        )
        return [digest for digest, _ in rows]

    def costs(self, model: str) -> list[tuple[float, int | None]]:
        """Return the seconds and the reply tokens of each good reply of a model of this name."""
        return self._run("SELECT seconds, reply_tokens FROM replies WHERE model = ?", (model,))

    def vector_digests(self, model: str) -> list[str]:
        """Return the digests of the embedding models of this name that made vectors, the latest first."""
        rows = self._run(
            "SELECT digest, MAX(made_at) AS last FROM vectors WHERE model = ? GROUP BY digest "
            "ORDER BY last DESC",
            (model,),
        )
        return [digest for digest, _ in rows]

    def add_vectors(
        self, key: str, vectors: npt.NDArray[np.float32], *, model: str, digest: str, host: str
    ) -> None:
        """Store a batch of vectors, float32 of shape (text, dim); a batch that is there stays."""
        stored = np.ascontiguousarray(vectors, dtype="<f4")
        row = (key, model, digest, host, *stored.shape, utc_now(), stored.tobytes())
        with self._transaction():
            self._run("INSERT INTO vectors VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING", row)

    def vectors(self, key: str) -> npt.NDArray[np.float32] | None:
        """Return a stored batch of vectors, or ``None``."""
        rows = self._run("SELECT row_count, column_count, bytes FROM vectors WHERE key = ?", (key,))
        if not rows:
            return None
        row_count, column_count, content = rows[0]
        with self._sorted_errors():
            return np.frombuffer(content, dtype="<f4").reshape(row_count, column_count).astype(np.float32)

    def _open(self, *, read_only: bool) -> None:
        ((application,),) = self._run("PRAGMA application_id")
        ((version,),) = self._run("PRAGMA user_version")
        ((tables,),) = self._run("SELECT COUNT(*) FROM sqlite_master")
        new = (application, version, tables) == (0, 0, 0)
        if not new and application != APPLICATION_ID:
            raise TextError(
                f"{self.path} is an SQLite file of another program: move it away or name another file."
            )
        if not new and version != SCHEMA_VERSION:
            raise TextError(
                f"{self.path} has the store version {version} but this program reads {SCHEMA_VERSION}: "
                "use the program that wrote it, or move the file away and ask again."
            )
        if read_only:
            return
        if not new and self._run("PRAGMA quick_check(1)") != [("ok",)]:
            raise self._damaged("its check fails")
        self._run("PRAGMA journal_mode = WAL")
        self._run("PRAGMA synchronous = FULL")
        if new:
            with self._transaction():
                for statement in _SCHEMA:
                    self._run(statement)

    def _insert(self, table: str, record: Asked, on_conflict: str = "") -> bool:
        names = [entry.name for entry in fields(record)]
        values = [getattr(record, name) for name in names]
        row = [_storable(_json(value) if isinstance(value, Mapping) else value) for value in values]
        places = ", ".join("?" * len(names))
        self._run(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({places}) {on_conflict}", row)
        return self._changed()

    def _changed(self) -> bool:
        """Return whether the last statement changed a row."""
        return self._run("SELECT changes()") != [(0,)]

    def _run(self, statement: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        with self._sorted_errors():
            return self._connection.execute(statement, tuple(values)).fetchall()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._run("BEGIN IMMEDIATE")
        try:
            yield
            self._run("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    @contextlib.contextmanager
    def _sorted_errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            raise TextError(
                f"{self.path} cannot be read or written ({error}): check the disk's space and the rights, "
                "and that no other program has the file open."
            ) from None
        except (sqlite3.DatabaseError, ValueError, TypeError) as error:
            raise self._damaged(str(error)) from None

    def _damaged(self, reason: str) -> TextError:
        return TextError(
            f"{self.path} is no reply store or is damaged ({reason}): put a copy back, or rescue it with "
            f"`sqlite3 {self.path.name} .recover`, or move it away and ask again."
        )


def _values(names: Iterable[str], row: Iterable[Any]) -> dict[str, Any]:
    found = dict(zip(names, row, strict=True))
    return {
        name: parse_json(value) if name in ("options", "parsed") else value for name, value in found.items()
    }


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)


def _storable(value: Any) -> Any:
    """Return a text without halves of surrogate pairs, which a reply may hold but no file can."""
    return value.encode("utf-8", errors="replace").decode("utf-8") if isinstance(value, str) else value
