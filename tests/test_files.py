"""A file or folder is whole, or it is as it was before: whatever happens while it is written."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fixtures.tiny import environment

from mmf_teach import files

KILLS = 4                                    # moments at which a writer is killed; more only take longer
LONGEST_LIFE_S = 0.05                        # of a writer before it is killed: some twenty of its writes
MEBIBYTE = 1 << 20


def content(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_was_written_is_read_back_and_nothing_else_is_there(tmp_path):
    files.write_file(tmp_path / "new" / "deep" / "file.bin", b"\x00new\r\n")
    assert content(tmp_path) == {"new/deep/file.bin": b"\x00new\r\n"}
    files.write_file(tmp_path / "new" / "deep" / "file.bin", b"")
    assert content(tmp_path) == {"new/deep/file.bin": b""}


@pytest.mark.parametrize("failure", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, moment, failure):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*_):
        raise failure

    monkeypatch.setattr(os, moment, fail)
    with pytest.raises(type(failure)):
        files.write_file(path, b"new")
    assert content(tmp_path) == {"file": b"old"}


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from mmf_teach import files
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
path = Path(sys.argv[1])
try:
    if sys.argv[2] == "file":
        files.write_file(path, bytes(5000))
    else:
        with files.new_folder(path) as folder:
            (folder / "small").write_bytes(b"new")
            (folder / "large").write_bytes(bytes(5000))
except OSError:
    sys.exit(7)
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_disk_that_is_full_after_a_part_was_written_leaves_the_old_and_no_litter(tmp_path, kind):
    """The system refuses the bytes after the thousandth, as a full disk does."""
    if kind == "file":
        (tmp_path / "it").write_bytes(b"old")
    else:
        (tmp_path / "it").mkdir()
        (tmp_path / "it" / "small").write_bytes(b"old")
    before = content(tmp_path)
    command = [sys.executable, "-c", FULL_DISK, tmp_path / "it", kind]
    assert subprocess.run(command, env=environment()).returncode == 7
    assert content(tmp_path) == before


def test_the_content_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    path, order, replace = tmp_path / "file", [], os.replace

    def fsync(descriptor):
        order.append(("fsync", os.fstat(descriptor).st_size))

    def rename(old, new):
        order.append(("replace", Path(new)))
        replace(old, new)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", rename)
    files.write_file(path, b"four")
    assert order == [("fsync", 4), ("replace", path)]


WRITE_FOREVER = """
import sys
from pathlib import Path
from mmf_teach import files
path = Path(sys.argv[1])
print("ready", flush=True)
while True:
    for letter in b"ab":
        files.write_file(path, bytes([letter]) * (1 << 20))
"""


def test_a_writer_killed_at_any_moment_leaves_a_whole_file(tmp_path):
    path, moments = tmp_path / "file", random.Random(0)
    path.write_bytes(b"a" * MEBIBYTE)
    for _ in range(KILLS):
        command = [sys.executable, "-c", WRITE_FOREVER, path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment()) as writer:
            writer.stdout.readline()
            time.sleep(moments.uniform(0, LONGEST_LIFE_S))
            writer.send_signal(signal.SIGKILL)
        found = path.read_bytes()
        assert len(found) == MEBIBYTE and len(set(found)) == 1


def test_a_file_is_as_readable_as_one_written_the_usual_way(tmp_path):
    before = os.umask(0o022)
    try:
        files.write_file(tmp_path / "file", b"")
        with files.new_folder(tmp_path / "folder") as folder:
            (folder / "inside").write_bytes(b"")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("old", [None, {"old": b"1", "both": b"1"}])
def test_a_new_folder_takes_the_place_of_the_old_one_whole(tmp_path, old):
    for name, text in (old or {}).items():
        (tmp_path / "it").mkdir(exist_ok=True)
        (tmp_path / "it" / name).write_bytes(text)
    before = content(tmp_path)
    with files.new_folder(str(tmp_path / "it")) as folder:
        (folder / "both").write_bytes(b"2")
        (folder / "deep").mkdir()
        (folder / "deep" / "new").write_bytes(b"2")
        assert {name: text for name, text in content(tmp_path).items() if name.startswith("it/")} == before
    assert content(tmp_path) == {"it/both": b"2", "it/deep/new": b"2"}
    assert [path.name for path in tmp_path.iterdir()] == ["it"]


@pytest.mark.parametrize("failure", [ValueError(), KeyboardInterrupt()])
def test_a_block_that_fails_leaves_the_old_folder_and_no_litter(tmp_path, failure):
    (tmp_path / "it").mkdir()
    (tmp_path / "it" / "old").write_bytes(b"1")
    with pytest.raises(type(failure)), files.new_folder(tmp_path / "it") as folder:
        (folder / "new").write_bytes(b"2")
        raise failure
    assert content(tmp_path) == {"it/old": b"1"}
    assert [path.name for path in tmp_path.iterdir()] == ["it"]


@pytest.mark.parametrize("which", [1, 2])
def test_a_folder_that_cannot_be_moved_into_its_place_leaves_the_old_one(tmp_path, monkeypatch, which):
    (tmp_path / "it").mkdir()
    (tmp_path / "it" / "old").write_bytes(b"1")
    replace, calls = os.replace, []

    def rename(old, new):
        calls.append(new)
        if len(calls) == which:
            raise OSError(errno.EACCES, "Permission denied")
        replace(old, new)

    monkeypatch.setattr(os, "replace", rename)
    with pytest.raises(OSError, match="Permission"), files.new_folder(tmp_path / "it") as folder:
        (folder / "new").write_bytes(b"2")
    assert content(tmp_path) == {"it/old": b"1"}
    assert [path.name for path in tmp_path.iterdir()] == ["it"]


FILL_FOREVER = """
import sys, time
from mmf_teach import files
with files.new_folder(sys.argv[1]) as folder:
    (folder / "new").write_bytes(b"2")
    print("ready", flush=True)
    time.sleep(600)
"""


def test_a_process_killed_while_it_fills_a_folder_leaves_the_old_one(tmp_path):
    (tmp_path / "it").mkdir()
    (tmp_path / "it" / "old").write_bytes(b"1")
    with subprocess.Popen(
        [sys.executable, "-c", FILL_FOREVER, tmp_path / "it"], stdout=subprocess.PIPE, env=environment(),
    ) as filler:
        assert filler.stdout.readline() == b"ready\n"
        filler.send_signal(signal.SIGKILL)
    assert content(tmp_path / "it") == {"old": b"1"}
