"""The texts: fetched whole or not at all, kept, split the same way for everybody."""

import hashlib
import http.server
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest
from fixtures.tiny import environment
from hypothesis import given, strategies as st

from mmf_teach import paths
from mmf_teach.training import corpus

GOOD = b"First Citizen:\nBefore we proceed any further, hear me speak.\n" * 20
SHA256 = hashlib.sha256(GOOD).hexdigest()
ENDLESS_BYTES = 64 << 20                     # where an endless answer ends after all, should nobody hang up
REAL_COPY = paths.DATA / "cache" / "tinyshakespeare.txt"


class Answers(http.server.BaseHTTPRequestHandler):
    """What a server may do, good and bad, by the path asked for."""

    asked: list[str]
    cut_off: threading.Event

    def do_GET(self):
        self.asked.append(self.path)
        getattr(self, self.path.strip("/"))()

    def start(self, code: int = 200, **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def send(self, body: bytes):
        self.start(Content_Length=len(body))
        self.wfile.write(body)

    def good(self):
        self.send(GOOD)

    def truncated(self):
        self.send(GOOD[:-1])

    def one_too_many(self):
        self.send(GOOD + b"\n")

    def other_content(self):
        self.send(GOOD[:-1] + b" ")

    def not_there(self):
        self.start(404)

    def closes_early(self):
        self.start(Content_Length=len(GOOD))
        self.wfile.write(GOOD[:100])

    def closes_early_in_a_chunk(self):
        self.start(Transfer_Encoding="chunked")
        self.wfile.write(b"%x\r\n" % len(GOOD) + GOOD[:100])

    def speaks_no_http(self):
        self.wfile.write(b"220 mail.example.org\r\n")

    def hangs(self):
        self.cut_off.wait(10)

    def hangs_half_way(self):
        self.start(Content_Length=len(GOOD))
        self.wfile.write(GOOD[:100])
        self.cut_off.wait(10)

    def endless(self):
        self.start()
        try:
            for _ in range(ENDLESS_BYTES >> 16):
                self.wfile.write(bytes(1 << 16))
        except ConnectionError:
            self.cut_off.set()

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """A server on loopback: its address, what it was asked, and whether a caller hung up on it."""
    monkeypatch.setenv("no_proxy", "*")
    handler = type("Handler", (Answers,), {"asked": [], "cut_off": threading.Event()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, args=(0.02,))
        thread.start()
        handler.address = f"http://127.0.0.1:{running.server_port}"
        yield handler
        handler.cut_off.set()
        running.shutdown()
        thread.join()


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(urllib.request, "urlopen", refuse)


@pytest.fixture
def small_shakespeare(monkeypatch, tmp_path):
    """A text of our own in place of the real one, and a cache that is empty."""
    monkeypatch.setenv("MMF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(corpus, "SHAKESPEARE_BYTES", len(GOOD))
    monkeypatch.setattr(corpus, "SHAKESPEARE_SHA256", SHA256)
    return tmp_path / "cache" / "tinyshakespeare.txt"


def test_a_file_that_arrives_as_expected_is_kept(server, tmp_path):
    path = tmp_path / "cache" / "text"
    corpus.download(f"{server.address}/good", path, len(GOOD), SHA256)
    assert path.read_bytes() == GOOD and list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("answer", [
    "truncated", "one_too_many", "other_content", "not_there", "closes_early", "closes_early_in_a_chunk",
    "speaks_no_http", "hangs", "hangs_half_way", "endless",
])
def test_whatever_else_arrives_is_told_in_one_sentence_and_nothing_is_kept(server, tmp_path, monkeypatch, answer):
    urlopen, patience_s = urllib.request.urlopen, []

    def impatient(address, timeout):
        patience_s.append(timeout)
        return urlopen(address, timeout=0.3)

    monkeypatch.setattr(urllib.request, "urlopen", impatient)
    path, address = tmp_path / "text", f"{server.address}/{answer}"
    with pytest.raises((OSError, ValueError)) as told:
        corpus.download(address, path, len(GOOD), SHA256)
    assert type(told.value) in (OSError, ValueError)
    assert address in str(told.value) and "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []
    assert 0 < patience_s[0] <= 60


def test_an_answer_without_end_is_hung_up_on(server, tmp_path):
    with pytest.raises(ValueError, match="something else"):
        corpus.download(f"{server.address}/endless", tmp_path / "text", len(GOOD), SHA256)
    assert server.cut_off.wait(10)


def test_a_server_that_is_not_there_is_told_in_one_sentence_with_a_way_out(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{probe.getsockname()[1]}/good"
    with pytest.raises(OSError, match=r"refused.*standard_library needs no network") as told:
        corpus.download(address, tmp_path / "text", len(GOOD), SHA256)
    assert address in str(told.value) and "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_shakespeare_is_fetched_once_and_then_read_from_the_cache(server, monkeypatch, small_shakespeare):
    monkeypatch.setattr(corpus, "SHAKESPEARE_ADDRESS", f"{server.address}/good")
    first, second = corpus.shakespeare(), corpus.shakespeare()
    assert first == second and first.text.encode("utf-8") == GOOD == small_shakespeare.read_bytes()
    assert server.asked == ["/good"]


def test_a_copy_in_the_cache_needs_no_network(no_network, small_shakespeare):
    small_shakespeare.parent.mkdir()
    small_shakespeare.write_bytes(GOOD)
    assert corpus.shakespeare().text.encode("utf-8") == GOOD


@pytest.mark.parametrize("damaged", [GOOD[:-1], b"", GOOD[:-1] + b" "])
def test_a_damaged_copy_in_the_cache_is_refused_and_what_to_do_is_said(no_network, small_shakespeare, damaged):
    small_shakespeare.parent.mkdir()
    small_shakespeare.write_bytes(damaged)
    with pytest.raises(ValueError, match="remove it") as told:
        corpus.shakespeare()
    assert str(small_shakespeare) in str(told.value)
    assert small_shakespeare.read_bytes() == damaged


def test_the_cache_lies_in_the_project_unless_mmf_cache_says_otherwise(monkeypatch, tmp_path):
    monkeypatch.setenv("MMF_CACHE", str(tmp_path))
    assert paths.cache() == tmp_path
    monkeypatch.setenv("MMF_CACHE", "")
    assert paths.cache() == paths.DATA / "cache"
    monkeypatch.delenv("MMF_CACHE")
    assert paths.cache() == paths.DATA / "cache"


@pytest.mark.skipif(not REAL_COPY.exists(), reason="tiny Shakespeare is not in data/cache")
def test_the_real_shakespeare_has_a_million_characters_and_65_letters(no_network, monkeypatch):
    monkeypatch.delenv("MMF_CACHE", raising=False)
    text = corpus.shakespeare()
    assert (len(text.text), len(text.vocabulary)) == (1_115_394, 65)
    assert (len(text.train), len(text.held_out)) == (1_003_854, 111_540)


@given(text=st.text(min_size=1))
def test_the_first_nine_tenths_are_learnt_from_and_the_rest_is_held_out(text):
    whole = corpus.Corpus.of("some", text)
    train, held_out = whole.vocabulary.decode(whole.train), whole.vocabulary.decode(whole.held_out)
    assert train + held_out == text
    assert 0 <= 0.9 * len(text) - len(train) < 1


@pytest.fixture(scope="module")
def library():
    return corpus.standard_library()


def test_the_standard_library_is_millions_of_printable_characters(library):
    assert len(library.text) > 3_000_000
    assert library.vocabulary.symbols == ("\n", *map(chr, range(32, 127)))
    assert set(library.text) <= set(library.vocabulary.symbols)
    assert "\ndef " in library.text and "\nclass " in library.text


READ_WITHOUT_IMPORTING = """
import hashlib, socket, sys
socket.socket.connect = lambda *_: sys.exit("the network was asked")
from mmf_teach.training import corpus
import tokenize                              # what reading a source file itself needs, like the encodings
before = set(sys.modules)
text = corpus.standard_library().text
imported = sorted(name for name in set(sys.modules) - before if not name.startswith("encodings."))
print(hashlib.sha256(text.encode()).hexdigest(), *imported)
"""


def test_the_standard_library_is_read_alike_by_another_process_which_imports_none_of_it(library):
    command = [sys.executable, "-c", READ_WITHOUT_IMPORTING]
    read = subprocess.run(command, capture_output=True, text=True, check=True, env=environment(PYTHONHASHSEED="5"))
    assert read.stdout.split() == [hashlib.sha256(library.text.encode()).hexdigest()]


@pytest.fixture
def library_of(monkeypatch, tmp_path):
    """A standard library made of the given files."""
    def make(files: dict[str, bytes]) -> str:
        for name, content in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(content)
        monkeypatch.setattr(sys, "path", [str(tmp_path)])
        names = {Path(name).parts[0].removesuffix(".py") for name in files}
        monkeypatch.setattr(sys, "stdlib_module_names", frozenset(names | {"mmf_missing"}))
        return corpus.standard_library().text

    return make


def test_modules_of_a_package_are_read_in_order_and_its_tests_are_not(library_of):
    read = library_of({
        "mmf_b.py": b"last = 1", "mmf_a/__init__.py": b"first = 1", "mmf_a/z.py": b"third = 1",
        "mmf_a/c.py": b"\tsecond = 1", "mmf_a/tests/__init__.py": b"no = 1", "mmf_a/tests/deep.py": b"no = 1",
        "test/__init__.py": b"no = 1", "mmf_a/idlelib.py": b"no = 1",
    })
    assert read == "first = 1\n    second = 1\nthird = 1\nlast = 1"


def test_tests_tables_and_installers_are_no_lessons(library_of):
    names = ("test", "idlelib", "lib2to3", "distutils", "ensurepip", "pydoc_data", "encodings")
    assert library_of({f"{name}/__init__.py": b"no = 1" for name in names} | {"mmf_a.py": b"a = 1"}) == "a = 1"


@pytest.mark.parametrize("bad", [
    b"# no UTF-8: \xff\xfe", b"# coding: no-such-encoding\n", b"# coding: ascii\n# \xc3\xa9",
    "# a letter of no ASCII: é".encode(), b"# a form feed: \x0c", b"",
], ids=["no UTF-8", "unknown encoding", "wrong encoding", "no ASCII", "form feed", "empty"])
def test_modules_that_cannot_be_read_or_hold_other_signs_are_left_out(library_of, bad):
    files = {"mmf_a.py": b"a = 1", "mmf_bad.py": bad, "mmf_c/__init__.py": b"c = 1", "mmf_c/bad.py": bad}
    assert library_of(files) == "a = 1\nc = 1"


def test_the_grammar_is_the_same_text_every_time(monkeypatch):
    class Short(corpus.Grammar):
        def text(self, length, seed):
            assert length == 2_000_000
            return super().text(1000, seed)

    monkeypatch.setattr(corpus, "Grammar", Short)
    assert corpus.grammar() == corpus.grammar() and corpus.grammar().name == "grammar"


def test_a_corpus_is_loaded_by_its_name(monkeypatch):
    assert set(corpus.CORPORA) == {"shakespeare", "standard_library", "grammar"}
    one, other = corpus.Corpus.of("one", "a"), corpus.Corpus.of("other", "b")
    monkeypatch.setattr(corpus, "CORPORA", {"one": lambda: one, "other": lambda: other})
    assert corpus.load("one") is one and corpus.load("other") is other


def test_a_text_of_ones_own_is_a_corpus_too(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_bytes("Zoë says: äh.\n".encode())
    mine = corpus.load(str(path))
    assert (mine.name, mine.text) == ("mine.txt", "Zoë says: äh.\n")
    assert mine.vocabulary.symbols == tuple(sorted(set(mine.text)))


def test_what_is_no_text_is_refused_by_name(tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"binary is not a text in UTF-8"):
        corpus.load(str(tmp_path / "binary"))
    for name in (tmp_path / "missing", tmp_path):
        with pytest.raises(ValueError, match=r"neither a corpus .*shakespeare, standard_library, grammar") as told:
            corpus.load(str(name))
        assert str(name) in str(told.value)
