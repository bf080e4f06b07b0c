"""Building and loading the C kernels: once for each source, compiler and processor, into a cache."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import platformdirs

# Set to `portable` to leave the kernels off.
SWITCH = "IRLLREC_KERNELS"
SOURCES = ("contrast.c", "sparse.c")
FILES = (*SOURCES, "tiles.h", "vectors.h")
BUILD_SECONDS = 120
_POINTER, _COUNT = ctypes.c_void_p, ctypes.c_int64


@dataclass(frozen=True)
class Kernels:
    """Attributes:
    library: The loaded kernels, or None where PyTorch does their work.
    reason: How they were built, or why there are none, with what would help.
    """

    library: ctypes.CDLL | None
    reason: str

    @property
    def name(self) -> str:
        """``native`` or ``portable``, as run.json records it."""
        return "portable" if self.library is None else "native"


@functools.cache
def kernels() -> Kernels:
    """Return this machine's kernels, built where they were not; never raises."""
    if os.environ.get(SWITCH) == "portable":
        return Kernels(None, f"{SWITCH} is set to portable")
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        return Kernels(None, "no C compiler was found: install gcc or clang for faster training")
    command = [compiler, "-O3", _native_flag(), "-shared", "-fPIC"]
    try:
        path = _built(command)
        library = _declared(ctypes.CDLL(str(path)))
    except subprocess.CalledProcessError as error:
        last = (error.stderr or "").strip().splitlines()[-1:] or ["no message"]
        return Kernels(None, f"{compiler} could not build the kernels ({last[0]})")
    except (OSError, AttributeError, subprocess.TimeoutExpired) as error:
        return Kernels(None, f"the kernels could not be built or loaded ({error})")
    return Kernels(library, f"built by {compiler} for this processor")


def _native_flag() -> str:
    return "-mcpu=native" if platform.machine() in ("arm64", "aarch64") else "-march=native"


def _built(command: list[str]) -> Path:
    """Return the library's path; it is compiled where the cache has none."""
    package = resources.files("irllrec.native")
    contents = {name: package.joinpath(name).read_bytes() for name in FILES}
    version = subprocess.run(
        [command[0], "--version"], capture_output=True, timeout=BUILD_SECONDS, check=True
    )
    identity = [*contents.values(), *(part.encode() for part in command), version.stdout, _processor()]
    digest = hashlib.sha256(b"\0".join(identity)).hexdigest()[:20]
    folder = Path(platformdirs.user_cache_dir("irllrec-repro")) / "kernels"
    path = folder / f"kernels-{digest}.so"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            for name, content in contents.items():
                (Path(scratch) / name).write_bytes(content)
            made = str(Path(scratch) / path.name)
            subprocess.run(
                [*command, *(str(Path(scratch) / name) for name in SOURCES), "-o", made],
                capture_output=True,
                text=True,
                timeout=BUILD_SECONDS,
                check=True,
            )
            # Others may build at the same time; whoever is last puts the same file there.
            os.replace(made, path)
    return path


def _processor() -> bytes:
    """Return what tells processors apart, so that a cache shared by machines serves each its own."""
    information = Path("/proc/cpuinfo")
    if not information.is_file():
        return f"{platform.machine()} {platform.processor()}".encode()
    telling = (b"model name", b"flags", b"Features", b"CPU part")
    lines = information.read_bytes().splitlines()
    return b"\n".join(sorted({line for line in lines if line.startswith(telling)}))


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    for name in ("query_padding", "table_padding", "width_padding"):
        getattr(library, name).restype = _COUNT
    library.scratch_size.argtypes, library.scratch_size.restype = [_COUNT] * 2, _COUNT
    sides: list[Any] = [*[_POINTER] * 2, *[_COUNT] * 3, *[_POINTER] * 3]
    library.pack.argtypes = [_POINTER, *[_COUNT] * 3, _POINTER]
    library.contrast.argtypes = [*sides, _COUNT, *[_POINTER] * 2, ctypes.c_double, *[_POINTER] * 4]
    library.distil.argtypes = [*sides, _POINTER, _COUNT, *[_POINTER] * 6]
    for name in ("pack", "contrast", "distil"):
        getattr(library, name).restype = None
    edges: list[Any] = [*[_POINTER] * 4, *[_COUNT] * 3]
    library.sparse_product.argtypes = [*edges, *[_POINTER] * 3]
    library.edge_products.argtypes = [*edges, _POINTER]
    for name in ("sparse_product", "edge_products"):
        getattr(library, name).restype = None
    return library
