"""Every result in data/ is listed with its checksum, licence and origin, and is what it was."""

import hashlib
import tomllib

import pytest

from mmf_teach.paths import DATA
from mmf_teach.tools import manifest

KEPT, OTHER = b"kept\r\n", b"other"


@pytest.fixture
def data(monkeypatch, tmp_path):
    """A data folder of two results, a recipe and a download, and a function that writes its manifest."""
    for name, content in {"a/one.json": KEPT, "two.bin": OTHER, "recipe.toml": b"", "cache/text.txt": b"x"}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(manifest, "DATA", tmp_path)
    entries = {name: {"sha256": hashlib.sha256(content).hexdigest(), "licence": "Apache-2.0", "origin": "here"}
               for name, content in {"a/one.json": KEPT, "two.bin": OTHER}.items()}

    def write(**changes):
        for name, change in changes.items():
            entries[name.replace("_", "/", 1) + (".json" if name == "a_one" else ".bin")] |= change
        tables = [f'["{name}"]\n' + "".join(f'{k} = "{v}"\n' for k, v in entry.items() if v is not None)
                  for name, entry in entries.items()]
        (tmp_path / "manifest.toml").write_text("\n".join(tables), "utf-8")
        return tmp_path

    write.entries = entries
    write()
    return write


def test_the_manifest_of_the_project_and_its_files_agree():
    assert manifest.problems() == []


def test_every_entry_of_the_project_says_where_the_file_came_from():
    listed = tomllib.loads((DATA / "manifest.toml").read_text("utf-8"))
    assert set(listed) == set(manifest.data_files())
    for entry in listed.values():
        assert set(entry) >= {"sha256", "licence", "origin"} and len(entry["sha256"]) == 64
        assert all(entry.values())


def test_results_are_all_files_but_downloads_and_what_is_written_by_hand(data):
    assert manifest.data_files() == ["a/one.json", "two.bin"]
    assert manifest.problems() == []


def test_a_file_that_crept_in_is_named(data):
    (data() / "a" / "new.json").write_bytes(b"")
    assert manifest.problems() == ["data/a/new.json is not in data/manifest.toml"]


def test_a_file_that_is_gone_is_named_with_what_to_do(data):
    (data() / "two.bin").unlink()
    assert manifest.problems() == ["data/two.bin is missing: get the project anew"]


@pytest.mark.parametrize("content", [b"", OTHER + b"\n", b"othes"])
def test_a_file_that_was_changed_is_named_with_its_checksum(data, content):
    (data() / "two.bin").write_bytes(content)
    found = hashlib.sha256(content).hexdigest()
    assert manifest.problems() == [f"data/two.bin has been changed: its SHA-256 is {found}"]


@pytest.mark.parametrize("entry", ["sha256", "licence", "origin"])
def test_an_entry_that_does_not_say_enough_is_named(data, entry):
    data(two={entry: None})
    assert manifest.problems() == [f"data/manifest.toml says no {entry} of two.bin"]


def test_all_disagreements_are_said_at_once(data):
    folder = data(two={"licence": None, "origin": None})
    (folder / "a" / "one.json").unlink()
    (folder / "third").write_bytes(b"")
    assert manifest.problems() == [
        "data/third is not in data/manifest.toml", "data/a/one.json is missing: get the project anew",
        "data/manifest.toml says no licence and no origin of two.bin",
    ]
