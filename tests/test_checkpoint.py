"""A saved model comes back as it was; damaged files are refused in one line, and nothing in them runs."""

import json
import os
import pickle
import resource
import shutil
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from mmf_teach.layers.bit_linear import BitLinear, TernaryLinear, absmean
from mmf_teach.model import checkpoint
from mmf_teach.model.build import MODELS, TERNARY, build
from mmf_teach.model.character_tokenizer import Vocabulary
from mmf_teach.model.checkpoint import FORMAT, load_model, save_model, size_bytes
from mmf_teach.model.config import ModelConfig
from mmf_teach.paths import SHIPPED_MODEL

LETTERS = Vocabulary(tuple("ab\né😀"))
CONFIG, WEIGHTS, VOCABULARY = "config.json", "weights.safetensors", "vocabulary.json"
TEXT = torch.tensor([[0, 1, 2, 3, 4, 0], [4, 4, 1, 0, 2, 2]])
HEAD = "head.packed"                         # 5 · 8 trits in 8 full bytes
SMALL = "blocks.0.token_mixer.to_f"          # 8 · 8 trits in 13 bytes, the last with 4 of them
MEMORY_BYTES = 100 << 20                     # the sizes in the damaged files below ask for gigabytes

pytestmark = pytest.mark.usefixtures("without_type_checks")


def model_of(kind: str = "matmul_free", seed: int = 0, width: int = 8):
    torch.manual_seed(seed)
    model = build(ModelConfig(kind, len(LETTERS), width, 2))
    with torch.no_grad():
        for p in model.parameters():
            p.add_(0.3 * torch.randn_like(p))
    return model.eval().requires_grad_(False)


@pytest.fixture
def folder(tmp_path):
    save_model(tmp_path / "model", model_of(), LETTERS)
    return tmp_path / "model"


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def scores(model):
    return model(TEXT)[0]


def refusal(folder: Path) -> str:
    """What is said about a damaged model: in one line that names the folder."""
    with pytest.raises(ValueError) as told:
        load_model(folder)
    message = str(told.value)
    assert "\n" not in message and str(folder) in message
    return message


def rewrite(folder: Path, change, metadata=None) -> None:
    """Let `change` work on the tensors of the stored weights, and store them again."""
    tensors = safetensors.torch.load_file(folder / WEIGHTS)
    change(tensors)
    (folder / WEIGHTS).write_bytes(safetensors.torch.save(tensors, metadata or {"format": FORMAT}))


def rewrite_json(folder: Path, name: str, change) -> None:
    document = json.loads((folder / name).read_text("utf-8"))
    document = change(document) or document
    (folder / name).write_text(json.dumps(document), "utf-8")


@pytest.mark.parametrize("kind", sorted(TERNARY))
def test_a_ternary_model_comes_back_with_its_trits_and_scales_and_the_rest_in_float16(kind, tmp_path):
    model = model_of(kind)
    wanted = build(model.config, packed=True).eval()
    state = {name: tensor.half().float() for name, tensor in model.state_dict().items()}
    for name, layer in model.named_modules():
        if isinstance(layer, BitLinear):
            trits, scale = absmean(layer.weight)
            del state[f"{name}.weight"]
            state |= {f"{name}.trits": trits.to(torch.int8), f"{name}.scale": scale}
    wanted.load_state_dict(state)
    save_model(tmp_path, model, LETTERS)
    loaded, vocabulary = load_model(tmp_path)
    assert type(loaded) is MODELS[kind] and loaded.config == model.config and vocabulary == LETTERS
    assert torch.equal(scores(loaded), scores(wanted))
    assert not any(isinstance(layer, BitLinear) for layer in loaded.modules())


def test_a_transformer_comes_back_in_float16(tmp_path):
    model = model_of("transformer")
    save_model(tmp_path, model, LETTERS)
    loaded, _ = load_model(tmp_path)
    assert torch.equal(scores(loaded), scores(model.half().float()))


@pytest.mark.parametrize("kind", MODELS)
def test_a_loaded_model_is_ready_to_run(kind, tmp_path):
    save_model(tmp_path, model_of(kind).train(), LETTERS)
    loaded, _ = load_model(str(tmp_path))
    assert not any(module.training for module in loaded.modules())
    assert {tensor.device.type for tensor in loaded.state_dict().values()} == {"cpu"}
    assert all(p.dtype == torch.float32 for p in loaded.parameters())


@pytest.mark.parametrize("kind", MODELS)
def test_the_same_model_gives_the_same_bytes_and_so_does_one_that_was_loaded(kind, tmp_path):
    save_model(tmp_path / "one", model_of(kind), LETTERS)
    save_model(tmp_path / "two", model_of(kind), LETTERS)
    loaded, vocabulary = load_model(tmp_path / "one")
    save_model(tmp_path / "three", loaded, vocabulary)
    one = contents(tmp_path / "one")
    assert one == contents(tmp_path / "two") == contents(tmp_path / "three")
    assert set(one) == {CONFIG, WEIGHTS, VOCABULARY}


def test_saving_changes_nothing_in_the_model(tmp_path):
    model = model_of()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    save_model(tmp_path, model, LETTERS)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("kind", sorted(TERNARY))
def test_the_stored_weights_are_five_trits_a_byte_a_float32_scale_and_float16(kind, tmp_path):
    model = model_of(kind)
    save_model(tmp_path, model, LETTERS)
    stored = safetensors.torch.load_file(tmp_path / WEIGHTS)
    for name, layer in model.named_modules():
        if isinstance(layer, BitLinear):
            packed, scale = stored.pop(f"{name}.packed"), stored.pop(f"{name}.scale")
            assert packed.dtype == torch.uint8 and packed.shape == (len(range(0, layer.weight.numel(), 5)),)
            assert scale.dtype == torch.float32 and scale.shape == ()
    assert {tensor.dtype for tensor in stored.values()} == {torch.float16}


def test_the_size_is_that_of_all_files_inside(folder):
    before = sum(map(len, contents(folder).values()))
    (folder / "deeper").mkdir()
    (folder / "deeper" / "notes").write_bytes(b"123")
    assert size_bytes(folder) == 3 + before


def test_the_shipped_model_loads_and_scores_every_letter():
    model, vocabulary = load_model(SHIPPED_MODEL)
    assert len(vocabulary) == model.config.vocab == 65
    logits, _ = model(torch.from_numpy(vocabulary.encode("ROMEO:\nBut soft"))[None])
    assert torch.isfinite(logits).all() and vocabulary.symbols[logits[0, 5].argmax()] == "\n"
    assert all(layer.scale > 0 for layer in model.modules() if isinstance(layer, TernaryLinear))


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, VOCABULARY])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert name in refusal(folder)


def test_a_folder_that_is_not_there_is_no_model(tmp_path):
    assert "is no model" in refusal(tmp_path / "nowhere")


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, VOCABULARY])
def test_a_file_cut_short_is_refused_wherever_it_ends(folder, name):
    whole = (folder / name).read_bytes()
    header_bytes = 8 + int.from_bytes(whole[:8], "little") if name == WEIGHTS else 0
    for length in {0, 1, 7, 8, 9, len(whole) // 2, header_bytes - 1, header_bytes, len(whole) - 2} - {-1}:
        (folder / name).write_bytes(whole[:length])
        assert name in refusal(folder)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, VOCABULARY])
def test_a_file_with_more_behind_its_end_is_refused(folder, name):
    (folder / name).write_bytes((folder / name).read_bytes() + b"x")
    assert name in refusal(folder)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, VOCABULARY])
def test_random_bytes_are_refused(folder, name):
    rng = np.random.default_rng(0)
    for size in (1, 9, 100, 5000):
        (folder / name).write_bytes(rng.bytes(size))
        assert name in refusal(folder)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, VOCABULARY])
def test_whatever_byte_is_changed_a_model_comes_back_or_one_line(folder, name):
    whole = (folder / name).read_bytes()
    rng = np.random.default_rng(1)
    for at in rng.integers(len(whole), size=150):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << int(rng.integers(8))
        (folder / name).write_bytes(damaged)
        try:
            load_model(folder)
        except ValueError as told:
            assert "\n" not in str(told) and str(folder) in str(told)


class Trap:
    """Leaves a folder behind when it is unpickled."""

    def __init__(self, trace: Path):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, VOCABULARY])
@pytest.mark.parametrize("write", [lambda trap, path: path.write_bytes(pickle.dumps(trap)), torch.save])
def test_a_pickle_under_the_name_of_a_file_is_refused_and_not_run(folder, name, write):
    trace = folder.parent / "trace"
    write(Trap(trace), folder / name)
    assert name in refusal(folder)
    assert not trace.exists()
    pickle.loads(pickle.dumps(Trap(trace)))
    assert trace.exists()                    # the trap does work


def test_loading_a_model_unpickles_nothing(folder, monkeypatch):
    def never(*_, **__):
        raise AssertionError("unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, never)
    monkeypatch.setattr(torch, "load", never)
    load_model(folder)


def test_a_missing_tensor_is_named(folder):
    rewrite(folder, lambda tensors: tensors.pop(HEAD))
    assert WEIGHTS in refusal(folder) and f"lacks {HEAD}" in refusal(folder)


def test_a_tensor_too_many_is_named(folder):
    rewrite(folder, lambda tensors: tensors.update({"blocks.2.head.scale": torch.ones(())}))
    assert WEIGHTS in refusal(folder) and "an unknown 'blocks.2.head.scale'" in refusal(folder)


def test_a_tensor_with_a_line_break_in_its_name_is_refused_in_one_line(folder):
    rewrite(folder, lambda tensors: tensors.update({"a\nb": torch.ones(())}))
    refusal(folder)


DAMAGED_TENSORS = {
    "trits in another type": (HEAD, lambda t: t.to(torch.int8), "should be U8 [8], not I8 [8]"),
    "float32 for float16": ("embedding.weight", torch.Tensor.float, "should be F16 [5, 8], not F32 [5, 8]"),
    "bfloat16 for float16": ("embedding.weight", torch.Tensor.bfloat16, "not BF16 [5, 8]"),
    "float16 for a scale": ("head.scale", torch.Tensor.half, "should be F32 [], not F16 []"),
    "float64 for a scale": ("head.scale", torch.Tensor.double, "should be F32 [], not F64 []"),
    "a scale in brackets": ("head.scale", lambda t: t[None], "should be F32 [], not F32 [1]"),
    "one letter more": ("embedding.weight", lambda t: torch.cat([t, t[:1]]), "not F16 [6, 8]"),
    "turned round": ("embedding.weight", lambda t: t.T.contiguous(), "should be F16 [5, 8], not F16 [8, 5]"),
    "flat": ("embedding.weight", torch.Tensor.flatten, "not F16 [40]"),
    "a byte too few": (HEAD, lambda t: t[:-1], "should be U8 [8], not U8 [7]"),
    "a byte too many": (HEAD, lambda t: torch.cat([t, t[:1]]), "should be U8 [8], not U8 [9]"),
    "trits in rows": (HEAD, lambda t: t.view(2, 4), "should be U8 [8], not U8 [2, 4]"),
    "NaN": ("embedding.weight", lambda t: t.index_fill(0, torch.tensor(1), float("nan")), "NaN or infinity"),
    "infinity": (f"{SMALL}.bias", lambda t: t.fill_(float("-inf")), "NaN or infinity"),
    "NaN for a scale": ("head.scale", lambda t: t.fill_(float("nan")), "NaN or infinity"),
    "a byte that no trits have": (HEAD, lambda t: t.index_fill(0, torch.tensor(3), 243), "byte 3 is 243"),
    "trits beyond the end": (f"{SMALL}.packed", lambda t: t.index_fill(0, torch.tensor(12), 242), "beyond the end"),
}


@pytest.mark.parametrize("damage", DAMAGED_TENSORS)
def test_a_malformed_tensor_is_refused_with_its_name_and_what_is_wrong(folder, damage):
    name, change, told = DAMAGED_TENSORS[damage]
    rewrite(folder, lambda tensors: tensors.update({name: change(tensors[name])}))
    message = refusal(folder)
    assert WEIGHTS in message and name in message and told in message


@pytest.mark.parametrize("scale", [0.0, -1.0])
def test_a_scale_that_is_not_positive_is_refused(folder, scale):
    rewrite(folder, lambda tensors: tensors["head.scale"].fill_(scale))
    assert "head.scale" in refusal(folder)


@pytest.mark.parametrize("metadata", [{"format": "pt"}, {"format": FORMAT + "0"}, {"form": FORMAT}])
def test_weights_of_another_format_are_refused(folder, metadata):
    rewrite(folder, lambda tensors: None, metadata)
    assert WEIGHTS in refusal(folder) and FORMAT in refusal(folder)


def test_weights_without_a_format_are_refused(folder):
    tensors = safetensors.torch.load_file(folder / WEIGHTS)
    (folder / WEIGHTS).write_bytes(safetensors.torch.save(tensors))
    assert WEIGHTS in refusal(folder) and FORMAT in refusal(folder)


@pytest.mark.parametrize("header", [b"[" * 200_000, b'{"a":' * 100_000, b"{}", b'{"__metadata__":{}}'])
def test_a_strange_header_of_the_weights_is_refused(folder, header):
    (folder / WEIGHTS).write_bytes(len(header).to_bytes(8, "little") + header)
    assert WEIGHTS in refusal(folder)


@pytest.mark.parametrize("declared", [1 << 20, 1 << 40, (1 << 64) - 1])
def test_a_header_that_claims_to_be_larger_than_the_file_is_refused(folder, declared):
    (folder / WEIGHTS).write_bytes(declared.to_bytes(8, "little") + b"{}")
    assert WEIGHTS in refusal(folder)


@pytest.mark.parametrize("name", ["width", "vocab", "blocks", "heads"])
@pytest.mark.parametrize("size", [0, -8, 8.0, True, "8", None, [8], 1 << 21, 10**40])
def test_a_size_that_is_no_size_is_refused_by_its_name(folder, name, size):
    rewrite_json(folder, CONFIG, lambda document: document.update({name: size}))
    assert CONFIG in refusal(folder) and f"{name} must be" in refusal(folder)


@pytest.mark.parametrize("change", [{"width": 1 << 20}, {"width": 1 << 16, "blocks": 4}])
def test_a_huge_size_is_refused_before_any_memory_is_taken_for_it(folder, change):
    rewrite_json(folder, CONFIG, lambda document: document.update(change))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert WEIGHTS in refusal(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before < MEMORY_BYTES


def test_more_blocks_than_the_weights_have_tensors_are_refused_before_they_are_built(folder, monkeypatch):
    rewrite_json(folder, CONFIG, lambda document: document.update({"blocks": 1 << 20}))

    def never(*_, **__):
        raise AssertionError("built a model of a million blocks")

    monkeypatch.setattr(checkpoint, "build", never)
    refusal(folder)


@pytest.mark.parametrize("change", [{"width": 16}, {"blocks": 1}, {"blocks": 3}, {"kind": "matmul_free_released"},
                                    {"kind": "transformer"}])
def test_weights_of_another_size_or_kind_than_the_configuration_says_are_refused(folder, change):
    rewrite_json(folder, CONFIG, lambda document: document.update(change))
    assert WEIGHTS in refusal(folder)


@pytest.mark.parametrize("kind", ["lstm", "", "matmul_free\n", None, 5])
def test_an_unknown_kind_is_refused_with_the_file_it_stands_in(folder, kind):
    rewrite_json(folder, CONFIG, lambda document: document.update({"kind": kind}))
    assert CONFIG in refusal(folder)


@pytest.mark.parametrize("kind", [["matmul_free"], {}])
def test_a_kind_that_is_no_text_is_refused(folder, kind):
    rewrite_json(folder, CONFIG, lambda document: document.update({"kind": kind}))
    assert CONFIG in refusal(folder)


@pytest.mark.parametrize("change", [
    lambda document: document.update(depth=3), lambda document: document.pop("width") and None,
    lambda document: [document], lambda document: "matmul_free", lambda document: 8,
])
def test_a_configuration_with_other_entries_is_refused(folder, change):
    rewrite_json(folder, CONFIG, change)
    assert CONFIG in refusal(folder) and "entries" in refusal(folder)


@pytest.mark.parametrize("letters", [["a", "b", "c", "d"], ["a", "b", "c", "d", "e", "f"]])
def test_a_vocabulary_of_another_length_is_refused_with_both_lengths(folder, letters):
    rewrite_json(folder, VOCABULARY, lambda _: letters)
    told = refusal(folder)
    assert VOCABULARY in told and CONFIG in told and f"{len(letters)} letters" in told and "says 5" in told


@pytest.mark.parametrize("letters", [
    ["a", "b", "c", "d", "a"], ["a", "b", "c", "d", 5], ["a", "b", "c", "d", "ef"], ["a", "b", "c", "d", ""],
    ["a", "b", "c", "d", None], ["a", "b", "c", "d", ["e"]], {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4}, "abcde", 5,
])
def test_a_vocabulary_that_is_no_list_of_different_letters_is_refused(folder, letters):
    rewrite_json(folder, VOCABULARY, lambda _: letters)
    assert VOCABULARY in refusal(folder) and "different single characters" in refusal(folder)


@pytest.mark.parametrize("name", [CONFIG, VOCABULARY])
@pytest.mark.parametrize(
    "text", [b"[" * 200_000, b'{"a":' * 200_000, b"1" * 10_000, b"\xff\xfe", b"NaN", b"\xef\xbb\xbf[]"])
def test_strange_json_is_refused(folder, name, text):
    (folder / name).write_bytes(text)
    assert name in refusal(folder)


class FullDisk:
    """A disk that takes some writes and then no more."""

    def __init__(self, monkeypatch, function: str, takes: int):
        real = getattr(os, function)

        def limited(*given):
            self.calls += 1
            if self.calls > takes:
                raise OSError(28, "No space left on device")
            return real(*given)

        self.calls = 0
        monkeypatch.setattr(os, function, limited)


def saved_over_and_failed(folder, monkeypatch, function: str, takes: int, width: int) -> None:
    """Try to save another model over the one in the folder, on a disk that fails; the old one must still be there."""
    before, wanted = contents(folder), scores(load_model(folder)[0])
    with monkeypatch.context() as patch:
        FullDisk(patch, function, takes)
        with pytest.raises(OSError, match="No space left"):
            save_model(folder, model_of(seed=1, width=width), Vocabulary(tuple("vwxyz")))
    assert contents(folder) == before        # nor is anything left lying about
    loaded, vocabulary = load_model(folder)
    assert torch.equal(scores(loaded), wanted) and vocabulary == LETTERS


@pytest.mark.parametrize("width", [8, 16])
@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_disk_that_fails_at_the_first_file_leaves_the_old_model(folder, monkeypatch, function, width):
    saved_over_and_failed(folder, monkeypatch, function, 0, width)


@pytest.mark.parametrize("width", [8, 16])
@pytest.mark.parametrize("takes", [1, 2])
def test_a_disk_that_fills_up_at_a_later_file_leaves_the_old_model(folder, monkeypatch, takes, width):
    saved_over_and_failed(folder, monkeypatch, "fsync", takes, width)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e5])
def test_a_model_that_could_not_be_loaded_again_is_not_saved_over_one_that_can(folder, value):
    before, broken = contents(folder), model_of(seed=1)
    broken.embedding.weight[0, 0] = value
    with pytest.raises(ValueError, match="embedding"):
        save_model(folder, broken, LETTERS)
    assert contents(folder) == before


def test_saving_over_a_model_replaces_it(folder):
    other = model_of("transformer", seed=2)
    save_model(folder, other, Vocabulary(tuple("vwxyz")))
    loaded, vocabulary = load_model(folder)
    assert loaded.config == other.config and vocabulary.symbols == tuple("vwxyz")
    assert set(contents(folder)) == {CONFIG, WEIGHTS, VOCABULARY}


def test_a_loaded_model_does_not_need_its_files_any_more(folder):
    loaded, _ = load_model(folder)
    wanted = scores(loaded)
    shutil.rmtree(folder)
    assert torch.equal(scores(loaded), wanted)
