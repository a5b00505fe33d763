"""Compiled code notices a change in any source that it is made from, and what nobody uses any more is removed."""

import os
import shutil
import subprocess
import sys
import time

import pytest
from fixtures.tiny import ROOT
from test_imports import MODULES, group, imports

import course
from mmf_teach.engine import compilation_cache
from mmf_teach.engine.intrinsics import simd
from mmf_teach.ternary import fixed_point as fp

RESCALED = """
import numpy as np
from mmf_teach.engine.fixed_point import add_rescaled
x, one = np.zeros((1, 1), np.int64), np.ones(1, np.int64)
add_rescaled(x, np.array([[5]], np.int32), one << 24, 1 << 24, 0 * one, 0, (0, 1))
print(x[0, 0])                               # 5.0
"""
FIVE = str(5 << fp.ACTIVATION)
PRODUCT = """
import numpy as np
from mmf_teach.engine.ternary_matmul.choice import LADDER
pairs = next(one for one in LADDER if one.name == "pairs")
print(pairs.product(np.full((1, 4), 7, np.int8), pairs.pack(np.ones((1, 4), np.int8)))[0, 0])
"""
NOTHING = "import mmf_teach.engine"


@pytest.fixture
def copy(tmp_path):
    """A checkout of its own, with nothing compiled in it."""
    for package in ("mmf_teach", "hardware_sim"):
        shutil.copytree(ROOT / package, tmp_path / "copy" / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "copy"


def python(copy, code, **variables):
    """What a new process prints, and its sentences."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "MMF_CACHE")}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=copy, env=kept | {"PYTHONPATH": str(copy)} | variables, capture_output=True,
        text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip(), done.stderr


def change(copy, file, old, new):
    path = copy / file
    source = path.read_text("utf-8")
    assert source.count(old) == 1
    path.write_text(source.replace(old, new), "utf-8")


def test_a_changed_constant_of_the_definition_changes_what_was_compiled(copy):
    before, _ = python(copy, RESCALED)
    change(copy, "mmf_teach/ternary/fixed_point.py", "SCALE = 12, 15, 16, 24", "SCALE = 12, 15, 16, 23")
    after, _ = python(copy, RESCALED)
    assert before == FIVE != after


@pytest.mark.skipif("avx2" not in simd.features(), reason="no AVX2 here")
def test_a_changed_helper_changes_the_products_of_its_callers(copy):
    assert python(copy, PRODUCT)[0] == "28"
    change(copy, "mmf_teach/engine/intrinsics/simd.py", "builder.add(*arguments)", "builder.sub(*arguments)")
    assert python(copy, PRODUCT)[0] != "28"


def test_what_has_not_changed_is_compiled_once(copy):
    python(copy, RESCALED)
    compiled = sorted((copy / "data/cache/compiled").rglob("*.nbc"))
    assert compiled and len({path.parent.parent for path in compiled}) == 1
    written = [path.stat().st_mtime_ns for path in compiled]
    python(copy, RESCALED)
    assert sorted((copy / "data/cache/compiled").rglob("*.nbc")) == compiled
    assert [path.stat().st_mtime_ns for path in compiled] == written


def test_a_folder_is_of_all_sources_and_of_what_compiles_them(copy, monkeypatch):
    names = {compilation_cache.digest(copy)}
    for file in ("mmf_teach/engine/barrier.py", "mmf_teach/ternary/trits.py", "hardware_sim/ternary_core/isa.py"):
        (copy / file).write_text((copy / file).read_text("utf-8") + "\n", "utf-8")
        names.add(compilation_cache.digest(copy))
    monkeypatch.setattr(compilation_cache, "processor", lambda: "another")
    names.add(compilation_cache.digest(copy))
    monkeypatch.setattr(compilation_cache, "features", lambda: frozenset({"another"}))
    names.add(compilation_cache.digest(copy))
    assert len(names) == 6
    (copy / "mmf_teach/layers/glu.py").write_text("", "utf-8")
    assert compilation_cache.digest(copy) in names


def test_all_that_a_module_with_compiled_functions_imports_is_a_source():
    """But for what it only calls from Python, or writes into signatures."""
    called = {"files", "hardware", "paths", "reference", "layers", "shapes", "model", "quantity", "training"}
    sources = {path for pattern in compilation_cache.SOURCES for path in ROOT.glob(pattern)}
    compiled = [path for path in sources if "@njit" in path.read_text("utf-8")]
    assert len(compiled) > 10 and not any("@njit" in MODULES[name].read_text("utf-8") for name in MODULES
                                          if MODULES[name] not in sources)
    for path in compiled:
        for line, name in imports(path.read_text("utf-8")):
            assert MODULES[name] in sources or group(name) in called, f"{path}, line {line}"


def test_the_launcher_looks_at_the_same_sources():
    assert course.SOURCES == compilation_cache.SOURCES


def test_a_copy_that_cannot_be_written_uses_the_users_own_folder_or_a_temporary_one(copy, tmp_path):
    """Here by a file where the folder would have to be, for whoever runs the tests may be root."""
    (copy / "data").write_text("")
    home = tmp_path / "home"
    assert python(copy, RESCALED, HOME=str(home), XDG_CACHE_HOME="") == (FIVE, "") and list(home.rglob("*.nbc"))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    no_home = {"HOME": str(copy / "data"), "XDG_CACHE_HOME": "", "TMPDIR": str(temporary)}
    assert python(copy, RESCALED, **no_home) == (FIVE, "") and list(temporary.rglob("*.nbc"))


def test_where_nothing_can_be_written_one_sentence_says_so_and_all_is_compiled(copy):
    (copy / "data").write_text("")
    nowhere = "import tempfile; tempfile.gettempdir = lambda: 'data/nowhere'" + RESCALED
    printed, said = python(copy, nowhere, HOME=str(copy / "data"), XDG_CACHE_HOME="")
    assert printed == FIVE and said.count("\n") == 1 and "are compiled anew each time" in said


def test_the_folder_that_the_user_chose_for_numba_is_used(copy, tmp_path):
    assert python(copy, RESCALED, NUMBA_CACHE_DIR=str(tmp_path / "chosen"))[0] == FIVE
    assert list((tmp_path / "chosen").rglob("*.nbc")) and not (copy / "data").exists()


def test_the_folder_of_another_user_is_not_taken(tmp_path, monkeypatch):
    if not hasattr(os, "getuid"):
        pytest.skip("no users here")
    monkeypatch.setattr(compilation_cache.os, "getuid", lambda: 12345)
    with pytest.raises(PermissionError, match="somebody else's"):
        compilation_cache.claim(tmp_path / "checkout" / "folder")


@pytest.mark.skipif(compilation_cache.fcntl is None, reason="no locks here")
def test_only_what_nobody_has_used_for_a_week_is_removed(copy):
    python(copy, NOTHING)
    (checkout,) = (copy / "data/cache/compiled").iterdir()
    (current,) = checkout.iterdir()
    other, old, young = checkout.with_name("other") / "old", checkout / "old", checkout / "young"
    for folder in (other, old, young):
        shutil.copytree(current, folder)
    long_ago = time.time() - compilation_cache.KEPT_S - 60
    for folder in (other, old, current):
        os.utime(folder, (long_ago, long_ago))
    python(copy, NOTHING)
    assert sorted(checkout.iterdir()) == sorted([current, young]) and other.exists()


@pytest.mark.skipif(compilation_cache.fcntl is None, reason="no locks here")
def test_what_a_living_process_uses_is_kept_however_old(copy):
    living = subprocess.Popen(
        [sys.executable, "-c", f"{NOTHING}; print(flush=True); input()"], cwd=copy, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(copy), "MMF_CACHE": "", "NUMBA_CACHE_DIR": ""})
    living.stdout.readline()
    (folder,) = (copy / "data/cache/compiled").glob("*/*")
    change(copy, "mmf_teach/engine/barrier.py", "PATIENCE = 4000", "PATIENCE = 4001")
    long_ago = time.time() - compilation_cache.KEPT_S - 60
    os.utime(folder, (long_ago, long_ago))
    python(copy, NOTHING)
    assert folder.exists()
    living.communicate(b"\n", timeout=30)
    python(copy, NOTHING)
    assert not folder.exists() and len(list(folder.parent.iterdir())) == 1
