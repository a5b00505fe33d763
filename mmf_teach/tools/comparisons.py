"""The stored comparisons that no recipe describes, made again with the engine's update of the weights.

    python -m mmf_teach.tools.comparisons gru_to_mlgru             data/sweeps/deletions.json, notebook 05
    python -m mmf_teach.tools.comparisons paper_to_released        data/sweeps/differences.json, notebook 07

A file named after it is written instead; what stands in it is not made again.
"""

import sys
from functools import partial
from pathlib import Path

from mmf_teach.engine.training_step import make_step
from mmf_teach.training import gru_to_mlgru, paper_to_released_runs

COMPARISONS = {
    "gru_to_mlgru": (gru_to_mlgru.RESULTS, partial(gru_to_mlgru.ladder, make_step=make_step)),
    "paper_to_released": (paper_to_released_runs.RESULTS, partial(paper_to_released_runs.run_all, make_step=make_step)),
}


def main(name: str, *results: str) -> None:
    """Make a comparison by its name. ValueError for one that there is not."""
    if name not in COMPARISONS:
        raise ValueError(f"there are the comparisons {' and '.join(COMPARISONS)}, not {name!r}")
    stored, run = COMPARISONS[name]
    run(Path(*results) if results else stored)


if __name__ == "__main__":
    main(*sys.argv[1:])
