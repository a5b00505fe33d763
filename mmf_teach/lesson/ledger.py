"""The reader's own record of checks, predictions and answers: a local file, one JSON document a line, never sent.

The environment variable MMF_LEDGER names another file; set to nothing, no file is kept. What is in no file is
remembered until the kernel stops, so that a guess can still be compared with the answer.
"""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from mmf_teach.paths import ROOT


def path() -> Path | None:
    """Where the record is kept, or None when none is."""
    chosen = os.environ.get("MMF_LEDGER")
    return ROOT / "ledger.jsonl" if chosen is None else Path(chosen) if chosen else None


_in_no_file: list[str] = []                  # lines since the kernel started


def record(kind: str, **entry: Any) -> None:
    """Add a line, which needs an `id`. If it cannot be written it is remembered: no lesson stops because of it."""
    file = path()
    now = datetime.now(UTC).isoformat(timespec="seconds")
    line = json.dumps({"time": now, "kind": kind} | entry, default=_plain)
    try:
        if file is None:
            raise OSError
        with open(file, "ab+") as lines:     # whatever is written goes to the end, and in one piece
            lines.write(("\n" if _torn(lines) else "").encode() + line.encode() + b"\n")
    except OSError:
        _in_no_file.append(line)


def _torn(lines: BinaryIO) -> bool:
    """Whether the last line was not written to its end."""
    if lines.seek(0, os.SEEK_END) == 0:
        return False
    lines.seek(-1, os.SEEK_END)
    return lines.read(1) != b"\n"


def _plain(value: Any) -> Any:
    """A number or an array of NumPy's as JSON has it."""
    return value.tolist() if hasattr(value, "tolist") else repr(value)


def entries(kind: str | None = None) -> list[dict[str, Any]]:
    """All lines, or those of one kind, the oldest first; a damaged line is passed over."""
    file = path()
    try:
        lines = file.read_text("utf-8", errors="replace").split("\n") if file else []
    except OSError:
        lines = []
    found = []
    for line in [*lines, *_in_no_file]:
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            continue
        whole = isinstance(entry, dict) and all(isinstance(entry.get(key), str) for key in ("time", "kind", "id"))
        if whole and kind in {None, entry["kind"]}:
            found.append(entry)
    return found
