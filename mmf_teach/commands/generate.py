"""`mmf generate`: text from a trained model, letter by letter."""

import argparse
import json
from pathlib import Path

from mmf_teach.model.checkpoint import load_model
from mmf_teach.model.generate import generate
from mmf_teach.paths import SHIPPED_MODEL


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", help='how the text begins, such as "ROMEO:"')
    parser.add_argument("--tokens", type=int, default=300, help="characters to write (default: 300)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another text (default: 0)")
    parser.add_argument("--temperature", type=float, default=0.8, help="0: the likeliest; 1: the model's own odds")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL, help="a model's folder (default: the shipped one)")
    parser.add_argument("--json", action="store_true", help="print the text as one JSON document at the end")


def run(options: argparse.Namespace) -> None:
    model, vocabulary = load_model(options.model)
    if options.seed < 0:
        raise ValueError(f"a seed is a number from zero up, not {options.seed}")
    prompt = vocabulary.encode(options.prompt)
    tokens = generate(model, prompt, options.tokens, options.temperature, options.seed)
    if options.json:
        text = vocabulary.decode(list(tokens))
        print(json.dumps({"prompt": options.prompt, "text": text, "tokens": len(text), "seed": options.seed}))
        return
    print(options.prompt, end="", flush=True)
    for token in tokens:
        print(vocabulary.decode([token]), end="", flush=True)
    print()
