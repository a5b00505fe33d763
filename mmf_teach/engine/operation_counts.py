"""What a call of the engine's kernels costs, by what it means: they run below torch's dispatcher, where nothing counts.

Course    notebook 07, "A whole language model"

A kernel is trusted with its count, not with its means: the operation counter still sees a product of matrices inside.
A compiled function that gets a tensor's numbers and has no entry here is an error, for unknown is not free: so is a
model that was accelerated. Audited is the textbook's, and only its trits are packed.
"""

from collections import Counter
from collections.abc import Callable

from numba.extending import typeof_impl
from numpy import ndarray

from mmf_teach.cost.operation_counter import audit as textbook
from mmf_teach.cost.operation_counter.counter import TensorArray
from mmf_teach.engine.packed_linear import pack
from mmf_teach.engine.ternary_matmul.kernel import Kernel, Packed
from mmf_teach.model.language_model import LanguageModel


def ternary_matmul(kernel: Kernel, codes: ndarray, packed: Packed, threads: int = 1) -> Counter:
    """For each token an addition a +1, a subtraction a -1, and nothing a 0."""
    trits = kernel.unpack(packed)
    plus, minus = int((trits == 1).sum()), int((trits == -1).sum())
    each = {"ternary_add": plus, "ternary_subtract": minus, "skipped_zero": trits.size - plus - minus}
    return Counter({kind: len(codes) * count for kind, count in each.items()})


KERNELS: dict[str, Callable[..., Counter]] = {
    "mmf_teach.engine.ternary_matmul.kernel.Compiled.product": ternary_matmul,
    "mmf_teach.engine.ternary_matmul.kernel.Plain.product": ternary_matmul,
}


@typeof_impl.register(TensorArray)
def refuse(array: TensorArray, context: object) -> None:
    """What numba asks before it runs a compiled function."""
    raise TypeError("nobody has counted what this compiled function does with a tensor's numbers")


def audit(model: LanguageModel, tokens: int, form: str = "inference") -> textbook.Audit:
    """The textbook's audit, of the model with its trits packed, in place, where it only runs. ValueError as there."""
    if form == "inference":
        pack(model)
    return textbook.audit(model, tokens, form, KERNELS)
