"""`mmf evaluate`: how surprised a model is by a text."""

import argparse
import json
from pathlib import Path

from mmf_teach.engine.accelerate import exchange
from mmf_teach.model.character_tokenizer import Vocabulary
from mmf_teach.model.checkpoint import load_model
from mmf_teach.paths import SHIPPED_MODEL
from mmf_teach.progress import Progress
from mmf_teach.training.validation_loss import WINDOW, loss_nats


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--text", type=Path, required=True, metavar="FILE", help="a text file in UTF-8")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL, help="a model's folder (default: the shipped one)")
    parser.add_argument("--window", type=int, default=WINDOW, help="characters before starting afresh (default: 256)")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON document")


def run(options: argparse.Namespace) -> None:
    if options.window < 1:
        raise ValueError(f"a window holds at least one character, not {options.window}")
    model, vocabulary = load_model(options.model)
    if not isinstance(vocabulary, Vocabulary):
        raise ValueError(f"{options.model} reads pieces of words; only models that read letters are measured here")
    exchange(model)
    text = read_text(options.text)
    bar = Progress(len(text) - 1)
    loss = loss_nats(model, vocabulary.encode(text), options.window, report=lambda done: bar.show(done, "characters"))
    if options.json:
        print(json.dumps({
            "nats_per_character": loss, "characters": len(text), "window": options.window, "kind": "measured",
        }))
    else:
        print(f"{len(text):,} characters, windows of {options.window}, nats per character (measured):")
        print(f"{loss:.4f}")


def read_text(path: Path) -> str:
    """The text of a file, line ends as they stand; ValueError when it is not UTF-8."""
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not a text in UTF-8") from None
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}") from None
