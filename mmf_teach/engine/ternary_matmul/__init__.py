"""Trits times integers: `best()` is the fastest kernel on this machine, `KERNELS` are all it can run, slowest first."""


def __getattr__(name: str) -> object:
    """Both are found in choice.py when they are asked for: only then is numba imported."""
    if name not in ("best", "KERNELS"):
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from mmf_teach.engine.ternary_matmul import choice

    return getattr(choice, name)
