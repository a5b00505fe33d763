"""`mmf compare`: what a token costs in a MatMul-free model and in its MatMul twin, by cause."""

import argparse
import json
from dataclasses import asdict
from typing import Any

MODELS = {
    "released": "MatMul-free, released form", "paper": "MatMul-free, paper's form",
    "dense": "MatMul-free, dense products",
}
TWINS = {
    "fp16": "Transformer++, fp16", "int8": "Transformer++, int8", "int4": "Transformer++, int4, heads share",
    "equal-loss": "Transformer++, int4, of equal loss", "bitnet": "BitNet b1.58, heads share",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from mmf_teach.cost.comparison import MEMORIES, SIZES, Setting

    usual = Setting()
    parser.add_argument("--model", choices=MODELS, default="released", help="the MatMul-free model")
    parser.add_argument("--twin", choices=TWINS, default="fp16", help="its rival and its numbers")
    parser.add_argument("--size", choices=SIZES, default=usual.size, help=f"of both (default: {usual.size})")
    parser.add_argument("--context", type=int, default=usual.context, metavar="T", help="tokens read before this one")
    parser.add_argument("--batch", type=int, default=usual.batch, metavar="B", help="sequences that share the weights")
    parser.add_argument("--memory", choices=MEMORIES, default=usual.memory, help="where weights and state come from")
    parser.add_argument("--json", action="store_true", help="print the comparison as one JSON document")


def run(options: argparse.Namespace) -> None:
    from mmf_teach.cost.comparison import Setting, compare, in_words

    setting = Setting(
        MODELS[options.model], TWINS[options.twin], options.size, options.context, options.batch, options.memory)
    accounts = compare(setting)
    if options.json:
        print(json.dumps({
            "setting": asdict(setting), "kind": "modelled", "unit": "uJ/token", "node": "45 nm",
            "models": [document(account) for account in accounts], "in_words": in_words(accounts),
            "sources": "data/energy/*.toml and data/quality/equal_loss.toml, each number with its own",
        }, indent=1))
        return
    for account in accounts:
        print(f"{account.name} ({account.config.blocks} blocks of width {account.config.width})")
        for name, count in account.operations.items():
            print(f"  {name:26} {count:>16,} operations (counted)")
        for cause, part in [*account.microjoules.items(), ("together", account.total)]:
            print(f"  {cause:26} {part.value:>16,.1f} uJ, {part.low:,.1f} to {part.high:,.1f} (modelled)")
    print(in_words(accounts))


def document(account: Any) -> dict[str, Any]:
    """One model's account as plain data, per token."""
    return {
        "name": account.name, "config": account.config.to_json(), "operations": account.operations,
        "bytes": account.bytes, "energy": {cause: asdict(part) for cause, part in account.microjoules.items()},
        "total": asdict(account.total),
    }
