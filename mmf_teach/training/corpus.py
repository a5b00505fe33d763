"""Texts to train on: tiny Shakespeare, the reader's own standard library, and a language of known entropy.

Course    notebook 08, "Training with three values"

The standard split: the first 90 % of the characters to learn from, the last 10 % held out.
"""

import hashlib
import http.client
import importlib.machinery
import importlib.util
import pkgutil
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from jaxtyping import Int64
from numpy import ndarray

from mmf_teach.files import write_file
from mmf_teach.model.character_tokenizer import Vocabulary
from mmf_teach.paths import cache
from mmf_teach.training.grammar import Grammar

HELD_OUT = 0.1                               # share of the text, from its end

SHAKESPEARE_ADDRESS = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
SHAKESPEARE_BYTES = 1_115_394
SHAKESPEARE_SHA256 = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"

PRINTABLE = frozenset(chr(code) for code in range(32, 127)) | {"\n"}
NOT_A_LESSON = {"test", "idlelib", "lib2to3", "distutils", "ensurepip", "pydoc_data", "encodings", "__phello__"}


@dataclass(frozen=True)
class Corpus:
    name: str
    text: str
    vocabulary: Vocabulary

    @classmethod
    def of(cls, name: str, text: str) -> "Corpus":
        """A corpus whose vocabulary is the characters of its text."""
        return cls(name, text, Vocabulary.of(text))

    @property
    def split_at(self) -> int:
        """Where the held-out text begins."""
        return int(len(self.text) * (1 - HELD_OUT))

    @property
    def train(self) -> Int64[ndarray, "characters"]:
        """The part to learn from, as numbers."""
        return self.vocabulary.encode(self.text[: self.split_at])

    @property
    def held_out(self) -> Int64[ndarray, "characters"]:
        """The part that no training may see, as numbers."""
        return self.vocabulary.encode(self.text[self.split_at :])


def shakespeare() -> Corpus:
    """A million characters of Shakespeare's plays, downloaded once, checked by their SHA-256, then kept.

    OSError when they are not in the cache and cannot be fetched; ValueError when something else came instead.
    """
    path = cache() / "tinyshakespeare.txt"
    if not path.exists():
        download(SHAKESPEARE_ADDRESS, path, SHAKESPEARE_BYTES, SHAKESPEARE_SHA256)
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != SHAKESPEARE_SHA256:
        raise ValueError(f"{path} is not the text it should be (wrong SHA-256): remove it to fetch it again")
    return Corpus.of("shakespeare", content.decode("utf-8"))


def download(address: str, path: Path, size_bytes: int, sha256: str) -> None:
    """Fetch a file of known size and checksum; `path` comes into being only when both are right."""
    try:
        with urllib.request.urlopen(address, timeout=20) as answer:
            content = answer.read(size_bytes + 1)
    except (OSError, http.client.HTTPException) as problem:
        reason = str(getattr(problem, "reason", problem)).strip()
        raise OSError(f"could not fetch {address} ({reason}); the corpus standard_library needs no network") from None
    if len(content) != size_bytes or hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{address} gave something else than the text expected (size or SHA-256): not kept")
    write_file(path, content)


def standard_library() -> Corpus:
    """The source text of the Python that runs this, printable ASCII only: always there, no network needed."""
    files = []
    for name in sorted(sys.stdlib_module_names - NOT_A_LESSON):
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            continue
        files += _sources(spec) if spec else []
    text = "\n".join(file.expandtabs(4) for file in files if set(file) <= PRINTABLE | {"\t"})
    return Corpus("standard_library", text, Vocabulary(tuple(sorted(PRINTABLE))))


def _sources(spec: importlib.machinery.ModuleSpec) -> list[str]:
    """The source of a module and, for a package, of all modules inside; none is imported."""
    try:
        own = spec.loader.get_source(spec.name)
    except (AttributeError, ImportError, SyntaxError, UnicodeDecodeError):     # no source, or not to be decoded
        own = None
    sources = [own] if own else []
    for finder, name, _ in sorted(pkgutil.iter_modules(spec.submodule_search_locations or []), key=lambda m: m[1]):
        inner = finder.find_spec(name)
        if name not in NOT_A_LESSON and name != "tests" and inner:
            sources += _sources(inner)
    return sources


def grammar() -> Corpus:
    """Two million characters of the language whose entropy is known (`training.grammar`)."""
    return Corpus.of("grammar", Grammar().text(2_000_000, seed=0))


CORPORA = {"shakespeare": shakespeare, "standard_library": standard_library, "grammar": grammar}


def load(name: str) -> Corpus:
    """A corpus by its name, or by the path of a text file of the reader's own."""
    if name in CORPORA:
        return CORPORA[name]()
    path = Path(name)
    if not path.is_file():
        raise ValueError(f"{name!r} is neither a corpus ({', '.join(CORPORA)}) nor a text file")
    try:
        return Corpus.of(path.name, path.read_text("utf-8"))
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text in UTF-8") from None
