"""One of the authors' models, as it is downloaded, becomes ours: the same scores, little memory, or one sentence."""

import dataclasses
import json
import os
import pickle
import shutil
import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from fixtures.released import (
    CONFIG,
    LARGE,
    Transcription,
    add_tokenizer,
    inner,
    random_tensors,
    shapes,
    weight_quant,
    write_folder,
    write_large,
)
from fixtures.tiny import environment, mmf
from safetensors import SafetensorError

from mmf_teach.__main__ import main
from mmf_teach.engine.packed_linear import PackedLinear
from mmf_teach.model import released
from mmf_teach.model.build import build
from mmf_teach.model.checkpoint import FORMAT, load_model, read_config
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.released import convert, their_name
from mmf_teach.model.subword_tokenizer import WordPieces
from mmf_teach.paths import SHIPPED_MODEL
from mmf_teach.ternary.packing import unpack_base3

TEXT = [1, 5, 299, 30, 2, 77, 200, 4, 4, 0]
EXACT = 1e-6                                 # float64 throughout, but for the scales, which are float32
FLOAT32 = 1e-4                               # the whole model in float32, where no activation is near a rounding
MARGIN = 1e-3                                # of codes: float32 is off by some 1e-5 of them
DTYPES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
SINGLE, INDEX, SHARD = "model.safetensors", "model.safetensors.index.json", "model-00002-of-00003.safetensors"
MAP = "model.layers.1.attn.f_proj.weight"
OTHER_SIZES = {
    "another epsilon": {"rms_norm_eps": 0.01},
    "an inner width of its own": {"intermediate_size": 48},
    "another ratio": {"hidden_ratio": 30},
    "entries left out": dict.fromkeys(CONFIG.keys() - {"hidden_size", "num_hidden_layers", "vocab_size"}),
    "several heads": {"num_heads": 4},
    "one block": {"num_hidden_layers": 1},
}

pytestmark = pytest.mark.usefixtures("without_type_checks")
with_tokenizers = pytest.mark.skipif(
    find_spec("tokenizers") is None and "CI" not in os.environ, reason="needs the package tokenizers")


def folder_of(tmp_path: Path, config: dict = CONFIG, dtype=torch.float32, shards: int = 1, seed: int = 0) -> Path:
    return write_folder(tmp_path / "theirs", random_tensors(config, seed, dtype), config, shards)


def tensors_in(folder: Path) -> dict:
    return {
        name: tensor for path in sorted(folder.glob("*.safetensors"))
        for name, tensor in safetensors.torch.load_file(path).items()}


def scores(model, tokens=TEXT):
    with torch.no_grad():
        return model(torch.tensor([tokens]))[0][0]


def distance(a, b) -> float:
    return float((a - b).abs().max())


def rewrite(folder: Path, change, name: str = SINGLE) -> None:
    """Let `change` work on the tensors of a file, and store them again."""
    tensors = safetensors.torch.load_file(folder / name)
    change(tensors)
    (folder / name).write_bytes(safetensors.torch.save(tensors, {"format": "pt"}))


def rewrite_json(folder: Path, name: str, change) -> None:
    document = json.loads((folder / name).read_text("utf-8"))
    (folder / name).write_text(json.dumps(change(document) or document), "utf-8")


def refusal(folder: Path) -> str:
    """What is said about a folder that cannot be converted: in one line, and nothing is left behind."""
    out, before = folder.parent / "out", sorted(folder.parent.iterdir())
    with pytest.raises(ValueError) as told:
        convert(folder, out)
    message = str(told.value)
    assert "\n" not in message and len(message) < 600 and str(folder) in message
    assert sorted(folder.parent.iterdir()) == before
    return message


@pytest.mark.parametrize("packed", [None, PackedLinear])
@pytest.mark.parametrize("shards", [1, 3])
@pytest.mark.parametrize("dtype", DTYPES)
def test_a_converted_model_gives_the_scores_of_the_released_equations(tmp_path, dtype, shards, packed):
    folder = folder_of(tmp_path, dtype=DTYPES[dtype], shards=shards)
    convert(folder, tmp_path / "ours")
    model, _ = load_model(tmp_path / "ours", packed)
    wanted = Transcription(tensors_in(folder)).logits(TEXT)
    assert wanted.abs().max() > 0.1 and wanted.std(dim=0).min() > 1e-3       # every score depends on the text
    assert distance(scores(model.double()), wanted) < EXACT


@pytest.mark.parametrize("packed", [None, PackedLinear])
def test_in_float32_the_scores_agree_where_no_activation_lies_near_a_rounding(tmp_path, packed):
    text, small = TEXT[:2], CONFIG | {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2}
    for seed in range(100):
        tensors = random_tensors(small, seed)
        exact = Transcription(tensors, small)
        wanted = exact.logits(text)
        if exact.nearest > MARGIN:
            break
    assert exact.nearest > MARGIN
    convert(write_folder(tmp_path / "theirs", tensors, small), tmp_path / "ours")
    model, _ = load_model(tmp_path / "ours", packed)
    assert scores(model).dtype == torch.float32
    assert distance(scores(model, text), wanted) < FLOAT32
    assert distance(scores(model, text), Transcription(tensors, small, torch.float32).logits(text)) < FLOAT32


@pytest.mark.parametrize("case", OTHER_SIZES)
def test_sizes_and_epsilon_are_those_of_the_configuration(tmp_path, case):
    config = CONFIG | OTHER_SIZES[case]
    full = {name: CONFIG[name] if value is None else value for name, value in config.items()}
    folder = write_folder(tmp_path / "theirs", random_tensors(full), full)
    if case == "entries left out":
        (folder / "config.json").write_text(json.dumps({k: v for k, v in config.items() if v is not None}), "utf-8")
    ours = convert(folder, tmp_path / "ours")
    assert (ours.inner, ours.epsilon, ours.blocks) == (inner(full), full["rms_norm_eps"], full["num_hidden_layers"])
    assert read_config(tmp_path / "ours") == ours
    model, _ = load_model(tmp_path / "ours")
    assert distance(scores(model.double()), Transcription(tensors_in(folder), full).logits(TEXT)) < EXACT


def test_the_norms_inside_the_maps_keep_their_own_epsilon(tmp_path):
    """A configured ε so large that the scores are others as soon as it is used in one norm too many or too few."""
    config = CONFIG | {"rms_norm_eps": 0.5}
    folder = folder_of(tmp_path, config)
    convert(folder, tmp_path / "ours")
    model, _ = load_model(tmp_path / "ours", PackedLinear)
    epsilons = {name: layer.epsilon for name, layer in model.named_modules() if hasattr(layer, "epsilon")}
    inside = {name for name, epsilon in epsilons.items() if epsilon == 1e-6}
    assert inside == {f"{name}.norm" for name, layer in model.named_modules() if isinstance(layer, PackedLinear)}
    assert {epsilons[name] for name in epsilons.keys() - inside} == {0.5}


@pytest.mark.parametrize("piece", [5, 1000, 1 << 20])
def test_trits_and_scales_are_those_of_the_released_rule_however_the_matrix_is_cut(tmp_path, monkeypatch, piece):
    monkeypatch.setattr(released, "PIECE", piece)
    folder = folder_of(tmp_path, CONFIG | {"num_hidden_layers": 1, "intermediate_size": 41, "hidden_size": 14})
    convert(folder, tmp_path / "ours")
    theirs, stored = tensors_in(folder), tensors_in(tmp_path / "ours")
    model, _ = load_model(tmp_path / "ours")
    for name in [name for name in stored if name.endswith(".packed")]:
        layer = name.removesuffix(".packed")
        w = theirs[their_name(f"{layer}.trits")]
        trits = unpack_base3(stored[name].numpy(), w.numel()).reshape(w.shape)
        quantised = weight_quant(w)
        np.testing.assert_array_equal(trits, quantised.sign().numpy())
        torch.testing.assert_close(stored[f"{layer}.scale"], quantised.abs().max(), rtol=3e-7, atol=0)
        np.testing.assert_array_equal(trits, model.get_submodule(layer).trits.numpy())
    for name in [name for name in stored if not name.endswith((".packed", ".scale"))]:
        assert torch.equal(stored[name], theirs[their_name(name)]), name


def test_a_matrix_of_zeros_has_the_smallest_scale_and_no_trits(tmp_path):
    folder = folder_of(tmp_path)
    rewrite(folder, lambda tensors: tensors[MAP].zero_())
    convert(folder, tmp_path / "ours")
    stored = tensors_in(tmp_path / "ours")
    assert stored["blocks.1.token_mixer.to_f.scale"] == pytest.approx(1e-5)
    assert (stored["blocks.1.token_mixer.to_f.packed"][:-1] == 121).all()
    model, _ = load_model(tmp_path / "ours")
    assert distance(scores(model.double()), Transcription(tensors_in(folder)).logits(TEXT)) < EXACT


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_matrix_takes_1_6_bits_a_weight_and_all_else_stays_as_it_was_to_the_last_bit(tmp_path, dtype):
    folder = folder_of(tmp_path, dtype=DTYPES[dtype])
    rewrite(folder, lambda tensors: tensors["model.norm.weight"].mul_(1000 if dtype == "F16" else 1e30))
    convert(folder, tmp_path / "ours")
    theirs, ours = tensors_in(folder), tensors_in(tmp_path / "ours")
    bits = weights = 0
    for name, tensor in ours.items():
        if name.endswith(".packed"):
            bits += 8 * tensor.numel()
            weights += theirs[their_name(name.replace(".packed", ".trits"))].numel()
        elif name.endswith(".scale"):
            assert tensor.dtype == torch.float32 and tensor.shape == ()
        else:
            assert tensor.dtype == DTYPES[dtype] and torch.equal(tensor, theirs[their_name(name)])
    assert bits / weights == pytest.approx(1.6, rel=1e-3)
    load_model(tmp_path / "ours")
    assert json.loads((tmp_path / "ours" / "config.json").read_text("utf-8")) == {
        "kind": "matmul_free_released", "vocab": 300, "width": 32, "blocks": 3, "heads": 1}


def test_one_file_or_several_give_the_same_bytes_and_so_does_a_second_run(tmp_path):
    tensors = random_tensors(CONFIG)
    bodies = []
    for number, shards in enumerate((1, 1, 2, 5)):
        convert(write_folder(tmp_path / f"theirs{number}", tensors, CONFIG, shards), tmp_path / f"ours{number}")
        bodies.append((tmp_path / f"ours{number}" / "weights.safetensors").read_bytes())
    assert len(set(bodies)) == 1


def test_what_is_written_is_an_aligned_safetensors_file_of_our_format(tmp_path):
    convert(folder_of(tmp_path, dtype=torch.bfloat16), tmp_path / "ours")
    raw = (tmp_path / "ours" / "weights.safetensors").read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    assert size % 8 == 0 and header.pop("__metadata__") == {"format": FORMAT}
    bytes_of = {"F32": 4, "BF16": 2, "U8": 1}
    ends = sorted(entry["data_offsets"] for entry in header.values())
    assert [end for _, end in ends][:-1] == [start for start, _ in ends][1:] and ends[-1][1] == len(raw) - 8 - size
    assert all(entry["data_offsets"][0] % bytes_of[entry["dtype"]] == 0 for entry in header.values())


def test_a_packed_model_steps_as_it_reads_and_keeps_the_texts_of_a_batch_apart(tmp_path):
    convert(folder_of(tmp_path), tmp_path / "ours")
    plain, packed = (load_model(tmp_path / "ours", packed)[0] for packed in (None, PackedLinear))
    tokens = torch.randint(300, (3, 7), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        at_once, _ = packed(tokens)
        assert torch.equal(at_once, plain(tokens)[0])
        state, stepped = packed.initial_state(3), []
        for t in range(7):
            logits, state = packed.step(tokens[:, t], state)
            stepped.append(logits)
    torch.testing.assert_close(torch.stack(stepped, dim=1), at_once, rtol=0, atol=1e-5)
    assert not any(name.endswith("trits") for name in packed.state_dict())


@pytest.mark.parametrize("sizes", [(1024, 24), (2048, 24), (2560, 32)])
def test_the_names_of_all_tensors_of_the_released_models_are_known(sizes):
    """370M, 1.3B and 2.7B: every tensor that their code makes is one that ours asks for, in the same shape."""
    config = LARGE | {"hidden_size": sizes[0], "num_hidden_layers": sizes[1]}
    with torch.device("meta"):
        ours = build(ModelConfig("matmul_free_released", 32000, *sizes))
    asked = {their_name(name): tuple(place.shape) for name, place in ours.state_dict().items()}
    assert asked == shapes(config)


def test_tokenizer_files_come_along_and_nothing_else(tmp_path):
    folder = folder_of(tmp_path)
    names = ["tokenizer.json", "tokenizer_config.json", "tokenizer.model", "special_tokens_map.json"]
    for name in [*names, "README.md", "pytorch_model.bin", "generation_config.json"]:
        (folder / name).write_bytes(name.encode())
    convert(folder, tmp_path / "ours")
    copied = {path.name: path.read_bytes() for path in (tmp_path / "ours").iterdir()}
    assert copied.keys() == {*names, "config.json", "weights.safetensors"}
    assert all(copied[name] == name.encode() for name in names)


def test_links_are_followed_as_in_the_cache_of_a_download(tmp_path):
    folder = folder_of(tmp_path)
    linked = tmp_path / "snapshot"
    linked.mkdir()
    for path in folder.iterdir():
        (linked / path.name).symlink_to(path)
    convert(linked, tmp_path / "ours")
    assert not any(path.is_symlink() for path in (tmp_path / "ours").iterdir())


def test_every_tensor_is_reported_once_and_counted(tmp_path):
    heard = []
    convert(folder_of(tmp_path), tmp_path / "ours", lambda *told: heard.append(told))
    total = len(shapes(CONFIG))
    assert [(done, of) for done, of, _ in heard] == [(n + 1, total) for n in range(total)]
    assert {name for _, _, name in heard} == set(shapes(CONFIG))


MEMORY = """
import json, sys
from mmf_teach.engine.packed_linear import PackedLinear
from mmf_teach.hardware import peak_memory_bytes
from mmf_teach.model.checkpoint import load_model
from mmf_teach.model.generate import generate
from mmf_teach.model.released import convert
import numpy as np, torch
warm, theirs, ours, what = sys.argv[1:]
def run(folder):
    model, _ = load_model(folder, PackedLinear)
    list(generate(model, np.array([1, 2, 3]), 2))
convert(warm, ours + "-warm") if what == "convert" else run(warm)          # what is loaded and compiled only once
before = peak_memory_bytes()
convert(theirs, ours) if what == "convert" else run(ours)
print(peak_memory_bytes() - before)
"""


def test_converting_and_generating_take_little_more_memory_than_the_largest_tensor(tmp_path):
    """Of the 370M model one block: 131 MB in the largest tensor, 313 MB in all, of which 158 MB come out."""
    config = LARGE | {"num_hidden_layers": 1}
    warm = folder_of(tmp_path / "warm")
    convert(warm, tmp_path / "warmed")
    theirs, ours = write_folder(tmp_path / "theirs", random_tensors(config), config), tmp_path / "ours"
    largest = 4 * 32000 * 1024

    def grown(first: Path, what: str) -> int:
        command = [sys.executable, "-c", MEMORY, first, theirs, ours, what]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, env=environment())
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    converting = grown(warm, "convert")
    assert converting < 1.5 * largest, converting            # the tensor that is read in place, and a few pieces
    packed = (ours / "weights.safetensors").stat().st_size - largest
    running = grown(tmp_path / "warmed", "generate")
    assert running < largest + 3 * packed + (40 << 20), running              # the embedding, read in place, and trits


CONFIGS = {
    "another kind of model": ({"model_type": "llama"}, "model_type is 'llama'"),
    "another activation": ({"hidden_act": "gelu"}, "hidden_act is 'gelu'"),
    "a width that is missing": ({"hidden_size": None}, "hidden_size must be a whole number"),
    "a negative width": ({"hidden_size": -32}, "hidden_size must be a whole number"),
    "a width in words": ({"hidden_size": "32"}, "hidden_size must be a whole number"),
    "a width with a fraction": ({"hidden_size": 32.0}, "hidden_size must be a whole number"),
    "an odd width": ({"hidden_size": 33}, "multiple of twice"),
    "a huge width": ({"hidden_size": 10**30}, "hidden_size must be a whole number"),
    "a large width": ({"hidden_size": 1 << 20}, "as in a model of 3 blocks"),
    "a huge vocabulary": ({"vocab_size": 1 << 20}, "not [1048576, 32]"),
    "no vocabulary": ({"vocab_size": 0}, "vocab_size must be a whole number"),
    "true for a number": ({"num_hidden_layers": True}, "num_hidden_layers must be a whole number"),
    "a hundred blocks": ({"num_hidden_layers": 100}, "too few for a model of 100 blocks"),
    "a block too many": ({"num_hidden_layers": 4}, "lacks model.layers.3.attn.f_proj.norm.weight"),
    "a block too few": ({"num_hidden_layers": 2}, "holds 'model.layers.2.attn.f_proj.norm.weight', which is no part"),
    "a strange inner width": ({"intermediate_size": [1]}, "intermediate_size must be a whole number"),
    "another inner width": ({"intermediate_size": 128}, "gate_proj.weight is [512, 32], not [256, 32]"),
    "a ratio in words": ({"hidden_ratio": "4"}, "hidden_ratio must be a whole number"),
    "an epsilon in words": ({"rms_norm_eps": "1e-6"}, "epsilon must be a number"),
    "no epsilon": ({"rms_norm_eps": None}, "epsilon must be a number"),
    "an epsilon of zero": ({"rms_norm_eps": 0.0}, "epsilon must be a number"),
    "an epsilon that is no number": ({"rms_norm_eps": float("nan")}, "epsilon must be a number"),
}


def test_another_architecture_is_refused_by_the_entry_that_says_so(tmp_path):
    others = {"model_type": "llama", "expand_ratio": 2, "use_short_conv": True, "use_lower_bound": False,
              "tie_word_embeddings": True, "hidden_act": "gelu"}
    for name, value in others.items():
        (tmp_path / "config.json").write_text(json.dumps(CONFIG | {name: value}), "utf-8")
        with pytest.raises(ValueError, match=f"{name} is {value!r}"):
            released.read_config(tmp_path)


@pytest.mark.parametrize("case", CONFIGS)
def test_a_configuration_that_does_not_fit_is_refused_with_what_is_wrong(tmp_path, case):
    change, told = CONFIGS[case]
    folder = folder_of(tmp_path)
    rewrite_json(folder, "config.json", lambda document: document.update(change))
    message = refusal(folder)
    assert told in message


def test_more_blocks_than_there_are_tensors_are_refused_before_they_are_built(tmp_path, monkeypatch):
    folder = folder_of(tmp_path)
    rewrite_json(folder, "config.json", lambda document: document.update(num_hidden_layers=1 << 20))

    def never(*_, **__):
        raise AssertionError("built a model of a million blocks")

    monkeypatch.setattr(released, "build", never)
    assert "too few" in refusal(folder)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[1]", b"null", b"\xff\xfe", b"[" * 100_000, b'{"hidden_size": ' + b"9" * 9999 + b"}"])
@pytest.mark.parametrize("name", ["config.json", INDEX])
def test_json_that_is_none_is_refused_with_the_name_of_its_file(tmp_path, name, text):
    folder = folder_of(tmp_path, shards=3)
    (folder / name).write_bytes(text)
    assert name in refusal(folder)


DAMAGES = {
    "a tensor that is missing": (lambda t: t.pop(MAP), f"lacks {MAP} of a model of 3 blocks of width 32"),
    "a tensor too many": (lambda t: t.update(extra=torch.ones(2)), "holds 'extra', which is no part"),
    "a bias": (lambda t: t.update({MAP.replace("weight", "bias"): torch.ones(32)}), "f_proj.bias', which is no part"),
    "a line break in a name": (lambda t: t.update({"a\nb": torch.ones(2)}), "holds 'a\\nb'"),
    "turned round": (lambda t: t.update({"model.embeddings.weight": t["model.embeddings.weight"].T.contiguous()}),
                     "model.embeddings.weight is [32, 300], not [300, 32]"),
    "flat": (lambda t: t.update({MAP: t[MAP].flatten()}), f"{MAP} is [1024], not [32, 32]"),
    "a number for a gain": (lambda t: t.update({"model.norm.weight": torch.ones(())}), "is [], not [32]"),
    "float64": (lambda t: t.update({MAP: t[MAP].double()}), f"{MAP} is of type F64"),
    "whole numbers": (lambda t: t.update({MAP: t[MAP].to(torch.int8)}), f"{MAP} is of type I8"),
    "NaN in a matrix": (lambda t: t[MAP][3].fill_(float("nan")), f"{MAP} holds NaN"),
    "infinity in a matrix": (lambda t: t[MAP][31, 31:].fill_(float("-inf")), f"{MAP} holds NaN or infinity"),
    "NaN in a gain": (lambda t: t["model.norm.weight"][1:2].fill_(float("nan")), "model.norm.weight holds NaN"),
    "infinity in the embedding": (lambda t: t["model.embeddings.weight"][299, 31:].fill_(float("inf")), "holds NaN or"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_a_tensor_that_does_not_fit_is_refused_by_its_name(tmp_path, case):
    change, told = DAMAGES[case]
    folder = folder_of(tmp_path)
    rewrite(folder, change)
    message = refusal(folder)
    assert told in message and ("lacks" in told or "which is no part" in message or SINGLE in message or "\\n" in told)


@pytest.mark.parametrize(("name", "shards"), [(SINGLE, 1), (SHARD, 3)])
def test_a_file_cut_short_or_too_long_or_of_something_else_is_refused_by_its_name(tmp_path, name, shards):
    folder = folder_of(tmp_path, shards=shards)
    whole = (folder / name).read_bytes()
    header = 8 + int.from_bytes(whole[:8], "little")
    for length in (0, 1, 7, 8, 100, header - 1, header, len(whole) // 2, len(whole) - 1):
        (folder / name).write_bytes(whole[:length])
        assert name in refusal(folder)
    huge = struct.pack("<Q", 1 << 62) + whole[8:]
    claims = json.dumps({"model.norm.weight": {"dtype": "F32", "shape": [1 << 60, 1 << 60], "data_offsets": [0, 4]}})
    claims = struct.pack("<Q", len(claims)) + claims.encode() + bytes(4)
    for strange in (whole + b"x", huge, claims, b"{}" * 50, np.random.default_rng(0).bytes(5000)):
        (folder / name).write_bytes(strange)
        assert name in refusal(folder)


class Trap:
    """Leaves a folder behind when it is unpickled."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "consolidated.00.pth", "last.ckpt", SINGLE])
@pytest.mark.parametrize("write", [lambda trap, path: path.write_bytes(pickle.dumps(trap)), torch.save])
def test_a_pickle_is_refused_with_what_to_do_and_not_run(tmp_path, name, write):
    folder, trace = folder_of(tmp_path), tmp_path / "trace"
    (folder / SINGLE).unlink()
    write(Trap(trace), folder / name)
    message = refusal(folder)
    assert name in message and (name == SINGLE or "download model.safetensors instead" in message)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Trap(trace)))
    assert trace.exists()                    # the trap does work


def test_a_folder_without_weights_or_that_is_none_says_what_is_missing(tmp_path):
    folder = folder_of(tmp_path)
    (folder / SINGLE).unlink()
    assert f"neither {SINGLE} nor {INDEX}" in refusal(folder)
    (folder / "config.json").unlink()
    assert "holds no config.json" in refusal(folder)
    shutil.rmtree(folder)
    assert "is no released model" in refusal(folder)
    folder.write_bytes(b"a file")
    assert "is no released model" in refusal(folder)


def to_nowhere(index):
    index["weight_map"][MAP] = "../theirs/" + SHARD


def to_another(index):
    places = index["weight_map"]
    places[MAP] = next(place for place in places.values() if place != places[MAP])


INDEXES = {
    "without a map": (lambda index: {"metadata": {}}, "should have a weight_map"),
    "with an empty map": (lambda index: {"weight_map": {}}, "should have a weight_map"),
    "with a list": (lambda index: {"weight_map": [SHARD]}, "should have a weight_map"),
    "with numbers": (lambda index: {"weight_map": {MAP: 2}}, "should have a weight_map"),
    "out of the folder": (to_nowhere, f"names '../theirs/{SHARD}', which is no safetensors file"),
    "to a pickle": (lambda index: {"weight_map": {MAP: "pytorch_model.bin"}}, "names 'pytorch_model.bin'"),
    "to the wrong file": (to_another, f"disagree about '{MAP}'"),
    "of a tensor that is nowhere":
        (lambda index: index["weight_map"].update(nothing=SHARD), "disagree about 'nothing'"),
    "that lacks a tensor": (lambda index: index["weight_map"].pop(MAP) and None, f"disagree about '{MAP}'"),
}


@pytest.mark.parametrize("case", INDEXES)
def test_an_index_that_does_not_fit_its_files_is_refused(tmp_path, case):
    change, told = INDEXES[case]
    folder = folder_of(tmp_path, shards=3)
    rewrite_json(folder, INDEX, change)
    message = refusal(folder)
    assert told in message and INDEX in message


def test_a_missing_shard_is_named(tmp_path):
    folder = folder_of(tmp_path, shards=3)
    (folder / SHARD).unlink()
    assert SHARD in refusal(folder) and "is missing" in refusal(folder)


@pytest.mark.parametrize("there", ["a folder", "a file", "a link to nowhere"])
def test_what_is_already_there_is_not_touched(tmp_path, there):
    folder, out = folder_of(tmp_path), tmp_path / "ours"
    if there == "a folder":
        out.mkdir()
        (out / "notes").write_bytes(b"mine")
    elif there == "a file":
        out.write_bytes(b"mine")
    else:
        out.symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ValueError, match="ours is there already: choose another name, or remove it"):
        convert(folder, out)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("problem", [KeyboardInterrupt, OSError(5, "Input/output error")])
@pytest.mark.parametrize("when", [1, 20, 49])
def test_whatever_stops_a_conversion_nothing_is_left(tmp_path, problem, when):
    folder = folder_of(tmp_path)

    def stop(done, total, name):
        if done == when:
            raise problem

    assert when < len(shapes(CONFIG))
    with pytest.raises(problem if isinstance(problem, type) else OSError):
        convert(folder, tmp_path / "ours", stop)
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]


def test_a_file_that_is_damaged_while_it_is_read_is_told_in_one_sentence(tmp_path, monkeypatch):
    def fail(source):
        raise SafetensorError("Error while\ndeserialising")

    monkeypatch.setattr(released, "quantised", fail)
    folder = folder_of(tmp_path)
    assert refusal(folder) == f"{folder}: Error while deserialising"


@pytest.mark.parametrize(("piece", "shape", "rows"), [
    (60, (23, 4), 15), (60, (23, 100), 5), (5, (7,), 5), (60, (0, 4), 1)])
def test_pieces_are_as_many_rows_as_fit_and_fill_whole_bytes(tmp_path, monkeypatch, piece, shape, rows):
    monkeypatch.setattr(released, "PIECE", piece)
    whole = torch.arange(float(np.prod(shape))).reshape(shape)
    safetensors.torch.save_file({"w": whole}, tmp_path / "w.safetensors")
    pieces = list(released.SourceTensor(tmp_path / "w.safetensors", "w", "F32", shape).pieces())
    assert torch.equal(torch.cat([whole[:0], *pieces]), whole)
    assert [len(part) for part in pieces] == [len(part) for part in whole.split(rows)] * (len(whole) > 0)


def test_a_full_disk_is_told_in_one_sentence_and_nothing_is_left(tmp_path):
    folder = folder_of(tmp_path)
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n" \
              "from mmf_teach.__main__ import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-B", "-c", limited, "convert", str(folder), str(tmp_path / "ours")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    last = done.stderr.splitlines()[-1]
    assert done.returncode == 1 and done.stdout == "" and "Traceback" not in done.stderr
    assert last.startswith(f"mmf convert: {tmp_path / 'ours'} was not written, because there is no room")
    assert [path.name for path in tmp_path.iterdir()] == ["theirs"]


def test_a_place_where_nothing_may_be_written_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    done = mmf("convert", folder_of(tmp_path), tmp_path / "file" / "ours")
    assert done.returncode == 1 and str(tmp_path / "file") in done.stderr and done.stderr.count("\n") == 1


def test_the_command_says_what_it_made_and_what_it_took(tmp_path, capsys):
    folder = folder_of(tmp_path)
    assert main(["convert", str(folder), str(tmp_path / "one")]) == 0
    shown = capsys.readouterr()
    size = sum(path.stat().st_size for path in (tmp_path / "one").iterdir())
    assert shown.out.startswith(f"{tmp_path / 'one'}: {size:,} bytes, in ") and "MB of memory (measured)" in shown.out
    total = len(shapes(CONFIG))
    assert f"{total}/{total}" in shown.err and "holds no tokenizer.json" in shown.err
    assert main(["convert", str(folder), str(tmp_path / "two"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["folder"] == str(tmp_path / "two") and document["size_bytes"] == size
    assert document["config"]["width"] == 32 and document["kind"] == "measured"
    assert 50e6 < document["peak_memory_bytes"] < 50e9 and document["seconds"] > 0


def test_the_command_refuses_in_one_line_with_exit_code_1(tmp_path, capsys):
    assert main(["convert", str(tmp_path), str(tmp_path / "ours")]) == 1
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("mmf convert: ") and told.err.count("\n") == 1


@pytest.fixture
def ours(tmp_path):
    """A converted model with its tokenizer."""
    folder = folder_of(tmp_path)
    add_tokenizer(folder)
    convert(folder, tmp_path / "ours")
    return tmp_path / "ours"


@with_tokenizers
def test_a_converted_model_writes_text_and_says_how_much_memory_it_took(ours, capsys):
    assert main(["generate", "the cat", "--tokens", "25", "--model", str(ours), "--seed", "3"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("the cat") and shown.err.startswith("peak memory: ") and "MB (measured)" in shown.err
    assert main(["generate", "the cat", "--tokens", "25", "--model", str(ours), "--seed", "3", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["text"] == shown.out.removeprefix("the cat")[:-1] and document["tokens"] == 25
    assert 50e6 < document["peak_memory_bytes"] < 50e9
    assert document.keys() == {"prompt", "text", "tokens", "seed", "peak_memory_bytes"}


@with_tokenizers
def test_a_text_is_over_where_the_model_ends_it(ours, capsys, monkeypatch):
    monkeypatch.setattr("mmf_teach.tools.commands.generate.generate", lambda *_: iter([270, 274, 2, 270]))
    assert main(["generate", "the cat", "--model", str(ours)]) == 0
    assert capsys.readouterr().out == "the catt the\n"


@with_tokenizers
def test_pieces_of_words_become_numbers_after_the_mark_for_the_beginning(ours):
    pieces = WordPieces(ours, 300)
    assert len(pieces) == 300 and pieces.end == 2
    assert pieces.encode("the cat").tolist() == [1, 274, 277] and pieces.encode("the cat").dtype == "int64"
    assert pieces.decode([1, 274, 277, 2]) == "the cat" and pieces.encode("").tolist() == [1]
    text = "the cat sat, ö 😀\n"
    assert pieces.decode(pieces.encode(text)) == text


@with_tokenizers
@pytest.mark.parametrize(("marks", "numbers"), [
    ({}, [1, 274]), ({"add_bos_token": True}, [1, 274]), ({"add_bos_token": False}, [274]),
    ({"add_bos_token": True, "bos_token": {"content": "</s>"}}, [2, 274]),
    ({"add_bos_token": True, "bos_token": None}, [274]), ({"add_bos_token": True, "bos_token": "unheard of"}, [274]),
])
def test_the_tokenizer_s_own_configuration_says_what_a_text_begins_with(ours, marks, numbers):
    add_tokenizer(ours, **marks)
    assert WordPieces(ours, 300).encode("the").tolist() == numbers


@with_tokenizers
def test_without_a_configuration_the_tokenizer_s_rules_stand_and_no_text_ends_early(ours):
    (ours / "tokenizer_config.json").unlink()
    assert WordPieces(ours, 300).encode("the").tolist() == [1, 274] and WordPieces(ours, 300).end is None


@with_tokenizers
def test_text_is_shown_as_soon_as_its_letters_are_whole(ours):
    pieces = WordPieces(ours, 300)
    smile = [3 + byte for byte in "😀".encode()]
    prompt = pieces.encode("the")
    assert list(pieces.written(prompt, [277, *smile, 259, 270])) == [" cat", "😀", " ", "t"]
    assert list(pieces.written(prompt, smile[:2])) == ["��"]                 # what never becomes a letter comes last
    assert list(pieces.written(prompt, [])) == [] == list(pieces.written(prompt, iter([])))


@with_tokenizers
@pytest.mark.parametrize(("name", "content", "told"), [
    ("tokenizer.json", None, "holds no tokenizer.json: copy the one"), ("tokenizer.json", b"", "is no tokenizer"),
    ("tokenizer.json", b"{}", "is no tokenizer"), ("tokenizer.json", b"\xff\x00", "is no tokenizer"),
    ("tokenizer_config.json", b"{", "tokenizer_config.json"), ("tokenizer_config.json", b"[1]", "JSON object"),
    ("tokenizer_config.json", b"[" * 100_000, "tokenizer_config.json"),
])
def test_a_tokenizer_that_is_none_is_refused_in_one_sentence(ours, capsys, name, content, told):
    (ours / name).unlink()
    if content is not None:
        (ours / name).write_bytes(content)
    assert main(["generate", "the", "--model", str(ours)]) == 1
    shown = capsys.readouterr()
    assert shown.out == "" and told in shown.err and str(ours) in shown.err and shown.err.count("\n") == 1


@with_tokenizers
def test_a_tokenizer_with_more_pieces_than_the_model_knows_is_refused(ours):
    with pytest.raises(ValueError, match="has a piece 277, but the model knows only 277"):
        WordPieces(ours, 277).encode("the cat")
    assert WordPieces(ours, 278).encode("the cat").tolist() == [1, 274, 277]


def test_half_a_letter_from_a_terminal_is_refused_in_one_sentence(ours, capsys):
    pytest.importorskip("tokenizers")
    assert main(["generate", "the \udcff", "--model", str(ours)]) == 1
    assert "half of a character" in capsys.readouterr().err


def test_without_the_package_one_sentence_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    folder = folder_of(tmp_path)
    (folder / "tokenizer.json").write_bytes(b"{}")
    assert main(["convert", str(folder), str(tmp_path / "ours")]) == 0
    assert "tokenizer" not in capsys.readouterr().err.replace("mmf convert: ", "")
    assert scores(load_model(tmp_path / "ours")[0]).shape == (len(TEXT), 300)        # numbers need no tokenizer
    assert main(["generate", "the", "--model", str(tmp_path / "ours")]) == 1
    told = capsys.readouterr().err
    assert "pip install tokenizers" in told and told.count("\n") == 1


def test_a_model_that_reads_pieces_of_words_is_not_measured_letter_by_letter(tmp_path, capsys):
    convert(folder_of(tmp_path), tmp_path / "ours")
    (tmp_path / "text.txt").write_bytes(b"the cat")
    assert main(["evaluate", "--text", str(tmp_path / "text.txt"), "--model", str(tmp_path / "ours")]) == 1
    assert "reads pieces of words" in capsys.readouterr().err


@pytest.mark.parametrize("change", [
    {"epsilon": 0.0}, {"epsilon": 1}, {"epsilon": "1e-6"}, {"epsilon": float("nan")}, {"epsilon": -1e-6},
    {"inner_width": 0}, {"inner_width": 1.5}, {"inner_width": "32"}, {"kind": "matmul_free", "epsilon": 1e-5},
])
def test_a_stored_epsilon_or_inner_width_that_is_none_is_refused(change):
    good = ModelConfig("matmul_free_released", 300, 32, 2, inner_width=48, epsilon=1e-5)
    assert ModelConfig.from_json(good.to_json()) == good and good.inner == 48
    with pytest.raises(ValueError, match=r"epsilon|inner_width"):
        ModelConfig.from_json(good.to_json() | change)


def test_what_is_as_usual_is_not_stored():
    good = ModelConfig("matmul_free_released", 300, 32, 2, inner_width=48, epsilon=1e-5)
    assert {"inner_width", "epsilon"} <= good.to_json().keys()
    usual = dataclasses.replace(good, inner_width=None, epsilon=1e-6)
    assert usual.to_json().keys() == {"kind", "vocab", "width", "blocks", "heads"} and usual.inner == 256


@pytest.mark.parametrize("packed", [None, PackedLinear])
def test_damaged_trits_of_a_converted_model_are_refused(tmp_path, packed):
    convert(folder_of(tmp_path), tmp_path / "ours")
    rewritten = tensors_in(tmp_path / "ours")
    for at, value, told in ((7, 243, "byte 7 is 243"), (-1, 242, "beyond the end")):
        damaged = {name: tensor.clone() for name, tensor in rewritten.items()}
        damaged["head.1.packed" if value == 243 else "blocks.0.token_mixer.to_i.packed"][at] = value
        path = tmp_path / "ours" / "weights.safetensors"
        path.write_bytes(safetensors.torch.save(damaged, {"format": FORMAT}))
        with pytest.raises(ValueError, match=told):
            load_model(tmp_path / "ours", packed)


def test_our_own_models_run_packed_as_well_with_the_same_scores():
    tokens = torch.tensor([[1, 2, 3, 40, 50], [7, 7, 7, 0, 64]])
    with torch.no_grad():
        plain, packed = (load_model(SHIPPED_MODEL, packed)[0](tokens)[0] for packed in (None, PackedLinear))
    assert torch.equal(plain, packed)


def test_a_long_prompt_is_read_in_parts_to_the_same_end(tmp_path):
    convert(folder_of(tmp_path), tmp_path / "ours")
    model, _ = load_model(tmp_path / "ours", PackedLinear)
    tokens = np.random.default_rng(0).integers(300, size=(1, 600))
    torch.testing.assert_close(
        torch.from_numpy(model.read(tokens)[0])[0], scores(model, tokens[0].tolist())[-1], rtol=0, atol=1e-5)


def test_the_helper_writes_a_model_of_the_size_of_the_smallest_released_one():
    numbers = sum(int(np.prod(shape)) for shape in shapes(LARGE).values())
    assert round(numbers / 1e6) == 374 and inner(LARGE) == 2816


@with_tokenizers
@pytest.mark.skipif("MMF_LARGE" not in os.environ, reason="writes 1.7 GB and takes a minute; set MMF_LARGE to run it")
def test_a_model_of_the_size_of_the_smallest_released_one_takes_less_than_one_and_a_half_gigabytes(tmp_path):
    folder, out = write_large(tmp_path / "theirs"), tmp_path / "ours"
    add_tokenizer(folder)
    for arguments in (["convert", folder, out], ["generate", "the cat", "--tokens", "20", "--model", out]):
        done = mmf(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["peak_memory_bytes"] < 1.5e9
    shutil.rmtree(tmp_path)
