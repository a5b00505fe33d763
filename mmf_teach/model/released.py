"""The authors' released models: a folder as they give it away becomes a checkpoint of ours, one tensor at a time.

Course    notebook 04, "Fast kernels"
Equation  s = 1 / max(mean|W|, 1e-5),  T = clip(round(s W), -1, 1),  W ≈ T / s              all in float32
Source    ridgerchu/matmulfreellm a016f72: mmfreelm/ops/fusedbitnet.py (weight_quant), models/hgrn_bit (names, sizes);
          the models are ridger/MMfreeLM-370M, -1.3B and -2.7B on huggingface.co

They give away the weights they trained with, not the trits. Whatever type a weight is stored in, it is widened to
float32 first, as their code has it when it loads a model in float32, and the mean is added up in float64. Run in
bfloat16 their code would round the mean, and with it each scale, to eight bits: that is not copied.
What is no matrix of trits stays in the type it came in, so that nothing is rounded and nothing overflows.
"""

import dataclasses
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import isfinite, prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from mmf_teach.files import new_folder
from mmf_teach.model.build import build
from mmf_teach.model.checkpoint import FORMAT, RELEASED
from mmf_teach.model.config import LARGEST, ModelConfig
from mmf_teach.model.subword_tokenizer import FILES
from mmf_teach.ternary.packing import pack_base3
from mmf_teach.ternary.quantise import SMALLEST

CONFIG, SINGLE, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")
PIECE = 1 << 20                              # weights worked on at once
SIZES = {"F32": 4, "F16": 2, "BF16": 2, "U8": 1}             # bytes of a number

THEIR_NAMES = {                              # of a layer or parameter; the longest that fits is taken
    "embedding": "model.embeddings",
    "bounds": "model.lower_bounds",
    "head.0": "model.norm",
    "head.1": "lm_head",
    "blocks": "model.layers",
    "token_norm": "attn_norm",
    "token_mixer.to_i": "attn.i_proj",
    "token_mixer.to_f": "attn.f_proj",
    "token_mixer.to_g": "attn.g_proj",
    "token_mixer.to_o": "attn.o_proj",
    "token_mixer.gate_norm": "attn.g_norm",
    "channel_norm": "mlp_norm",
    "channel_mixer.to_gate_and_up": "mlp.gate_proj",
    "channel_mixer.to_down": "mlp.down_proj",
    "gain": "weight",
    "trits": "weight",
}
THEIR_SIZES = {"vocab": "vocab_size", "width": "hidden_size", "blocks": "num_hidden_layers"}
USUAL = {                                    # entries of their config.json that must be as in all released models
    "model_type": "hgrn_bit", "expand_ratio": 1, "use_short_conv": False, "use_lower_bound": True,
    "tie_word_embeddings": False,
}


@dataclass(frozen=True)
class SourceTensor:
    """A tensor in a file of theirs."""

    path: Path
    name: str
    dtype: str                               # as the file calls it
    shape: tuple[int, ...]

    def pieces(self) -> Iterator[Tensor]:
        """The tensor a few rows at a time. All pieces but the last fill whole bytes of five trits."""
        step = 5 * max(1, PIECE // 5 // max(1, prod(self.shape[1:])))
        with safe_open(self.path, "pt") as file:             # opened anew for each tensor: what was read is let go
            part = file.get_slice(self.name)
            for first in range(0, self.shape[0], step):
                yield part[first : first + step]


def convert(folder: Path, out: Path, report: Callable[[int, int, str], None] = lambda *_: None) -> ModelConfig:
    """Write the model in `folder` to the new folder `out`, packed; `report` hears of each tensor that is done.

    ValueError, in one sentence, for whatever cannot be converted. `out` is there when all is well, and only then.
    """
    folder, out = Path(folder), Path(out)
    if os.path.lexists(out):
        raise ValueError(f"{out} is there already: choose another name, or remove it")
    config = read_config(folder)
    sources = _wanted(config, _found(folder), folder)
    try:
        with new_folder(out) as new:
            with open(new / "weights.safetensors", "wb") as file:
                _write_weights(file, sources, report)
            (new / CONFIG).write_text(json.dumps(config.to_json()) + "\n", "utf-8")
            for name in FILES:
                if (folder / name).is_file():
                    shutil.copyfile(folder / name, new / name)
    except SafetensorError as problem:
        raise ValueError(f"{folder}: {_line(problem)}") from None
    except OSError as problem:
        if problem.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise ValueError(f"{out} was not written, because there is no room for it ({problem.strerror})") from None
    return config


def read_config(folder: Path) -> ModelConfig:
    """Our sizes from their config.json; entries that it lacks are as their code has them by default."""
    path = Path(folder) / CONFIG
    document = _read_json(path)
    for name, usual in USUAL.items():
        if document.get(name, usual) != usual:
            raise ValueError(f"{path}: {name} is {document[name]!r}, but only models with {usual!r} can be converted")
    if document.get("hidden_act", "swish") not in ("swish", "silu"):
        raise ValueError(f"{path}: hidden_act is {document['hidden_act']!r}, but the released code computes a swish")
    sizes = {ours: _size(path, document, theirs) for ours, theirs in THEIR_SIZES.items()}
    ratio = 4 if document.get("hidden_ratio") is None else _size(path, document, "hidden_ratio")
    inner = -(-int(sizes["width"] * ratio * 2 / 3) // 256) * 256
    if document.get("intermediate_size") is not None:
        inner = _size(path, document, "intermediate_size")
    try:
        usual = ModelConfig(RELEASED, **sizes)
        return dataclasses.replace(
            usual, inner_width=None if inner == usual.inner else inner,
            epsilon=document.get("rms_norm_eps", usual.epsilon))
    except ValueError as problem:
        raise ValueError(f"{path}: {problem}") from None


def their_name(name: str) -> str:
    """What the authors call a tensor that we call `name`.

    >>> their_name("blocks.3.token_mixer.to_i.norm.gain"), their_name("head.1.trits")
    ('model.layers.3.attn.i_proj.norm.weight', 'lm_head.weight')
    """
    words, theirs = name.split("."), []
    while words:
        longest = next((n for n in (2, 1) if ".".join(words[:n]) in THEIR_NAMES), 0)
        theirs.append(THEIR_NAMES[".".join(words[:longest])] if longest else words[0])
        del words[: longest or 1]
    return ".".join(theirs)


def quantised(source: SourceTensor) -> tuple[np.float32, Iterator[np.ndarray]]:
    """The scale of a matrix, and its trits packed, piece by piece. ValueError for NaN or infinity."""
    total = sum(float(piece.float().abs().sum(dtype=torch.float64)) for piece in source.pieces())
    if not isfinite(total):
        raise ValueError(f"{source.path}: {source.name} holds NaN or infinity")
    inverse = np.float32(1) / np.maximum(np.float32(total / prod(source.shape)), SMALLEST)
    trits = ((piece.float() * float(inverse)).round_().clamp_(-1, 1).to(torch.int8) for piece in source.pieces())
    return np.float32(1) / inverse, (pack_base3(piece.numpy()) for piece in trits)


def _write_weights(file: BinaryIO, sources: dict[str, SourceTensor], report: Callable[[int, int, str], None]) -> None:
    """A safetensors file like those of checkpoint.py. Each tensor is written where it belongs once it is known."""
    entries = {}
    for name, tensor in sources.items():
        if name.endswith(".trits"):
            layer = name.removesuffix(".trits")
            entries[f"{layer}.packed"] = "U8", [-(-prod(tensor.shape) // 5)]
            entries[f"{layer}.scale"] = "F32", []
        else:
            entries[name] = tensor.dtype, list(tensor.shape)
    header: dict[str, Any] = {"__metadata__": {"format": FORMAT}}
    end = 0
    for name in sorted(entries, key=lambda name: (-SIZES[entries[name][0]], name)):          # so that all are aligned
        dtype, shape = entries[name]
        start, end = end, end + SIZES[dtype] * prod(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    text = json.dumps(header).encode("utf-8")
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    data = file.tell()

    def write(name: str, pieces: Iterator[np.ndarray]) -> None:
        start, end = header[name]["data_offsets"]
        file.seek(data + start)
        for piece in pieces:
            file.write(piece.tobytes())
        if file.tell() != data + end:
            raise ValueError(f"the file that {name} comes from changed while it was read: start again")

    for done, (name, tensor) in enumerate(sources.items(), start=1):
        if name.endswith(".trits"):
            scale, packed = quantised(tensor)
            write(f"{name.removesuffix('.trits')}.scale", iter([scale]))
            write(f"{name.removesuffix('.trits')}.packed", packed)
        else:
            write(name, _as_they_are(tensor))
        report(done, len(sources), tensor.name)
    file.flush()
    os.fsync(file.fileno())


def _as_they_are(source: SourceTensor) -> Iterator[np.ndarray]:
    """The bytes of a tensor. ValueError for NaN or infinity."""
    for piece in source.pieces():
        if not torch.isfinite(piece).all():
            raise ValueError(f"{source.path}: {source.name} holds NaN or infinity")
        yield piece.contiguous().view(torch.uint8).numpy()


def _wanted(config: ModelConfig, found: dict[str, SourceTensor], folder: Path) -> dict[str, SourceTensor]:
    """By our names, the tensors of a model of these sizes; ValueError for one that is missing, left over or odd."""
    what = f"a model of {config.blocks} blocks of width {config.width}, as its {CONFIG} says"
    if config.blocks > len(found):           # every block has tensors of its own: more are not even counted through
        raise ValueError(f"{folder} holds {len(found)} tensors, too few for {what}")
    with torch.device("meta"):               # shapes only
        shapes = {name: tuple(place.shape) for name, place in build(config, packed=True).state_dict().items()}
    names = {name: their_name(name) for name in shapes if not name.endswith(".scale")}
    missing, extra = sorted(set(names.values()) - set(found)), sorted(set(found) - set(names.values()))
    if missing or extra:
        what_is_wrong = f"lacks {missing[0]}" if missing else f"holds {extra[0]!r}, which is no part"
        raise ValueError(f"{folder} {what_is_wrong} of {what}: download it again, all from one model")
    for name, theirs in names.items():
        source = found[theirs]
        if source.shape != shapes[name]:
            raise ValueError(f"{source.path}: {theirs} is {list(source.shape)}, not {list(shapes[name])} as in {what}")
        if source.dtype not in ("F32", "F16", "BF16"):
            raise ValueError(f"{source.path}: {theirs} is of type {source.dtype}, not of F32, F16 or BF16")
    return {name: found[theirs] for name, theirs in names.items()}


def _found(folder: Path) -> dict[str, SourceTensor]:
    """By their names, all tensors in the folder. ValueError for a file that is missing, damaged or a pickle."""
    if (folder / SINGLE).is_file():
        return _in_file(folder / SINGLE)
    if not (folder / INDEX).is_file():
        pickles = sorted(path.name for pattern in PICKLES for path in folder.glob(pattern))
        if pickles:
            raise ValueError(
                f"{folder} holds its weights as a pickle ({pickles[0]}), which may run anything when it is opened: "
                f"download {SINGLE} instead")
        raise ValueError(f"{folder} holds neither {SINGLE} nor {INDEX}: download the whole folder of the model")
    places = _read_json(folder / INDEX).get("weight_map")
    if not isinstance(places, dict) or not places or not all(isinstance(place, str) for place in places.values()):
        raise ValueError(f"{folder / INDEX} should have a weight_map, which says for each tensor in which file it is")
    found: dict[str, SourceTensor] = {}
    for name in sorted(set(places.values())):
        path = folder / name
        if name != os.path.basename(name) or not name.endswith(".safetensors"):
            raise ValueError(f"{folder / INDEX} names {name!r}, which is no safetensors file in this folder")
        if not path.is_file():
            raise ValueError(f"{path} is missing, but {INDEX} says that weights are in it: download it too")
        here = _in_file(path)
        listed = {tensor for tensor, place in places.items() if place == name}
        if here.keys() != listed:
            odd = min(here.keys() ^ listed)
            raise ValueError(f"{path} and {INDEX} disagree about {odd!r}: download both again, from one model")
        found |= here
    return found


def _in_file(path: Path) -> dict[str, SourceTensor]:
    """By name, the tensors of a safetensors file; the reader sees to it that they lie whole within the file."""
    try:
        with safe_open(path, "pt") as file:
            parts = {name: file.get_slice(name) for name in file.keys()}
            return {
                name: SourceTensor(path, name, part.get_dtype(), tuple(part.get_shape()))
                for name, part in parts.items()}
    except SafetensorError as problem:
        raise ValueError(f"{path} is no whole safetensors file ({_line(problem)}): download it again") from None


def _read_json(path: Path) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{path.parent} is no released model: it holds no {path.name}") from None
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"{path} is no JSON: {_line(problem)}") from None
    if not isinstance(document, dict):
        raise ValueError(f"{path} should hold a JSON object")
    return document


def _size(path: Path, document: dict[str, Any], name: str) -> int:
    size = document.get(name)
    if type(size) is not int or not 0 < size <= LARGEST:
        raise ValueError(f"{path}: {name} must be a whole number from 1 to {LARGEST}, not {_line(repr(size)[:100])}")
    return size


def _line(problem: Any) -> str:
    return " ".join(str(problem).split())
