"""Are two results the same, and if not, what is the first difference in the reader's words?"""

from numbers import Number
from typing import Any

import numpy as np
from numpy import ndarray
from torch import Tensor

RELATIVE, ABSOLUTE = 1e-5, 1e-7              # floats: an answer may add up in another order
FAMILY = {"b": "true or false", "i": "whole numbers", "u": "whole numbers", "f": "floats", "c": "complex numbers"}


def difference(got: Any, want: Any, exact_dtype: bool = False) -> str:
    """A clause that says how `got` differs from `want`; empty when they are the same. Never raises."""
    try:
        return _difference(got, want, exact_dtype)
    except Exception:                        # an object that fails when it is looked at
        return f"it returns {_kind(got)} that cannot be compared"


def _difference(got: Any, want: Any, exact_dtype: bool) -> str:
    if got is None and want is not None:
        return "it returns nothing: is there a `return`?"
    if got is Ellipsis:
        return "it returns the `...` of the stub"
    if isinstance(want, tuple):
        return _tuple_difference(got, want, exact_dtype)
    if isinstance(want, Tensor) or isinstance(got, Tensor):
        if not (isinstance(want, Tensor) and isinstance(got, Tensor)):
            return f"it returns {_kind(got)}, not {_kind(want)}"
        got, want = got.detach().cpu().numpy(), want.detach().cpu().numpy()
    if isinstance(want, ndarray):
        if not isinstance(got, ndarray):
            return f"it returns {_kind(got)}, not an array"
        return _array_difference(got, want, exact_dtype)
    if isinstance(want, bool | np.bool_):
        return "" if isinstance(got, bool | np.bool_) and got == want else f"it returns {describe(got)}"
    if isinstance(want, Number):
        if isinstance(got, ndarray) and got.shape == ():
            got = got[()]
        if not isinstance(got, Number) or isinstance(got, bool):
            return f"it returns {_kind(got)}, not a number"
        return "" if _close(np.asarray(got), np.asarray(want)).all() else f"it returns {describe(got)}"
    if type(got) is not type(want):
        return f"it returns {_kind(got)}, not {_kind(want)}"
    return "" if got == want else f"it returns {describe(got)}"


def same(got: Any, want: Any, exact_dtype: bool = False) -> bool:
    """Whether two results are the same: integers exactly, floats to a relative 1e-5."""
    return not difference(got, want, exact_dtype)


def describe(value: Any) -> str:
    """A value as the reader would write it, short, and the same on every machine. Never raises."""
    try:
        return _described(value)
    except Exception:                        # an object that fails when it is looked at
        return f"an object of type {type(value).__name__}"


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"tensor {describe(value.detach().cpu().numpy())}"
    if isinstance(value, ndarray):
        text = np.array2string(value, precision=6, separator=", ", threshold=24, edgeitems=3, max_line_width=90)
        return f"{text} ({value.dtype}, shape {tuple(value.shape)})"
    if isinstance(value, tuple):
        return f"({', '.join(map(describe, value[:20]))}{', ...' if len(value) > 20 else ''})"
    if isinstance(value, np.generic):
        return describe(value.item())
    if callable(value):
        return f"the function {getattr(value, '__name__', type(value).__name__)}"
    text = repr(value)
    if " at 0x" in text:
        text = f"an object of type {type(value).__name__}"
    return text if len(text) <= 200 else f"{text[:200]}..."


def _tuple_difference(got: Any, want: tuple, exact_dtype: bool) -> str:
    if not isinstance(got, tuple | list):
        return f"it returns {_kind(got)}, not {len(want)} results"
    if len(got) != len(want):
        return f"it returns {len(got)} results, not {len(want)}"
    for place, (mine, theirs) in enumerate(zip(got, want, strict=True), start=1):
        if clause := difference(mine, theirs, exact_dtype):
            return f"in result {place} of {len(want)}, {clause}"
    return ""


def _array_difference(got: ndarray, want: ndarray, exact_dtype: bool) -> str:
    if got.shape != want.shape:
        return f"the shape is {tuple(got.shape)}, not {tuple(want.shape)}"
    if exact_dtype and got.dtype != want.dtype:
        return f"the dtype is {got.dtype}, not {want.dtype}"
    family = [FAMILY.get(array.dtype.kind, str(array.dtype)) for array in (got, want)]
    if family[0] != family[1]:
        return f"it holds {family[0]} ({got.dtype}), not {family[1]} ({want.dtype})"
    wrong = np.argwhere(~_close(got, want))
    if not len(wrong):
        return ""
    at = tuple(int(i) for i in wrong[0])
    where = f"at index {at[0] if len(at) == 1 else at}" if at else "there"
    return f"{where} it has {got[at]}, not {want[at]}"


def _close(got: ndarray, want: ndarray) -> ndarray:
    if got.dtype.kind in "fc" or want.dtype.kind in "fc":
        return np.isclose(got, want, RELATIVE, ABSOLUTE, equal_nan=True)
    return np.asarray(got == want)


def _kind(value: Any) -> str:
    names = {
        Tensor: "a tensor", ndarray: "an array", tuple: "several results", list: "a list", str: "a text",
        bool: "true or false", dict: "a dictionary",
    }
    for kind, name in names.items():
        if isinstance(value, kind):
            return name
    return "a number" if isinstance(value, Number) else f"an object of type {type(value).__name__}"
