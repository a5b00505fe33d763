"""data/manifest.toml: for every result in data/ its checksum, licence and origin, so that nothing creeps in unnoticed.

Files ending in .toml are written by hand and carry their sources inside; they are not listed.
"""

import hashlib
import tomllib
from pathlib import Path

from mmf_teach.paths import DATA


def data_files() -> list[str]:
    """Every result in data/, by its path from there; downloads are none."""
    files = (path.relative_to(DATA) for path in DATA.rglob("*") if path.is_file() and path.suffix != ".toml")
    return sorted(path.as_posix() for path in files if path.parts[0] != "cache")


def problems() -> list[str]:
    """What the manifest and the files disagree on, a sentence each; empty when all is well."""
    listed = tomllib.loads((DATA / "manifest.toml").read_text("utf-8"))
    found = [f"data/{name} is not in data/manifest.toml" for name in data_files() if name not in listed]
    for name, entry in listed.items():
        if missing := {"sha256", "licence", "origin"} - entry.keys():
            found.append(f"data/manifest.toml says no {' and no '.join(sorted(missing))} of {name}")
        elif not (DATA / name).is_file():
            found.append(f"data/{name} is missing: get the project anew")
        elif checksum(DATA / name) != entry["sha256"]:
            found.append(f"data/{name} has been changed: its SHA-256 is {checksum(DATA / name)}")
    return found


def checksum(path: Path) -> str:
    """The SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
