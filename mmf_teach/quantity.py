"""A number that says what it is: value, unit, kind and source. One without them cannot be made.

Course    notebook 01, "The price of a multiply"
"""

import html
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path

from mmf_teach.paths import DATA

KINDS = ("quoted", "measured", "simulated", "modelled")
BITS = {"pJ/bit": 1, "pJ/byte": 8, "pJ/64 bits": 64}         # a cost of moving: how many bits one unit of it is for


@dataclass(frozen=True)
class Quantity:
    value: int | float
    unit: str                # "pJ/operation", "pJ/bit", "bytes"
    kind: str                # quoted from a source, measured for this project, simulated, or modelled
    source: str              # precise enough to find the number again
    node: str = ""           # process and supply voltage, where energy is meant
    low: int | float | None = None   # the range, where the source gives one
    high: int | float | None = None
    verified: bool = True    # whether the source itself was read for this project

    def __post_init__(self):
        if not isinstance(self.value, int | float) or isinstance(self.value, bool):
            raise ValueError(f"the value must be a number, not {self.value!r}")
        if self.kind not in KINDS:
            raise ValueError(f"the kind must be one of {', '.join(KINDS)}, not {self.kind!r}")
        if not self.unit or not self.source:
            raise ValueError("a number needs a unit and a source")
        ends = [end for end in (self.low, self.high) if end is not None]
        if len(ends) == 1 or (ends and not ends[0] <= self.value <= ends[1]):
            raise ValueError(f"the range {self.low} to {self.high} must have both ends and hold {self.value}")

    def __str__(self) -> str:
        spread = f" ({self.low:g} to {self.high:g})" if self.low is not None else ""
        return f"{self.value:g}{spread} {self.unit}, {self.label}"

    @property
    def label(self) -> str:
        """The kind, and whether the source was read."""
        return self.kind if self.verified else f"{self.kind}, not verified"

    def __repr__(self) -> str:
        return f"{self}: {self.source}"

    def _repr_html_(self) -> str:
        return f"<p>{self.badge()}<br><small>{html.escape(self.source)}</small></p>"

    def badge(self) -> str:
        """The number in HTML, its kind as a badge and its source on hover."""
        spread = f" ({self.low:g} to {self.high:g})" if self.low is not None else ""
        return (
            f"{self.value:g}{spread} {html.escape(self.unit)} <span title='{html.escape(self.source, quote=True)}' "
            f"style='border:1px solid #888;border-radius:3px;padding:0 .3em;font-size:80%'>{self.label}</span>"
        )


def load(name: str) -> dict[str, Quantity]:
    """The table data/energy/NAME.toml. ValueError names the entry that lacks a unit, a kind, a source or sense."""
    return read(DATA / "energy" / f"{name}.toml")


def read(path: Path) -> dict[str, Quantity]:
    """A table of quantities by name; what is missing or misspelt is an error, never a default."""
    table, known = {}, {field.name for field in fields(Quantity)}
    for entry, row in tomllib.loads(path.read_text("utf-8")).items():
        where = f"{path.name}: [{entry}]"
        if not isinstance(row, dict):
            raise ValueError(f"{where} is no table of value, unit, kind and source")
        if missing := [key for key in ("value", "unit", "kind", "source") if key not in row]:
            raise ValueError(f"{where} lacks {' and '.join(missing)}")
        if extra := sorted(row.keys() - known):
            raise ValueError(f"{where} has an unknown {extra[0]}")
        try:
            table[entry] = Quantity(**row)
        except (TypeError, ValueError) as problem:
            raise ValueError(f"{where}: {problem}") from None
    return table


@dataclass(frozen=True)
class QuantityTable:
    """Quantities one below the other, their sources numbered underneath."""

    rows: dict[str, Quantity]

    def sources(self) -> list[str]:
        """Each source once, in order of first use."""
        return list(dict.fromkeys(quantity.source for quantity in self.rows.values()))

    def __repr__(self) -> str:
        notes = self.sources()
        width = max(map(len, self.rows), default=0)
        lines = [f"{name:{width}}  {q} [{notes.index(q.source) + 1}]" for name, q in self.rows.items()]
        return "\n".join(lines + [f"[{number}] {note}" for number, note in enumerate(notes, start=1)])

    def _repr_html_(self) -> str:
        notes = self.sources()
        rows = "".join(
            f"<tr><th scope='row' style='text-align:left;font-weight:normal'>{html.escape(name)}</th>"
            f"<td style='text-align:left'>{q.badge()} <sup>{notes.index(q.source) + 1}</sup></td></tr>"
            for name, q in self.rows.items()
        )
        items = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
        return f"<table>{rows}</table><ol style='font-size:85%'>{items}</ol>"
