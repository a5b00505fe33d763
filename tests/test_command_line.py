"""`mmf`: numbers alone on standard output, one sentence on standard error, exit codes that a script can trust."""

import argparse
import importlib
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures.tiny import RECIPE, ROOT, environment, mmf, recipe_file

from mmf_teach.__main__ import COMMANDS, main
from mmf_teach.model.checkpoint import load_model
from mmf_teach.paths import DATA, SHIPPED_MODEL
from mmf_teach.training.validation_loss import loss_nats

pytestmark = pytest.mark.usefixtures("without_type_checks")
EXCERPT = DATA / "corpus" / "held_out_excerpt.txt"
PRINTED = 5e-5                               # nats: four decimals are printed
OPTIONS = {
    "generate": ["prompt", "--tokens", "--seed", "--temperature", "--model", "--engine", "--json"],
    "convert": ["FOLDER", "OUT", "--json"],
    "evaluate": ["--text", "--model", "--window", "--json"],
    "audit": [
        "--model", "--width", "--blocks", "--vocab", "--heads", "--kv-heads", "--size", "--checkpoint", "--tokens",
        "--form", "--float-head", "--formula", "--json"],
    "compare": ["--model", "--twin", "--size", "--context", "--batch", "--memory", "--json"],
    "train": ["recipe", "--out", "--device", "--corpus", "--steps", "--json"],
    "sweep": ["recipe", "trials", "--out", "--device", "--steps", "--only", "--json"],
    "build": ["NAME", "--check"],
    "progress": ["--export", "--name", "--json"],
    "bench": ["WHAT", "--json", "--quick"],
    "precompile": ["--quiet"],
    "doctor": ["--json"],
}


@pytest.fixture
def text(tmp_path):
    """The first 600 characters of held-out text, in a file."""
    path = tmp_path / "text.txt"
    path.write_bytes(EXCERPT.read_bytes()[:600])
    return path


def refused(arguments: list[str], capsys) -> str:
    """Run, see that it was refused as all commands refuse, and return the sentence."""
    capsys.readouterr()
    assert main(list(map(str, arguments))) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"mmf {arguments[0]}: ") and told.err.count("\n") == 1 and told.err.endswith("\n")
    return told.err


def test_the_list_of_commands_is_complete(capsys):
    files = {path.stem for path in (ROOT / "mmf_teach" / "tools" / "commands").glob("*.py")} - {"__init__"}
    assert files == set(COMMANDS) == set(OPTIONS)
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    shown = capsys.readouterr().out
    assert left.value.code == 0
    assert all(name in shown.split() and what in shown for name, what in COMMANDS.items())


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_names_its_options_and_says_what_each_is_for(command, capsys):
    with pytest.raises(SystemExit) as left:
        main([command, "--help"])
    shown = capsys.readouterr()
    assert left.value.code == 0 and shown.err == ""
    assert COMMANDS[command][1:] in shown.out
    assert all(option in shown.out for option in OPTIONS[command])
    parser = argparse.ArgumentParser(add_help=False)
    importlib.import_module(f"mmf_teach.tools.commands.{command}").add_arguments(parser)
    assert len(parser._actions) == len(OPTIONS[command]) and all(action.help for action in parser._actions)


@pytest.mark.parametrize("arguments", [
    [], ["unknown"], ["evaluate"], ["evaluate", "--text"], ["generate"], ["train", "recipe.toml"], ["doctor", "extra"],
    ["evaluate", "--text", "x", "--window", "many"], ["generate", "A", "--tokens", "1.5"], ["--json"],
    ["train", "recipe.toml", "--out", "x", "--device", "tpu"],
])
def test_what_is_asked_wrongly_exits_with_2_and_the_usage_on_standard_error(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    told = capsys.readouterr()
    assert left.value.code == 2 and told.out == "" and told.err.startswith("usage: mmf")


def test_mmf_is_python_m_mmf_teach():
    script, = importlib.metadata.entry_points(group="console_scripts", name="mmf")
    assert script.load() is main
    installed = Path(sys.executable).with_name("mmf")
    for arguments in (["--help"], ["unknown"], []):
        other = mmf(*arguments)
        assert (other.returncode, bool(other.stdout), bool(other.stderr)) == (
            (0, True, False) if "--help" in arguments else (2, False, True))
        if installed.exists():
            command = [installed, *arguments]
            one = subprocess.run(command, capture_output=True, text=True, env=environment())
            assert (one.returncode, one.stdout, one.stderr) == (other.returncode, other.stdout, other.stderr)


def test_the_list_of_commands_does_not_wait_for_torch():
    listing = "import sys; sys.argv[1:] = ['--help']; from mmf_teach.__main__ import main\n" \
              "try: main()\nfinally: sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", listing], capture_output=True, env=environment()).returncode == 0


def test_evaluate_ends_with_a_number_alone_on_its_line(text, capsys):
    assert main(["evaluate", "--text", str(text)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    model, vocabulary = load_model(SHIPPED_MODEL)
    assert last == f"{float(last):.4f}"
    assert float(last) == pytest.approx(loss_nats(model, vocabulary.encode(text.read_text("utf-8"))), abs=PRINTED)


def test_evaluate_prints_one_document_when_asked_and_the_bar_elsewhere(text, capsys):
    assert main(["evaluate", "--text", str(text), "--json", "--window", "100"]) == 0
    shown = capsys.readouterr()
    document = json.loads(shown.out)
    assert shown.out.count("\n") == 1 and "599/599" in shown.err
    model, vocabulary = load_model(SHIPPED_MODEL)
    loss = loss_nats(model, vocabulary.encode(text.read_text("utf-8")), 100)
    assert document == {"nats_per_character": loss, "characters": 600, "window": 100, "kind": "measured"}


@pytest.mark.parametrize(("content", "sentence"), [
    ("a café".encode(), "does not know the character 'é' (U+00E9, at position 5)"),
    (b"line\r\n", "does not know the character '\\r' (U+000D, at position 4)"),
    (b"\xff\xfe", "is not a text in UTF-8"), (b"", "at least two characters"), (b"A", "at least two characters"),
])
def test_evaluate_says_what_is_wrong_with_a_text(tmp_path, capsys, content, sentence):
    (tmp_path / "text.txt").write_bytes(content)
    assert sentence in refused(["evaluate", "--text", tmp_path / "text.txt"], capsys)


def test_evaluate_says_which_file_or_number_is_wrong(tmp_path, text, capsys):
    missing = tmp_path / "missing.txt"
    assert f"there is no file {missing}" in refused(["evaluate", "--text", missing], capsys)
    assert str(tmp_path) in refused(["evaluate", "--text", tmp_path], capsys)
    for window in (0, -5):
        told = refused(["evaluate", "--text", text, "--window", window], capsys)
        assert f"at least one character, not {window}" in told


@pytest.mark.parametrize("command", [["evaluate", "--text", "TEXT"], ["generate", "A"]])
def test_a_folder_that_is_no_model_is_named(command, tmp_path, text, capsys):
    command = [str(text) if word == "TEXT" else word for word in command]
    empty, broken = tmp_path / "empty", tmp_path / "broken"
    empty.mkdir()
    broken.mkdir()
    for name in ("config.json", "vocabulary.json"):
        (broken / name).write_bytes((SHIPPED_MODEL / name).read_bytes())
    (broken / "weights.safetensors").write_bytes((SHIPPED_MODEL / "weights.safetensors").read_bytes()[:1000])
    for folder in (empty, broken, tmp_path / "missing"):
        assert str(folder) in refused([*command, "--model", folder], capsys)


@pytest.mark.parametrize(("arguments", "sentence"), [
    (["ROMEÖ:"], "'Ö' (U+00D6, at position 4)"), ([""], "at least one character"),
    (["A", "--tokens", "-1"], "tokens (-1)"), (["A", "--temperature", "-0.5"], "temperature (-0.5)"),
    (["A", "--temperature", "nan"], "temperature (nan)"), (["A", "--temperature", "inf"], "temperature (inf)"),
    (["A", "--seed", "-1"], "from zero up, not -1"),
])
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_generate_says_what_is_wrong_before_it_writes_a_letter(arguments, sentence, form, capsys):
    assert sentence in refused(["generate", *arguments, *form], capsys)


def test_train_and_sweep_and_build_say_which_file_is_wrong(tmp_path, capsys):
    missing, out = tmp_path / "missing.toml", ["--out", tmp_path / "out"]
    unknown = recipe_file(tmp_path / "unknown.toml", RECIPE, corpus="no such text")
    good = recipe_file(tmp_path / "good.toml", RECIPE, corpus=str(EXCERPT))
    strange = recipe_file(tmp_path / "strange.toml", RECIPE, corpus=str(EXCERPT), kind="no such model")
    assert str(missing) in refused(["train", missing, *out], capsys)
    assert "'no such text' is neither a corpus" in refused(["train", unknown, *out], capsys)
    assert "unknown model 'no such model'" in refused(["train", strange, *out], capsys)
    assert "steps must be a whole number" in refused(["train", good, *out, "--steps", "0"], capsys)
    assert str(missing) in refused(["sweep", missing, missing, *out], capsys)
    assert str(missing) in refused(["sweep", good, missing, *out], capsys)
    assert not (tmp_path / "out").exists()
    assert "begins with 99 or nothing" in refused(["build", "99", "nothing"], capsys)


def test_the_same_seed_writes_the_same_text_and_another_seed_another(capsys):
    def written(*more: str) -> str:
        assert main(["generate", "ROMEO:", "--tokens", "12", *more]) == 0
        return capsys.readouterr().out

    first = written("--seed", "5")
    assert written("--seed", "5") == first and first.startswith("ROMEO:") and len(first) == len("ROMEO:") + 12 + 1
    assert written("--seed", "6") != first and written() == written("--seed", "0")
    cold = {written("--seed", seed, "--temperature", "0") for seed in "56"}
    assert len(cold) == 1


def test_the_packed_engine_writes_a_text_of_its_own_each_time_the_same(capsys):
    texts = []
    for engine in ("packed", "packed", "float"):
        assert main(["generate", "ROMEO:", "--tokens", "40", "--temperature", "0", "--engine", engine]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] and len(texts[0]) == len(texts[2]) == len("ROMEO:") + 40 + 1
    assert texts[0][:12] == texts[2][:12], "whole numbers lie so near the floats that the likeliest letters agree"


def test_the_packed_engine_reads_no_other_kind_of_model(tmp_path, capsys):
    dense = DATA / "checkpoints" / "dense_small"
    assert "packed MatMul-free model" in refused(["generate", "A", "--engine", "packed", "--model", str(dense)], capsys)


def test_generate_prints_one_document_when_asked(capsys):
    assert main(["generate", "ROMEO:", "--tokens", "8", "--seed", "5"]) == 0
    plain = capsys.readouterr().out
    assert main(["generate", "ROMEO:", "--tokens", "8", "--seed", "5", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {"prompt": "ROMEO:", "text": plain.removeprefix("ROMEO:")[:-1], "tokens": 8, "seed": 5}


def test_letters_arrive_one_by_one_and_a_reader_who_leaves_ends_it_quietly():
    command = [sys.executable, "-m", "mmf_teach", "generate", "ROMEO:", "--tokens", "400"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()) as writer:
        arrived = [os.read(writer.stdout.fileno(), 1000) for _ in range(5)]
        assert writer.poll() is None
        assert arrived[0] == b"ROMEO:" and sum(map(len, arrived)) < 100
        writer.stdout.close()
        assert writer.wait() == 0 and writer.stderr.read() == b""


def test_a_reader_who_left_before_the_result_was_there_ends_it_quietly(text):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "mmf_teach", "evaluate", "--text", str(text), "--json"]
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, text=True, env=environment())
    os.close(write)
    assert done.returncode == 0 and "Error" not in done.stderr


def test_ctrl_c_is_no_error_to_be_traced(monkeypatch, capsys, text):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr("mmf_teach.tools.commands.evaluate.run", interrupted)
    assert main(["evaluate", "--text", str(text)]) == 130
    assert capsys.readouterr().err == "\nmmf evaluate: stopped\n"


def test_whoever_looks_for_a_fault_can_see_the_traceback(monkeypatch, tmp_path):
    monkeypatch.setenv("MMF_TRACEBACK", "1")
    with pytest.raises(ValueError, match="there is no file"):
        main(["evaluate", "--text", str(tmp_path / "missing")])
    done = mmf("build", "99", MMF_TRACEBACK="1")
    assert done.returncode == 1 and done.stderr.startswith("Traceback") and "begins with 99" in done.stderr


def test_the_first_notebook_is_what_its_source_gives(capsys):
    """Runs it and compares every byte; `mmf build --check` does so for all, which takes longer than a test should."""
    assert main(["build", "00", "--check"]) == 0
    assert capsys.readouterr().out == ""
