"""Where compiled code is kept: a folder named by a hash of everything that it is made from.

Course    notebook 04, "Fast kernels"

numba itself looks at the file of the compiled function and no further (numba issue 1833): with a changed helper or a
changed constant in another file old machine code stays in use, and nothing says so. So numba is given a folder that
belongs to these sources, this Python, this numba and this processor. The package `engine` sees to it before any of its
modules is imported, for numba asks for the folder when it meets a function.

It lies in the project's own cache folder; where that cannot be written, in the user's, or among the temporary files.
A folder that was last used a week ago and that no process has in use is removed; other checkouts have their own.
"""

import hashlib
import os
import shutil
import sys
import tempfile
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TextIO

import numba
from numba.core.dispatcher import Dispatcher

from mmf_teach.engine.intrinsics.simd import features
from mmf_teach.hardware import processor
from mmf_teach.paths import ROOT, cache

try:
    import fcntl
except ImportError:                          # Windows: there a folder's age alone must do
    fcntl = None

SOURCES = (                                  # all but the first have constants that compiled code takes in
    "mmf_teach/engine/**/*.py", "mmf_teach/ternary/*.py", "hardware_sim/*.py", "hardware_sim/ternary_core/**/*.py")
KEPT_S = 7 * 24 * 3600                       # seconds: so one can go back and forth between two branches
_in_use: list[TextIO] = []                   # open files, whose locks end with this process


def digest(root: Path = ROOT) -> str:
    """The name of the folder: another one for each change that could make other machine code."""
    made_by = sys.version, numba.__version__, processor(), sorted(features())
    found = hashlib.sha256(repr(made_by).encode())
    for path in sorted(path for pattern in SOURCES for path in root.glob(pattern)):
        found.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()[:16]


def places() -> list[Path]:
    """Folders that may be written, the best first. What the user chose for numba is the only one then."""
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        return [Path(chosen)]
    home = os.environ.get("LOCALAPPDATA") or os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    user = os.getuid() if hasattr(os, "getuid") else ""
    return [cache() / "compiled", Path(home) / "mmf_teach", Path(tempfile.gettempdir()) / f"mmf_teach-{user}"]


def claim(folder: Path) -> None:
    """Make the folder if need be, and keep others from removing it as long as this process lives."""
    while True:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if hasattr(os, "getuid") and folder.parent.stat().st_uid != os.getuid():
            raise PermissionError(f"{folder.parent} is somebody else's: code is not taken from there")
        folder.mkdir(exist_ok=True)
        os.utime(folder)
        lock = open(folder / "in_use", "a", encoding="utf-8")
        with suppress(OSError):              # a file system without locks: no folder of it is ever removed
            if fcntl:
                fcntl.flock(lock, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):    # it was being removed just now: once more
            if os.path.samestat(os.fstat(lock.fileno()), os.stat(folder / "in_use")):
                _in_use.append(lock)
                return


def remove_unused(place: Path) -> None:
    """Remove the folders in `place` that nobody has used for a week. Those in use are locked."""
    for folder in place.iterdir():
        with suppress(OSError):
            if time.time() - folder.stat().st_mtime < KEPT_S:
                continue
            with open(folder / "in_use", "a", encoding="utf-8") if fcntl else nullcontext() as lock:
                if fcntl:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                unused = folder.with_name(f"{folder.name}.unused")           # in one step: nobody finds half of it
                os.replace(folder, unused)
            shutil.rmtree(unused)


def use_folder() -> Path | None:
    """Have numba keep its code in the folder of these sources. None, and a sentence, where nothing can be written."""
    checkout = f"{ROOT.name}-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
    for place in places():
        folder = place / checkout / digest()
        try:
            claim(folder)
            remove_unused(folder.parent)
        except OSError:
            continue
        numba.config.CACHE_DIR = str(folder)
        return folder
    Dispatcher.enable_caching = lambda self: None            # numba would refuse the first function it meets
    print(
        f"Nothing can be written to {places()[0]}: kernels are compiled anew each time, which takes seconds. Let "
        "MMF_CACHE name a folder of yours.", file=sys.stderr)
    return None


FOLDER = use_folder()
