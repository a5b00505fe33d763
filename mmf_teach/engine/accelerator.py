"""A trained model on our core, as a text generator sees it: tokens in, scores out, and a clock that runs along.

Course    notebook 13, "The model on the machine"
"""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float64, Int, Int64
from numpy import ndarray

from hardware_sim.ternary_core.check import check
from hardware_sim.ternary_core.decode import decode
from hardware_sim.ternary_core.machine import TERNARY_CORE, Machine
from hardware_sim.ternary_core.weights import lower_model
from mmf_teach.engine.ternary_core.scoreboard import Timing, time
from mmf_teach.engine.ternary_core.values import CompiledCore
from mmf_teach.ternary import fixed_point as fp

if TYPE_CHECKING:
    from mmf_teach.reference.integer_model import IntegerModel, State


class Accelerator:
    """One core with a model in its memory. The state is [blocks, b, d], whole numbers (memories), as the engine's.

    One sequence at a time: those of a batch are read one after the other.
    """

    def __init__(self, model: "IntegerModel", machine: Machine = TERNARY_CORE):
        """Lower the model. ValueError when it is too large for the machine's address space."""
        self.machine, self.vocabulary = machine, len(model.embedding)
        self.lowered, memory = lower_model(model, machine)
        check(self.lowered.program, self.lowered.map, machine)
        self._table = decode(self.lowered.program)
        self.core = CompiledCore(machine, memory, self._table)
        layout = self.lowered.layout
        numbers = memory.view("<i4")
        self._scores = numbers[layout.scores.start // 4:layout.scores.end // 4][:self.vocabulary]
        memories = numbers[layout.memories.start // 4:layout.memories.end // 4]
        self._memories = memories.reshape(layout.sizes.blocks, -1)[:, :layout.sizes.width]
        self.tokens = 0                      # read so far

    @cached_property
    def timing(self) -> Timing:
        """When each instruction of a token starts and ends: the same for every token."""
        return time(self._table, self.machine)

    @property
    def cycles(self) -> int:
        """Of all tokens read so far."""
        return self.tokens * self.timing.cycles

    @property
    def saturated(self) -> int:
        """Elements that did not fit into a register so far: 0 while the machine says what the model means."""
        return self.core.saturated

    def initial_state(self, batch: int) -> "State":
        """Nothing remembered yet."""
        blocks, width = self._memories.shape
        return np.zeros((blocks, batch, width), np.int64)

    def step(self, tokens: Int[ndarray, "b"], state: "State") -> tuple[Int64[ndarray, "b v"], "State"]:
        """Read one token of each sequence; return the scores of the next (activations), and the new state."""
        scores, after = self._through(np.asarray(tokens)[:, None], state, every=False)
        return scores[:, 0], after

    def read(
        self, tokens: Int[ndarray, "b t"], state: "State | None" = None, every: bool = False,
    ) -> tuple[Float64[ndarray, "b ..."], "State"]:
        """Read many tokens; return the scores after the last (or after `every` one: [b, t, v]), and the new state.

        Scores are floats here, of the same numbers: an activation divided by a power of two.
        """
        tokens = np.asarray(tokens)
        if not tokens.size:
            raise ValueError("there must be at least one token to read")
        state = self.initial_state(len(tokens)) if state is None else state
        scores, state = self._through(tokens, state, every)
        return (scores if every else scores[:, 0]) / (1 << fp.ACTIVATION), state

    def _through(self, tokens: ndarray, state: "State", every: bool) -> tuple[Int64[ndarray, "b t v"], "State"]:
        batch, length = tokens.shape
        wanted = len(self._memories), batch, self._memories.shape[1]
        if state.shape != wanted or state.dtype != np.int64:
            raise ValueError(f"the state must be int64 of shape {wanted}, not {state.dtype} of {state.shape}")
        if tokens.dtype.kind not in "iu" or tokens.min() < 0 or tokens.max() >= self.vocabulary:
            raise ValueError(f"tokens are whole numbers from 0 to {self.vocabulary - 1}")
        after, scores = np.empty_like(state), np.empty((batch, length if every else 1, self.vocabulary), np.int64)
        for sequence in range(batch):
            self._memories[:] = state[:, sequence]
            for place, token in enumerate(tokens[sequence].tolist()):
                self.core.run(token)
                scores[sequence, place if every else 0] = self._scores
            after[:, sequence] = self._memories
        self.tokens += tokens.size
        return scores, after
