"""The integer model, fast: packed trits, one compiled function from tokens to scores, nothing in floats.

Course    notebook 04, "Fast kernels"
Equation  model/integer.py, number for number

The maps that read the same codes lie together (f, c and g; gate and up), and all matrices in one array, so that a
token's weights are one stream. Reading many tokens is the same function as reading one: the products see them all
at once, the recurrence one after the other.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int, Int64
from numpy import ndarray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from mmf_teach.files import write_file
from mmf_teach.kernels.integer_model.compiled import read
from mmf_teach.kernels.ternary_matmul.any_batch import WAY, scratches
from mmf_teach.kernels.ternary_matmul.simd import aligned_empty
from mmf_teach.model.integer import IntegerLinear, IntegerModel, State
from mmf_teach.ternary import fixed_point as fp

AT_ONCE = 64                                 # tokens read together: their numbers stay in the second cache
LARGEST_BATCH = 32
ALIGNED = 32                                 # words; every matrix begins at a cache line
WORTH_A_TEAM = 1 << 25                       # trits times tokens; below, waking the others takes longer than the work


class Engine:
    """A MatMul-free model packed for this machine. The state is [blocks, b, d], whole numbers (memories)."""

    def __init__(self, model: IntegerModel, threads: int = 1):
        """Pack the model. ValueError for fewer threads than one."""
        if threads < 1:
            raise ValueError(f"work is done by one thread or more, not {threads}")
        self.blocks, (self.vocabulary, self.width) = len(model.blocks), model.embedding.shape
        self.deep = len(model.blocks[0].to_gate.trits)
        groups = [
            group for block in model.blocks for group in (
                (block.to_f, block.to_c, block.to_g), (block.to_o,), (block.to_gate, block.to_up), (block.to_down,))]
        self.words, starts = _arena([*groups, (model.head,)])
        self._trits = sum(each.trits.size for group in [*groups, (model.head,)] for each in group)
        ends = [*starts[1:], len(self.words)]
        self._starts = np.array([
            *([*starts[n:n + 4], ends[n + 3]] for n in range(0, 4 * self.blocks, 4)), [starts[-1]] + [0] * 4])
        maps = [[each for group in groups[n:n + 4] for each in group] for n in range(0, len(groups), 4)]
        self._scales = np.array([*([each.scale for each in own] for own in maps), [model.head.scale] + [0] * 6])
        self._biases = _rows([*(np.concatenate([each.bias for each in own]) for own in maps), model.head.bias])
        self._embedding = model.embedding.astype(np.int32)
        self._threads, self._helpers = threads, ThreadPoolExecutor(threads - 1) if threads > 1 else None
        self._shared, self._own = self._room(1)
        digest = hashlib.sha256(self.words.tobytes())
        for array in (self._scales, self._embedding):
            digest.update(array.tobytes())
        self.fingerprint = digest.hexdigest()

    @property
    def weight_bytes(self) -> int:
        """Bytes of packed trits that one token reads."""
        return self.words.nbytes

    def initial_state(self, batch: int) -> State:
        """Nothing remembered yet. ValueError for a batch that is not 1 to 32."""
        state = np.zeros((self.blocks, batch, self.width), dtype=np.int64)
        self._require_state(state, batch)
        return state

    def step(self, tokens: Int[ndarray, "b"], state: State) -> tuple[Int64[ndarray, "b v"], State]:
        """Read one token of each sequence; return the scores of the next (activations), and the new state."""
        scores, after = self._through(np.asarray(tokens)[:, None], state, every=False)
        return scores[:, 0], after

    def read(
        self, tokens: Int[ndarray, "b t"], state: State | None = None, every: bool = False,
    ) -> tuple[Float64[ndarray, "b ..."], State]:
        """Read many tokens; return the scores after the last (or after `every` one: [b, t, v]), and the new state.

        Scores are floats here, of the same numbers: an activation divided by a power of two.
        """
        tokens = np.asarray(tokens)
        state = self.initial_state(len(tokens)) if state is None else state
        parts, span = [], max(1, AT_ONCE // max(1, len(tokens)))
        for first in range(0, tokens.shape[1], span):
            scores, state = self._through(tokens[:, first:first + span], state, every)
            parts = [*parts, scores] if every else [scores]
        if not parts:
            raise ValueError("there must be at least one token to read")
        scores = (np.concatenate(parts, axis=1) if every else parts[0][:, 0]) / (1 << fp.ACTIVATION)
        return scores, state

    def save_state(self, path: Path, state: State) -> None:
        """Keep what is remembered in a file, whole or not at all."""
        self._require_state(state, state.shape[1])
        write_file(path, save({"state": state}, metadata={"model": self.fingerprint}))

    def load_state(self, path: Path) -> State:
        """What was kept. ValueError for a file that is damaged, or of another model."""
        try:
            with safe_open(path, framework="numpy") as file:
                made_by, state = (file.metadata() or {}).get("model"), file.get_tensor("state")
        except (SafetensorError, OSError) as problem:
            raise ValueError(f"{path} holds no state that can be read ({problem}): start from no state") from None
        if made_by != self.fingerprint:
            raise ValueError(f"{path} is the state of another model: start this one from initial_state()")
        self._require_state(state, state.shape[1] if state.ndim == 3 else 0)
        return state

    def _through(self, tokens: ndarray, state: State, every: bool) -> tuple[Int64[ndarray, "b t v"], State]:
        batch, time = tokens.shape
        self._require_state(state, batch)
        if batch * time > len(self._shared[0]):
            self._shared, self._own = self._room(batch * time)
        state, scores = state.copy(), np.empty((batch, time if every else 1, self.vocabulary), np.int64)
        if tokens.dtype.kind not in "iu" or not self._together(tokens.astype(np.int64), state, scores):
            raise ValueError(f"tokens are whole numbers from 0 to {self.vocabulary - 1}")
        return scores, state

    def _together(self, tokens: ndarray, state: State, scores: ndarray) -> bool:
        """Through the model with all threads, where that pays: each calls the same function with its own number."""
        threads = self._threads if tokens.size * self._trits >= WORTH_A_TEAM else 1

        def part(me: int) -> bool:
            return read(
                tokens, state, self._embedding, self.words, self._starts, self._scales, self._biases, self._shared,
                self._own[me], scores, me, threads)

        others = [self._helpers.submit(part, me) for me in range(1, threads)]
        return all([part(0), *(other.result() for other in others)])

    def _require_state(self, state: State, batch: int) -> None:
        if not 1 <= batch <= LARGEST_BATCH:
            raise ValueError(f"the engine reads 1 to {LARGEST_BATCH} sequences at once, not {batch}")
        wanted = self.blocks, batch, self.width
        if state.shape != wanted or state.dtype != np.int64:
            raise ValueError(f"the state must be int64 of shape {wanted}, not {state.dtype} of {state.shape}")

    def _room(self, rows: int) -> tuple[tuple[ndarray, ...], list[tuple[ndarray | tuple[ndarray, ...], ...]]]:
        """Arrays to work in, for so many tokens at once: those that all threads share, and each thread's own."""
        widest = max(3 * self.width, 2 * self.deep, self.vocabulary)
        long = [np.zeros((rows, columns), np.int64) for columns in (self.width, self.width, self.deep)]
        arrivals = aligned_empty(1, np.int64)
        arrivals[:] = 0
        shared = *long, np.zeros(rows * widest, np.int32), np.zeros(rows, np.int64), arrivals
        own = [
            (*(np.zeros((rows, columns), np.int8) for columns in (self.width, self.deep)),
             scratches(max(self.width, self.deep)))
            for _ in range(self._threads)]
        return shared, own


def _arena(groups: list[tuple[IntegerLinear, ...]]) -> tuple[ndarray, list[int]]:
    """All matrices in one array, those of a group one below the other, and where each group begins."""
    packed = [WAY.pack(np.concatenate([each.trits for each in group])).words for group in groups]
    sizes = [-(-len(words) // ALIGNED) * ALIGNED for words in packed]
    arena, starts = aligned_empty(sum(sizes), packed[0].dtype), np.cumsum([0, *sizes[:-1]]).tolist()
    arena[:] = 0
    for words, start in zip(packed, starts, strict=True):
        arena[start:start + len(words)] = words
    return arena, starts


def _rows(arrays: list[ndarray]) -> Int64[ndarray, "rows columns"]:
    """Arrays as the rows of one, filled up with zeros."""
    out = np.zeros((len(arrays), max(map(len, arrays))), np.int64)
    for row, array in zip(out, arrays, strict=True):
        row[:len(array)] = array
    return out
