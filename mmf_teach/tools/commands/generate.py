"""`mmf generate`: text from a trained model, letter by letter."""

import argparse
import json
import sys
from dataclasses import asdict
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hardware_sim.ternary_core.layout import require_form
from mmf_teach.hardware import peak_memory_bytes
from mmf_teach.model.checkpoint import RELEASED, load_model, read_config
from mmf_teach.model.generate import generate
from mmf_teach.model.integer import integer_model
from mmf_teach.paths import SHIPPED_MODEL

if TYPE_CHECKING:
    from mmf_teach.engine.accelerator import Accelerator

ENGINES = ("float", "packed", "machine")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", help='how the text begins, such as "ROMEO:"')
    parser.add_argument("--tokens", type=int, default=300, help="characters or pieces of words to write (default: 300)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, another text (default: 0)")
    parser.add_argument("--temperature", type=float, default=0.8, help="0: the likeliest; 1: the model's own odds")
    parser.add_argument("--model", type=Path, default=SHIPPED_MODEL, help="a model's folder (default: the shipped one)")
    parser.add_argument(
        "--engine", choices=ENGINES, default="float", metavar="ENGINE",
        help="float: torch's floats (default); packed: packed trits and whole numbers only; machine: the simulated "
        "accelerator, with its cycles and joules")
    parser.add_argument("--json", action="store_true", help="print the text as one JSON document at the end")


def run(options: argparse.Namespace) -> None:
    config = read_config(options.model)
    large = config.kind == RELEASED          # its trits stay packed, and memory is worth a word
    if options.engine == "machine":
        require_form(config.kind)                # before a large file is read for nothing
    packed_layer = None
    if large:
        from mmf_teach.engine.packed_linear import PackedLinear as packed_layer  # numba takes half a second

    model, vocabulary = load_model(options.model, packed_layer)
    if options.seed < 0:
        raise ValueError(f"a seed is a number from zero up, not {options.seed}")
    if options.engine == "packed":
        from mmf_teach.engine.runtime import Engine

        model = Engine(integer_model(model))
    elif options.engine == "machine":
        from mmf_teach.engine.accelerator import Accelerator

        model = Accelerator(integer_model(model))
    prompt = vocabulary.encode(options.prompt)
    tokens = generate(model, prompt, options.tokens, options.temperature, options.seed)
    tokens = takewhile(lambda token: token != vocabulary.end, tokens)
    if options.json:
        numbers = list(tokens)
        text = "".join(vocabulary.written(prompt, numbers))
        document = {"prompt": options.prompt, "text": text, "tokens": len(numbers), "seed": options.seed}
        more = {"peak_memory_bytes": peak_memory_bytes()} if large else {}
        print(json.dumps(document | more | (machine_facts(model) if options.engine == "machine" else {})))
        return
    print(options.prompt, end="", flush=True)
    for text in vocabulary.written(prompt, tokens):
        print(text, end="", flush=True)
    print()
    if large:
        print(f"peak memory: {peak_memory_bytes() / 1e6:,.0f} MB (measured)", file=sys.stderr)
    if options.engine == "machine":
        print(machine_line(machine_facts(model)), file=sys.stderr)


def machine_facts(accelerator: "Accelerator") -> dict[str, Any]:
    """What the machine did for a token, in cycles and joules, with the range and the kind of each number."""
    from hardware_sim.energy import total
    from hardware_sim.ternary_core.operation_counts import energy

    timing, machine = accelerator.timing, accelerator.machine
    joules = total(energy(timing.table, machine))
    return {
        "cycles_per_token": timing.cycles, "tokens_per_second": 1e6 * machine.clock_mhz / timing.cycles,
        "bytes_per_token": timing.bytes, "cycles_kind": "simulated", "saturated": accelerator.saturated,
        "joules_per_token": joules.value * 1e-12, "joules_low": joules.low * 1e-12, "joules_high": joules.high * 1e-12,
        "joules_kind": joules.label, "machine": asdict(machine),
    }


def machine_line(facts: dict[str, Any]) -> str:
    """The same for a person."""
    micro, low, high = (1e6 * facts[name] for name in ("joules_per_token", "joules_low", "joules_high"))
    lost = f"; {facts['saturated']:,} numbers did not fit into 32 bits" if facts["saturated"] else ""
    return (
        f"machine: {facts['cycles_per_token']:,} cycles a token, {facts['tokens_per_second']:,.0f} tokens/s at "
        f"{facts['machine']['clock_mhz']:g} MHz ({facts['cycles_kind']}); {micro:.1f} µJ a token, between {low:.1f} "
        f"and {high:.1f} ({facts['joules_kind']}){lost}")
