"""`mmf generate`: text from a trained model, letter by letter."""

import argparse
import json
import sys
from itertools import takewhile
from pathlib import Path

from mmf_teach.hardware import peak_memory_bytes
from mmf_teach.model.checkpoint import RELEASED, load_model, read_config
from mmf_teach.model.generate import generate
from mmf_teach.model.integer import IntegerModel
from mmf_teach.paths import SHIPPED_MODEL

ENGINES = ("float", "packed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", help='how the text begins, such as "ROMEO:"')
    parser.add_argument("--tokens", type=int, default=300, help="characters or pieces of words to write (default: 300)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another text (default: 0)")
    parser.add_argument("--temperature", type=float, default=0.8, help="0: the likeliest; 1: the model's own odds")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL, help="a model's folder (default: the shipped one)")
    parser.add_argument(
        "--engine", choices=ENGINES, default="float", metavar="ENGINE",
        help="float: torch's floats (default); packed: packed trits and whole numbers only")
    parser.add_argument("--json", action="store_true", help="print the text as one JSON document at the end")


def run(options: argparse.Namespace) -> None:
    large = read_config(options.model).kind == RELEASED      # its trits stay packed, and memory is worth a word
    model, vocabulary = load_model(options.model, packed=large)
    if options.seed < 0:
        raise ValueError(f"a seed is a number from zero up, not {options.seed}")
    if options.engine == "packed":
        from mmf_teach.model.engine import Engine  # numba takes half a second: only when it is asked for

        model = Engine(IntegerModel.of(model))
    prompt = vocabulary.encode(options.prompt)
    tokens = generate(model, prompt, options.tokens, options.temperature, options.seed)
    tokens = takewhile(lambda token: token != vocabulary.end, tokens)
    if options.json:
        numbers = list(tokens)
        text = "".join(vocabulary.written(prompt, numbers))
        document = {"prompt": options.prompt, "text": text, "tokens": len(numbers), "seed": options.seed}
        print(json.dumps(document | ({"peak_memory_bytes": peak_memory_bytes()} if large else {})))
        return
    print(options.prompt, end="", flush=True)
    for text in vocabulary.written(prompt, tokens):
        print(text, end="", flush=True)
    print()
    if large:
        print(f"peak memory: {peak_memory_bytes() / 1e6:,.0f} MB (measured)", file=sys.stderr)
