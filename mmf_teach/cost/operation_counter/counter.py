"""An operation counter for a forward pass: sees every operation of torch, and follows every number that leaves torch.

Course    notebook 07, "A whole language model"

Three nets hang below one another. Torch's dispatcher hands over each call, and torch_operations.py counts it. Kernels
that run below the dispatcher are named by whoever brings them, and counted by what they mean. A tensor that is handed
to NumPy becomes an array that refuses every operation but a product of matrices, which is counted as one: whatever
slips past the first two nets is thus an error and not free.
"""

import pkgutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy import ndarray
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from mmf_teach.cost.operation_counter.torch_operations import FREE, PRODUCTS, counted

MATMUL = np.matmul
NUMPY_PRODUCTS = ("matmul", "dot", "einsum", "inner", "tensordot", "vdot", "outer", "kron")
NUMPY_COPIES = ("array", "asarray", "ascontiguousarray")     # else what they return would be followed no longer
Costs = Mapping[str, Callable[..., Counter]]                 # name of a kernel -> what a call with its arguments costs


class TensorArray(ndarray):
    """An array that came out of a tensor: only a kernel that the counter knows may work with it."""

    counter: "OperationCounter | None" = None
    __numba_array_subtype_dispatch__ = True  # else numba takes it for any array; see engine/operation_counts.py

    def __array_finalize__(self, parent: Any) -> None:
        self.counter = getattr(parent, "counter", None)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if ufunc is not MATMUL:
            raise TypeError(f"nobody has counted what NumPy's {ufunc.__name__} does with a tensor's numbers")
        self.counter.matmuls["numpy " + ufunc.__name__] += 1
        return getattr(ufunc, method)(*map(plain, inputs), **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function.__name__ not in NUMPY_PRODUCTS:
            raise TypeError(f"nobody has counted what NumPy's {function.__name__} does with a tensor's numbers")
        self.counter.matmuls["numpy " + function.__name__] += 1
        return function(*map(plain, args), **kwargs)

    def dot(self, other: Any) -> ndarray:
        """The method is a product of matrices, too."""
        return np.dot(self, other)

    def tolist(self) -> list:
        """Python's numbers cannot be followed."""
        raise TypeError("nobody has counted what is done with a tensor's numbers in a list")


def plain(value: Any) -> Any:
    """An array that is followed no longer; anything else as it is."""
    return value.view(ndarray) if isinstance(value, TensorArray) else value


def followed(array: ndarray, counter: "OperationCounter") -> TensorArray:
    """The same numbers, followed."""
    same = array.view(TensorArray)
    same.counter = counter
    return same


class OperationCounter(TorchDispatchMode):
    """Counts while it is entered; `layer` says to which part of the model an operation belongs."""

    def __init__(self) -> None:
        super().__init__()
        self.by_layer: dict[str, Counter] = defaultdict(Counter)
        self.matmuls: Counter = Counter()                    # products of matrices, by who was asked for them
        self.read: set[int] = set()                          # storages that went into an operation
        self.written_bytes = 0                               # of all results of operations that are not free
        self.paused = False
        self._layers = [""]

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if not self.paused:
            name = func.overloadpacket.__name__
            self.count(counted(name, args, kwargs or {}, out), ".product" if name in PRODUCTS else "")
            if name in PRODUCTS:
                self.matmuls[f"torch {name}"] += 1
            if name not in FREE:
                self.read |= {each.untyped_storage().data_ptr() for each in args if isinstance(each, Tensor)}
                self.written_bytes += (out if isinstance(out, Tensor) else out[0]).nbytes
        return out

    def count(self, operations: Counter, part: str = "") -> None:
        """Put operations on the account of the layer that is at work, or of a part of it."""
        self.by_layer[self.here + part].update({kind: n for kind, n in operations.items() if n})

    @property
    def here(self) -> str:
        """The layer that is at work."""
        return self._layers[-1]

    @contextmanager
    def layer(self, name: str) -> Iterator[None]:
        """Operations inside the block belong to this layer."""
        self._layers.append(name)
        try:
            yield
        finally:
            self._layers.pop()

    @contextmanager
    def pause(self) -> Iterator[None]:
        """What happens inside the block is counted otherwise, by what it means."""
        self.paused, before = True, self.paused
        try:
            yield
        finally:
            self.paused = before


@contextmanager
def named_layers(model: nn.Module, counter: OperationCounter) -> Iterator[None]:
    """Each module's `forward` and `step` run under its name."""
    def under(name: str, function: Callable) -> Callable:
        def run(*args: Any, **kwargs: Any) -> Any:
            with counter.layer(name):
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
def counting(model: nn.Module, kernels: Costs, parts: tuple[str, ...] = ()) -> Iterator[OperationCounter]:
    """Run a model inside the block and every operation is on the counter's account.

    `kernels` maps the name of a function or method that leaves the dispatcher to what its call costs; `parts` name
    functions whose operations go under their own name within the layer that calls them.
    """
    counter = OperationCounter()

    def kernel(function: Callable, cost: Callable) -> Callable:
        def run(*args: Any, **kwargs: Any) -> Any:
            counter.count(cost(*args, **kwargs))
            with counter.pause():
                result = function(*map(plain, args), **kwargs)
            return followed(result, counter) if isinstance(result, ndarray) else result
        return run

    def part(function: Callable) -> Callable:
        def run(*args: Any, **kwargs: Any) -> Any:
            with counter.layer(f"{counter.here}.{function.__name__}"):
                return function(*args, **kwargs)
        return run

    def product(function: Callable) -> Callable:
        def run(*args: Any, **kwargs: Any) -> Any:
            counter.matmuls[f"numpy {function.__name__}"] += 1
            return function(*map(plain, args), **kwargs)
        return run

    def copy(function: Callable) -> Callable:
        def run(value: Any, *args: Any, **kwargs: Any) -> ndarray:
            array = function(plain(value), *args, **kwargs)
            return followed(array, counter) if isinstance(value, TensorArray) else array
        return run

    def leaving(to_numpy: Callable) -> Callable:
        def run(tensor: Tensor, *args: Any, **kwargs: Any) -> ndarray:
            array = to_numpy(tensor, *args, **kwargs)
            return array if counter.paused else followed(array, counter)
        return run

    wraps = {name: partial(kernel, cost=cost) for name, cost in kernels.items()} | dict.fromkeys(parts, part)
    wraps |= {f"numpy.{name}": product for name in NUMPY_PRODUCTS} | {f"numpy.{name}": copy for name in NUMPY_COPIES}
    wraps |= {"torch.Tensor.numpy": leaving, "torch.Tensor.tolist": lambda function: lambda x: x.numpy().tolist()}

    with ExitStack() as stack:
        for name, wrap in wraps.items():
            owner, _, attribute = name.rpartition(".")
            owner = pkgutil.resolve_name(owner)
            stack.enter_context(patch.object(owner, attribute, wrap(getattr(owner, attribute))))
        stack.enter_context(named_layers(model, counter))
        stack.enter_context(counter)
        yield counter
