"""What machine this is, in a few words that can be stored beside a measurement."""

import os
import platform
from pathlib import Path


def processor() -> str:
    """The name of the processor as its maker wrote it, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def describe(device: str = "cpu") -> str:
    """The device that did the work, with the versions that matter."""
    import torch

    name = torch.cuda.get_device_name(0) if device == "cuda" else f"{processor()}, {cores()} cores"
    return f"{name}; torch {torch.__version__}; Python {platform.python_version()}; {platform.system()}"
