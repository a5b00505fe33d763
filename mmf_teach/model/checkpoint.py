"""A trained model as three files: config.json, weights.safetensors, vocabulary.json. Nothing in them can run.

Course    notebook 07, "A whole language model"

Ternary weights are packed, five trits a byte, and binary ones, eight signs a byte, beside the scale they were
trained with: ternarising them anew would shift it. All other weights are kept in float16.
A converted model of the authors' (released.py) has its other weights in the type they were given away in, and a
tokenizer.json instead of a vocabulary.json.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Int8, UInt8
from numpy import ndarray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from mmf_teach.files import write_files
from mmf_teach.layers.binary_linear import BinaryLinear, SignLinear, sign_mean
from mmf_teach.layers.bit_linear import BitLinear, TernaryLinear, absmean
from mmf_teach.model.build import RUNNING, build, require_kind
from mmf_teach.model.character_tokenizer import Vocabulary
from mmf_teach.model.config import ModelConfig
from mmf_teach.model.language_model import LanguageModel
from mmf_teach.model.subword_tokenizer import WordPieces
from mmf_teach.shapes import Trits
from mmf_teach.ternary.binary import pack_signs, unpack_signs
from mmf_teach.ternary.packing import pack_base3, unpack_base3

FORMAT = "mmf-teach checkpoint 1"
RELEASED = "matmul_free_released"            # the kind of model that may come from the authors
PackedLayer = Callable[[TernaryLinear, UInt8[ndarray, "bytes"]], nn.Module]          # made of both, its trits in bytes


class Codec(NamedTuple):
    """How weights of few values lie in bytes."""

    in_a_byte: int
    pack: Callable[[Trits], UInt8[ndarray, "bytes"]]
    unpack: Callable[[UInt8[ndarray, "bytes"], int], Int8[ndarray, "weights"]]


TRITS, SIGNS = Codec(5, pack_base3, unpack_base3), Codec(8, pack_signs, unpack_signs)


def pack(model: LanguageModel) -> dict[str, Tensor]:
    """The weights as they are stored, by name. ValueError for a number that could not be read back."""
    stored = {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    for name, layer in model.named_modules():
        if isinstance(layer, BitLinear | BinaryLinear):
            split = absmean if isinstance(layer, BitLinear) else sign_mean
            trits, scale = split(stored.pop(f"{name}.weight"))
        elif isinstance(layer, TernaryLinear):
            trits, scale = stored.pop(f"{name}.trits"), stored.pop(f"{name}.scale")
        else:
            continue
        codec = SIGNS if isinstance(layer, BinaryLinear | SignLinear) else TRITS
        stored[f"{name}.packed"] = torch.from_numpy(codec.pack(trits.to(torch.int8).numpy()))
        stored[f"{name}.scale"] = scale.float()
    stored = {
        name: tensor.half() if tensor.is_floating_point() and not name.endswith(".scale") else tensor
        for name, tensor in sorted(stored.items())
    }
    for name, tensor in stored.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} holds NaN, infinity or a number that float16 cannot hold: not saved")
    return stored


def save_model(folder: Path, model: LanguageModel, vocabulary: Vocabulary) -> None:
    """Write the three files into `folder`; when one cannot be written, a model that was there stays as it was."""
    weights = {name: tensor.contiguous() for name, tensor in pack(model).items()}
    write_files({
        folder / "weights.safetensors": save(weights, {"format": FORMAT}),
        folder / "vocabulary.json": _json(list(vocabulary.symbols)),
        folder / "config.json": _json(model.config.to_json()),
    })


def read_config(folder: Path) -> ModelConfig:
    """The sizes of a stored model. ValueError in one sentence for whatever is wrong with them."""
    return _read(Path(folder) / "config.json", _known_config)


def load_model(
    folder: Path, packed_layer: PackedLayer | None = None,
) -> tuple[LanguageModel, Vocabulary | WordPieces]:
    """A model ready to run, and its letters. ValueError in one sentence for whatever is wrong with the files.

    With a `packed_layer`, such as the engine's PackedLinear, trits stay packed in memory too: for large models.
    """
    folder = Path(folder)
    config = read_config(folder)
    if config.kind == RELEASED and not (folder / "vocabulary.json").exists():
        vocabulary = WordPieces(folder, config.vocab)
    else:
        vocabulary = _read(folder / "vocabulary.json", Vocabulary.from_json)
    if len(vocabulary) != config.vocab:
        raise ValueError(f"{folder}: {len(vocabulary)} letters in vocabulary.json, but config.json says {config.vocab}")
    path = folder / "weights.safetensors"
    try:
        with safe_open(path, "pt") as file:
            if (file.metadata() or {}).get("format") != FORMAT:
                raise ValueError(f"not a file of the format {FORMAT!r}")
            stored = len(file.keys())
            if config.blocks > stored:       # every block has tensors of its own
                raise ValueError(f"{stored} tensors are too few for the {config.blocks} blocks in config.json")
            with torch.device("meta"):       # shapes only: no memory is taken on the word of a file
                model = build(config, packed=config.kind in RUNNING)
            model.load_state_dict(_unpack(model, file, packed_layer), assign=True)
    except FileNotFoundError:
        raise ValueError(f"{folder} holds no weights.safetensors") from None
    except (SafetensorError, ValueError) as problem:
        raise ValueError(f"{path}: {problem}") from None
    return model.eval(), vocabulary


def _unpack(model: LanguageModel, file: Any, packed_layer: PackedLayer | None) -> dict[str, Tensor]:
    """Every tensor the model asks for, checked; ValueError for one that is missing, left over or malformed.

    With a `packed_layer` no trits are among them: the layers that hold them are exchanged for such as hold them packed.
    Signs are always unpacked: there is no product of packed ones.
    """
    wanted = dict(model.state_dict())
    codec = SIGNS if RUNNING.get(model.config.kind) is SignLinear else TRITS
    floats = ["F16", "BF16", "F32"] if model.config.kind == RELEASED else ["F16"]
    names = {name.removesuffix(".trits") + ".packed" if name.endswith(".trits") else name for name in wanted}
    missing, extra = sorted(names - set(file.keys())), sorted(set(file.keys()) - names)
    if missing or extra:
        what = f"lacks {missing[0]}" if missing else f"has an unknown {extra[0]!r}"
        raise ValueError(f"the file {what}, so it is not a model of this kind and size")
    loaded = {}
    for name, place in wanted.items():
        if name.endswith(".trits"):
            stored = name.removesuffix(".trits") + ".packed"
            shape, dtypes = [-(-place.numel() // codec.in_a_byte)], ["U8"]
        else:
            stored, shape, dtypes = name, list(place.shape), ["F32"] if name.endswith(".scale") else floats
        part = file.get_slice(stored)
        if part.get_shape() != shape or part.get_dtype() not in dtypes:
            dtype = " or ".join(dtypes)
            raise ValueError(f"{stored} should be {dtype} {shape}, not {part.get_dtype()} {part.get_shape()}")
        tensor = file.get_tensor(stored)
        if name.endswith(".trits"):
            layer = name.removesuffix(".trits")
            try:
                if packed_layer and codec is TRITS:
                    model.set_submodule(layer, packed_layer(model.get_submodule(layer), tensor.numpy()))
                else:
                    trits = codec.unpack(tensor.numpy(), place.numel())
                    loaded[name] = torch.from_numpy(trits).view(place.shape)
            except ValueError as problem:
                raise ValueError(f"{stored}: {problem}") from None
        else:
            loaded[name] = tensor.float()
            if not all(torch.isfinite(end) for end in loaded[name].aminmax()):           # takes no memory
                raise ValueError(f"{stored} holds NaN or infinity")
            if name.endswith(".scale") and loaded[name] <= 0:
                raise ValueError(f"{stored} is {loaded[name].item()}, but a scale is positive")
    return loaded


def _known_config(document: Any) -> ModelConfig:
    config = ModelConfig.from_json(document)
    require_kind(config.kind)
    return config


def _json(document: Any) -> bytes:
    return (json.dumps(document, ensure_ascii=False) + "\n").encode("utf-8")


def _read(path: Path, parse: Any) -> Any:
    try:
        return parse(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        raise ValueError(f"{path.parent} is no model: it holds no {path.name}") from None
    except (ValueError, TypeError, RecursionError) as problem:
        raise ValueError(f"{path}: {problem}") from None


def size_bytes(folder: Path) -> int:
    """Bytes on disk of everything in the folder."""
    return sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
