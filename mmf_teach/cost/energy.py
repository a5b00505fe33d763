"""Energy of operations and of moving bits: counts times costs, and nothing unknown is free.

Course    notebook 01, "The price of a multiply"
Equation  E = Σ count × energy of one operation  +  bits moved × energy of one bit
"""

from collections.abc import Mapping

from mmf_teach.quantity import BITS, Quantity


def energy_pj(operations: Mapping[str, int], costs: Mapping[str, Quantity]) -> float:
    """Σ count × cost, in picojoules. KeyError for an operation without a cost, ValueError for a cost that is none."""
    total = 0.0
    for operation, count in operations.items():
        cost = costs[operation]
        if cost.unit != "pJ/operation":
            raise ValueError(f"the cost of {operation} is given in {cost.unit}, not in pJ/operation")
        total += count * cost.value
    return total


def moving_pj(data_bytes: int | float, cost: Quantity) -> float:
    """Energy to move that many bytes, in picojoules. ValueError for a cost that is not one of moving bits."""
    if cost.unit not in BITS:
        raise ValueError(f"{cost.unit} is not the cost of moving bits; that is one of {', '.join(BITS)}")
    return 8 * data_bytes * cost.value / BITS[cost.unit]
