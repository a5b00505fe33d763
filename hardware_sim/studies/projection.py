"""The paper's 23.8 tokens a second at 1.3B, taken apart: the time of one block, times blocks, over wider accesses.

Course    notebook 13, "The model on the machine"
Equation  needed bytes a second = weights · bits / 8 · tokens a second
Source    reports about Zhu et al. 2024, arXiv 2406.02528; each number with its own in data/machine/ladder.toml
"""

from dataclasses import dataclass

from hardware_sim.paper2024.machine import facts
from hardware_sim.studies.ladder import table
from hardware_sim.ternary_core.model import Sizes


def needed_gigabytes_per_second(weights: float, bits: float, tokens_per_second: float) -> float:
    """The bandwidth at which all weights come by once for each token.

    >>> needed_gigabytes_per_second(4e9, 2, 1.5)
    1.5
    """
    return weights * bits / 8 * tokens_per_second / 10**9


@dataclass(frozen=True)
class Projection:
    """The paper's 23.8 tokens a second at 1.3B, step by step."""

    block_ms: float          # of one block, as it is
    faster: float            # how much wider memory accesses become
    blocks: int
    weights: int             # in those blocks
    clock_mhz: float

    @property
    def token_ms(self) -> float:
        """All blocks, each as much faster as accesses are wider."""
        return self.blocks * self.block_ms / self.faster

    @property
    def tokens_per_second(self) -> float:
        """What is projected."""
        return 1000 / self.token_ms

    @property
    def needed_gigabytes_per_second(self) -> float:
        """The bandwidth that the projection implies, at two bits a weight."""
        return needed_gigabytes_per_second(self.weights, 2, self.tokens_per_second)

    @property
    def there_gigabytes_per_second(self) -> float:
        """What one access of that width in every cycle brings."""
        return self.faster * self.clock_mhz / 1000


def projection(sizes: Sizes) -> Projection:
    """For a model of these sizes, without its head, at the published clock."""
    weights = sizes.blocks * (4 * sizes.width**2 + 3 * sizes.width * sizes.inner)
    block_ms, faster = (table()[name].value for name in ("projected_block_time", "projected_burst"))
    return Projection(block_ms, faster, sizes.blocks, weights, facts()["clock"].value)
