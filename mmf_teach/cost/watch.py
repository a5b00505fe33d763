"""A watch over a forward pass: every operation of torch is seen, and every number that leaves torch is followed.

Course    notebook 07, "A whole language model"

Three nets hang below one another. Torch's dispatcher hands over each call, and torch_operations.py counts it. Kernels
of the project that run below the dispatcher are caught by name and counted by what they mean. A tensor that is handed
to NumPy becomes an array that refuses every operation but a product of matrices, which is counted as one: whatever
slips past the first two nets is thus an error and not free.
"""

import pkgutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy import ndarray
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from mmf_teach.cost.torch_operations import FREE, PRODUCTS, counted

MATMUL = np.matmul
NUMPY_PRODUCTS = ("matmul", "dot", "einsum", "inner", "tensordot", "vdot", "outer", "kron")


class Handed(ndarray):
    """An array that came out of a tensor: only a kernel that the audit knows may work with it."""

    watch: "Watch | None" = None

    def __array_finalize__(self, parent: Any) -> None:
        self.watch = getattr(parent, "watch", None)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc is not MATMUL:
            raise TypeError(f"nobody has counted what NumPy's {ufunc.__name__} does with a tensor's numbers")
        self.watch.matmuls["numpy " + ufunc.__name__] += 1
        return getattr(ufunc, method)(*map(plainly, inputs), **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function.__name__ not in NUMPY_PRODUCTS:
            raise TypeError(f"nobody has counted what NumPy's {function.__name__} does with a tensor's numbers")
        self.watch.matmuls["numpy " + function.__name__] += 1
        return function(*map(plainly, args), **kwargs)


def plainly(value: Any) -> Any:
    """An array that is watched no longer; anything else as it is."""
    return value.view(ndarray) if isinstance(value, Handed) else value


def handed(array: ndarray, watch: "Watch") -> Handed:
    """The same numbers, watched."""
    seen = array.view(Handed)
    seen.watch = watch
    return seen


class Watch(TorchDispatchMode):
    """Counts while it is entered; `layer` says to which part of the model an operation belongs."""

    def __init__(self) -> None:
        super().__init__()
        self.by_layer: dict[str, Counter] = defaultdict(Counter)
        self.matmuls: Counter = Counter()                    # products of matrices, by who was asked for them
        self.read: dict[int, int] = {}                       # storages that went into an operation -> their bytes
        self.moved_bytes = 0                                 # of all results of operations that are not free
        self._layers = [""]
        self._paused = False

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not self._paused:
            name = func.overloadpacket.__name__
            self.count(counted(name, args, kwargs or {}, out), ".product" if name in PRODUCTS else "")
            if name in PRODUCTS:
                self.matmuls[f"torch {name}"] += 1
            if name not in FREE:
                self._note(args, out)
        return out

    def count(self, operations: Counter, part: str = "") -> None:
        """Put operations on the account of the layer that is at work, or of a part of it."""
        self.by_layer[self.here + part].update({kind: n for kind, n in operations.items() if n})

    def _note(self, args: tuple, out: Any) -> None:
        for each in args:
            if isinstance(each, Tensor):
                storage = each.untyped_storage()
                self.read[storage.data_ptr()] = storage.nbytes()
        first = out if isinstance(out, Tensor) else out[0]
        self.moved_bytes += first.nbytes

    @contextmanager
    def layer(self, name: str) -> Iterator[None]:
        """Operations inside the block belong to this layer."""
        self._layers.append(name)
        try:
            yield
        finally:
            self._layers.pop()

    @property
    def here(self) -> str:
        """The layer that is at work."""
        return self._layers[-1]

    @contextmanager
    def paused(self) -> Iterator[None]:
        """What happens inside the block is counted otherwise, by what it means."""
        self._paused, before = True, self._paused
        try:
            yield
        finally:
            self._paused = before


@contextmanager
def named_layers(model: nn.Module, watch: Watch) -> Iterator[None]:
    """Each module's `forward` and `step` run under its name."""
    def under(name: str, function: Callable) -> Callable:
        def run(*args: Any, **kwargs: Any) -> Any:
            with watch.layer(name):
                return function(*args, **kwargs)
        return run

    changed = []
    for name, module in model.named_modules():
        for method in ("forward", "step"):
            if name and hasattr(module, method):
                module.__dict__[method] = under(name, getattr(module, method))
                changed.append((module, method))
    try:
        yield
    finally:
        for module, method in changed:
            del module.__dict__[method]


@contextmanager
def watched(model: nn.Module, kernels: dict[str, Callable], parts: tuple[str, ...] = ()) -> Iterator[Watch]:
    """Run a model inside the block and every operation is on the watch's account.

    `kernels` maps the name of a function or method that leaves the dispatcher to what its call costs; `parts` name
    functions whose operations go under their own name within the layer that calls them.
    """
    watch = Watch()

    def known(function: Callable, cost: Callable) -> Callable:
        def run(*args: Any, **kwargs: Any) -> Any:
            watch.count(cost(*args, **kwargs))
            with watch.paused():
                result = function(*map(plainly, args), **kwargs)
            return handed(result, watch) if isinstance(result, ndarray) else result
        return run

    def part(function: Callable) -> Callable:
        def run(*args: Any, **kwargs: Any) -> Any:
            with watch.layer(f"{watch.here}.{function.__name__}"):
                return function(*args, **kwargs)
        return run

    def product(function: Callable) -> Callable:
        def run(*args: Any, **kwargs: Any) -> Any:
            watch.matmuls[f"numpy {function.__name__}"] += 1
            return function(*map(plainly, args), **kwargs)
        return run

    plain = torch.Tensor.numpy

    def numpy(tensor: Tensor, *args: Any, **kwargs: Any) -> ndarray:
        array = plain(tensor, *args, **kwargs)
        return array if watch._paused else handed(array, watch)

    def exchange(stack: ExitStack, name: str, wrap: Callable) -> None:
        owner, _, attribute = name.rpartition(".")
        owner = pkgutil.resolve_name(owner)
        stack.enter_context(patch.object(owner, attribute, wrap(getattr(owner, attribute))))

    with ExitStack() as stack:
        for name, cost in kernels.items():
            exchange(stack, name, partial(known, cost=cost))
        for name in parts:
            exchange(stack, name, part)
        for name in NUMPY_PRODUCTS:
            exchange(stack, f"numpy.{name}", product)
        stack.enter_context(patch.object(torch.Tensor, "numpy", numpy))
        stack.enter_context(named_layers(model, watch))
        stack.enter_context(watch)
        yield watch
