"""Takes out of texts what tells of the machine they were written on: paths, hosts, users."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

PATH_WORD, HOST_WORD = "redacted-path", "redacted-host"

_ADDRESS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?:[^\s/@\"']*@)?(?P<host>\[[0-9a-f:]+\]|[A-Za-z0-9._-]+)(:\d+)?"
)
_FILE_ADDRESS = re.compile(r"file://[^\s\"'<>)]*/(?P<name>[^\s\"'<>)/]*)")
_PATH = re.compile(
    r"(?P<before>^|[\s\"'=:,(\[`])(?:/[\w.@+~ -]*[\w.@+~-])+/(?P<name>[\w.@+~-]*)", re.MULTILINE
)
_PRIVATE_ENDINGS = (".local", ".lan", ".internal", ".home", ".localdomain", ".arpa")
_USUAL_NAMES = frozenset(
    {"root", "user", "users", "admin", "ubuntu", "debian", "localhost", "runner", "nobody"}
)


@dataclass(frozen=True)
class Machine:
    """What may not leave this machine.

    Attributes:
        folders: The checkout and the user's home, whose paths are taken out wherever they stand.
        hosts: Servers by name or address, as params.yaml and OLLAMA_HOST give them.
        names: This computer's and this user's name, where they are no everyday words.
    """

    folders: tuple[str, ...]
    hosts: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, root: Path, hosts: Sequence[str], vocabulary: str = "") -> Machine:
        """Return what is known of this machine.

        Args:
            root: The checkout.
            hosts: Addresses of servers from params.yaml.
            vocabulary: Words of the project, such as names of data sets: a user or a computer that is called
                like one of them cannot be told from it.
        """
        folders = dict.fromkeys(str(path) for path in (root, root.resolve(), Path.home()))
        told = [*hosts, os.environ.get("OLLAMA_HOST", "")]
        named = [urlsplit(one if "://" in one else f"http://{one}").hostname or "" for one in told]
        own = [socket.gethostname(), socket.gethostname().partition(".")[0], _user()]
        return cls(
            folders=tuple(folder for folder in folders if len(folder) > 1),
            hosts=tuple(dict.fromkeys(host for host in named if host)),
            names=tuple(
                name for name in dict.fromkeys(own) if _is_telling(name) and not _has_word(vocabulary, name)
            ),
        )

    def cleaned(self, text: str) -> str:
        """Return the text with paths and private hosts replaced by plain words; a path keeps its last part."""
        root, *others = self.folders
        text = text.replace(f"{root}/", "")
        for folder in (root, *others):
            text = re.sub(rf"{re.escape(folder)}(?![\w-])", PATH_WORD, text)
        text = _FILE_ADDRESS.sub(lambda found: f"{PATH_WORD}/{found['name']}", text)
        text = _ADDRESS.sub(self._address, text)
        text = _PATH.sub(lambda found: f"{found['before']}{PATH_WORD}/{found['name']}", text)
        for host in self.hosts:
            text = re.sub(rf"(?<![\w.-]){re.escape(host)}(?![\w-])", HOST_WORD, text)
        return text

    def left_in(self, content: bytes) -> str | None:
        """Return a word of this machine that stands in a file's content, None where there is none."""
        for word in (*self.folders, *self.hosts, *self.names):
            pattern = rb"(?<![\w.-])" + re.escape(word.encode()) + rb"(?![\w-])"
            if word not in ("localhost", "127.0.0.1") and re.search(pattern, content):
                return word
        return None

    def _address(self, found: re.Match[str]) -> str:
        host = found["host"]
        private = "." not in host or host.replace(".", "").isdigit() or host.endswith(_PRIVATE_ENDINGS)
        return f"{found['scheme']}://{HOST_WORD}" if private or host in self.hosts else found[0]


def _has_word(text: str, word: str) -> bool:
    return re.search(rf"(?<![\w]){re.escape(word)}(?![\w])", text) is not None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _is_telling(name: str) -> bool:
    """Return whether a name tells of a person or a machine; `root` and `data` are words like others."""
    plain = name.isalpha() and name.islower() and len(name) < 6
    return len(name) > 3 and name not in _USUAL_NAMES and not plain
