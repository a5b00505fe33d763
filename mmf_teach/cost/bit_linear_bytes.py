"""Bytes that BitLinear moves through memory: in steps, each of which writes what the next one reads, or fused.

Course    notebook 04, "Fast kernels"

Counted, not measured: what a step reads and writes as whole arrays. A cache that holds them in between makes the steps
cheaper than this.
"""

FLOAT32, INT32, INT8 = 4, 4, 1               # bytes of a number


def bytes_in_steps(batch: int, outputs: int, inputs: int, weight_bytes: int) -> dict[str, int]:
    """Bytes read and written by each step of the equation, one after the other.

    >>> bytes_in_steps(1, 4096, 4096, weight_bytes=4096 * 4096 // 4)
    {'norm': 32768, 'codes': 20484, 'product': 4214784, 'scales': 32772}
    """
    x, y, scales = batch * inputs, batch * outputs, batch * FLOAT32
    return {
        "norm": x * FLOAT32 + x * FLOAT32,
        "codes": x * FLOAT32 + x * INT8 + scales,
        "product": x * INT8 + weight_bytes + y * INT32,
        "scales": y * INT32 + scales + y * FLOAT32,
    }


def bytes_fused(batch: int, outputs: int, inputs: int, weight_bytes: int) -> dict[str, int]:
    """Bytes read and written by one loop: the tokens once, the weights once, the results once.

    >>> bytes_fused(1, 4096, 4096, weight_bytes=4096 * 4096 // 4)
    {'tokens': 16384, 'weights': 4194304, 'results': 16384}
    """
    return {
        "tokens": batch * inputs * FLOAT32,
        "weights": weight_bytes,
        "results": batch * outputs * FLOAT32,
    }
