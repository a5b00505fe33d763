"""Trits times integers: `best()` is the fastest way on this machine, `WAYS` are all that it can run, slowest first."""


def __getattr__(name: str) -> object:
    """Both are found in fastest.py when they are asked for: only then is numba imported."""
    if name not in ("best", "WAYS"):
        raise AttributeError(f"module {__name__} has no attribute {name}")
    from mmf_teach.engine.ternary_matmul import choice as fastest

    return getattr(fastest, name)
