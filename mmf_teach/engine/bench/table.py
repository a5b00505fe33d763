"""The rows as a table for people."""

import re

from mmf_teach.engine.bench.rows import Row

HEADINGS = ("", "bits", "multiplies", "time", "floor", "x floor", "fp32", "bf16", "int8", "int4", "exact")
PEERS = ("fp32", "bf16", "int8", "int4")


def time_text(us: float | None) -> str:
    """Three digits and a unit.

    >>> time_text(4.31), time_text(46.2), time_text(3370.0), time_text(None)
    ('4.31 us', '46.2 us', '3.37 ms', '')
    """
    if us is None:
        return ""
    return f"{us:.3g} us" if us < 999.5 else f"{us / 1000:.3g} ms"


def _cells(one: Row) -> list[str]:
    by_kind = {kind: next((r for name, r in one.faster_than.items() if name.endswith(kind)), None) for kind in PEERS}
    return [
        one.name,
        "" if one.bits is None else f"{one.bits:.2f}",
        {None: "", True: "yes", False: "no"}[one.multiplies],
        time_text(one.median_us),
        time_text(one.floor_us),
        "" if one.times_floor is None else f"{one.times_floor:.2f}",
        *("" if by_kind[kind] is None else f"{by_kind[kind]:.1f}" for kind in PEERS),
        {None: "", True: "yes", False: "NO"}[one.exact],
    ]


def table(rows: list[Row]) -> str:
    """One block for each size, number of tokens and threads; a line under it says what its floor is."""
    blocks: dict[tuple, list[Row]] = {}
    for one in rows:
        blocks.setdefault((one.shape, one.batch, one.state, one.threads), []).append(one)
    texts = []
    for (shape, batch, state, threads), members in blocks.items():
        lines = [list(HEADINGS), *(_cells(one) for one in members)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
        texts.append(
            f"{shape[0]} x {shape[1]}, {batch} token{'s' * (batch != 1)}, {state}, "
            f"{threads} thread{'s' * (threads != 1)}")
        for line in lines:
            first, *rest = (
                cell.ljust(width) if column == 0 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(line, widths, strict=True)))
            texts.append("  " + "  ".join([first, *rest]).rstrip())
        floors = {re.sub(r"[\d,]+ packed", "packed", one.floor) for one in members if one.floor}
        notes = [f"floor: {' or '.join(sorted(floors))}"] if floors else []
        scaled = [
            f"{one.name} is {ratio:.1f} times as fast as {name}" for one in members[::-1]
            for name, ratio in one.faster_than.items() if name.endswith("scaled")][:2]
        moved = [f"{one.name} moves {one.bytes_moved:,} bytes" for one in members if one.bytes_moved is not None]
        speeds = [f"{one.name}: {one.tokens_per_s:,.0f} tokens/s" for one in members if one.tokens_per_s is not None]
        texts += [f"  {note}" for note in [*notes, *scaled, *moved, *speeds]] + [""]
    return "\n".join(texts)
