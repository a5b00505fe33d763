"""The doctor finds what is wrong with a machine, says what to do, and never falls ill itself."""

import importlib.metadata
import json
import os
import platform
import shutil
import sys
from collections import namedtuple
from pathlib import Path

import pytest
import torch

from mmf_teach import hardware
from mmf_teach.__main__ import main
from mmf_teach.model import checkpoint
from mmf_teach.tools import doctor, manifest
from mmf_teach.tools.doctor import BAD, GOOD, MISSING, Finding

Usage = namedtuple("Usage", "total used free")


def test_a_python_that_is_too_old_is_told_which_one_is_needed(monkeypatch):
    assert doctor.python() == Finding("Python", GOOD, platform.python_version())
    for version, state in (((3, 10, 14), BAD), ((3, 11, 0), GOOD), ((4, 0, 0), GOOD)):
        monkeypatch.setattr(sys, "version_info", version)
        assert doctor.python().state == state
    monkeypatch.setattr(sys, "version_info", (3, 10, 14))
    assert doctor.python().found.endswith(": 3.11 or newer is needed")


@pytest.fixture
def versions(monkeypatch):
    """Pretend that packages have these versions; None: not installed."""
    pretended, real = {}, importlib.metadata.version

    def version(name):
        if pretended.get(name, "") is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return pretended.get(name) or real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    return pretended


def test_packages_that_are_as_asked_are_listed_by_version(versions):
    found = doctor.packages()
    assert found.state == GOOD and f"torch {torch.__version__}" in found.found


@pytest.mark.parametrize(("name", "version", "said"), [
    ("plotly", None, "plotly>=6.0"), ("jupyterlab", None, "jupyterlab<5,>=4.4"),
    ("torch", "2.8.0", "torch<2.14,>=2.9 (here: 2.8.0)"), ("torch", "2.14.0", "torch<2.14,>=2.9 (here: 2.14.0)"),
])
def test_a_package_that_is_missing_or_of_another_version_is_named(versions, name, version, said):
    versions[name] = version
    found = doctor.packages()
    assert found.state == BAD and said in found.found and "course.py` installs them" in found.found


def test_a_build_or_a_candidate_of_the_right_version_is_right(versions):
    versions |= {"torch": "2.9.1+cu130", "numpy": "2.5.0rc1"}
    assert doctor.packages().state == GOOD


def test_all_that_is_wrong_with_packages_is_said_at_once(versions):
    versions |= {"plotly": None, "numpy": "1.26.0"}
    assert doctor.packages().found.startswith("needed: numpy>=2.0 (here: 1.26.0), plotly>=6.0;")


def test_no_gpu_is_no_fault(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert doctor.gpu().state == MISSING
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: "NVIDIA H200")
    assert doctor.gpu() == Finding("GPU", GOOD, "NVIDIA H200")


@pytest.mark.parametrize(("free_gb", "state"), [(0, BAD), (0.9, BAD), (1.5, GOOD), (800, GOOD)])
def test_a_disk_with_less_than_a_gigabyte_is_too_full(monkeypatch, free_gb, state):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10**12, 0, int(free_gb * 1e9)))
    found = doctor.disk()
    assert found.state == state and ("1 GB is needed" in found.found) == (state == BAD)


def test_a_cache_that_cannot_be_written_is_told_with_a_way_out(monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(os, "access", lambda path, mode: asked.append((Path(path), mode)))
    monkeypatch.setenv("MMF_CACHE", str(tmp_path))
    found = doctor.disk()
    assert asked == [(tmp_path, os.W_OK)]
    assert found == Finding("disk", BAD, f"{tmp_path} cannot be written to: set MMF_CACHE to a folder of yours")


def test_a_cache_that_is_not_there_yet_needs_a_folder_in_which_it_can_be_made(monkeypatch, tmp_path):
    monkeypatch.setenv("MMF_CACHE", str(tmp_path / "to" / "come"))
    assert doctor.disk().state == GOOD
    assert list(tmp_path.iterdir()) == []


def test_data_that_the_manifest_does_not_know_is_told(monkeypatch):
    monkeypatch.setattr(manifest, "problems", lambda: ["data/a is missing", "data/b has been changed"])
    assert doctor.data() == Finding("data", BAD, "data/a is missing; data/b has been changed")
    monkeypatch.setattr(manifest, "problems", lambda: [])
    assert doctor.data() == Finding("data", GOOD, f"{len(manifest.data_files())} files as they should be")


def test_the_model_is_loaded_and_heard_writing():
    found = doctor.model()
    assert found.state == GOOD
    assert int(found.found.partition("writes ")[2].partition(" letters per second (measured here)")[0]) > 0


def test_a_broken_model_is_told_in_the_words_of_whoever_failed_to_load_it(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "SHIPPED_MODEL", tmp_path)
    assert doctor.model() == Finding("model", BAD, f"{tmp_path} is no model: it holds no config.json")


def test_programs_that_are_nice_to_have_are_looked_for_under_all_their_names(monkeypatch):
    there = {"second": "/usr/bin/second", "third": "/usr/bin/third"}
    monkeypatch.setattr(shutil, "which", there.get)
    check = doctor.tool("Thing", ["first", "second", "third"], "a thing")
    assert check() == Finding("Thing", GOOD, "/usr/bin/second")
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert check() == Finding("Thing", MISSING, "needed only for a thing")


def test_every_check_is_made_and_one_that_breaks_is_a_finding(monkeypatch):
    def broken():
        raise RuntimeError("libcuda is no ELF file")

    monkeypatch.setattr(doctor, "CHECKS", [broken, doctor.machine, doctor.tool("T", [], "t"), broken])
    findings = doctor.examine()
    assert findings[0] == findings[3] == Finding("broken", BAD, "RuntimeError: libcuda is no ELF file")
    assert [finding.state for finding in findings[1:3]] == [GOOD, MISSING]
    assert findings[1].found.startswith(hardware.processor())


@pytest.mark.parametrize(("states", "ready"), [
    ([GOOD, MISSING], True), ([MISSING], True), ([GOOD, BAD, GOOD], False), ([BAD], False),
])
def test_a_machine_is_ready_when_nothing_needs_the_reader_and_the_exit_code_says_so(monkeypatch, capsys, states, ready):
    checks = [lambda state=state: Finding("it", state, "found") for state in states]
    monkeypatch.setattr(doctor, "CHECKS", checks)
    assert doctor.ready(doctor.examine()) == ready
    assert main(["doctor", "--json"]) == main(["doctor"]) == (0 if ready else 1)
    document, *lines = capsys.readouterr().out.splitlines()
    assert json.loads(document) == {
        "ready": ready, "findings": [{"what": "it", "state": state, "found": "found"} for state in states]}
    assert len(lines) == len(states)


def test_the_columns_of_the_table_are_aligned():
    states = {"a": BAD, "longest": GOOD, "mid": MISSING}
    findings = [Finding(what, state, f"{what}: here") for what, state in states.items()]
    lines = doctor.table(findings).splitlines()
    assert {line.index(finding.found) for line, finding in zip(lines, findings, strict=True)} == {9 + len(MISSING) + 2}
    assert {line.index(finding.state) for line, finding in zip(lines, findings, strict=True)} == {9}


def test_the_checks_of_the_course_are_these(monkeypatch):
    monkeypatch.setattr(checkpoint, "load_model", lambda folder: (_ for _ in ()).throw(ValueError("not now")))
    findings = {finding.what: finding.state for finding in doctor.examine()}
    assert list(findings) == [
        "Python", "packages", "processor", "GPU", "disk", "data", "model", "Chromium", "Yosys", "Verilator"]
    assert findings["model"] == BAD
    assert all(findings[name] == GOOD for name in ("Python", "packages", "processor"))


def test_the_machine_is_described_by_its_processor_and_the_versions_that_matter(monkeypatch):
    told = "flags: x\nmodel name\t: Test CPU: 9\nmodel name: B\n"
    monkeypatch.setattr(Path, "read_text", lambda self, encoding: told)
    assert hardware.processor() == "Test CPU: 9"
    assert hardware.describe() == (
        f"Test CPU: 9, {hardware.cores()} cores; torch {torch.__version__}; "
        f"Python {platform.python_version()}; {platform.system()}")
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda number: "NVIDIA H200")
    assert hardware.describe("cuda").startswith("NVIDIA H200; torch")


@pytest.mark.parametrize("content", ["nothing of use\n", None])
def test_a_processor_that_is_not_told_is_named_by_its_kind(monkeypatch, content):
    def read(self, encoding):
        if content is None:
            raise FileNotFoundError
        return content

    monkeypatch.setattr(Path, "read_text", read)
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert hardware.processor() == "riscv64"
    monkeypatch.setattr(platform, "processor", lambda: "i386")
    assert hardware.processor() == "i386"
