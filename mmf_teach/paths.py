"""Where the project's files lie."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "data"
SHIPPED_MODEL = DATA / "checkpoints" / "shakespeare"


def cache() -> Path:
    """Where downloads are kept: `data/cache`, or what the environment variable MMF_CACHE says."""
    return Path(os.environ.get("MMF_CACHE") or DATA / "cache")
