"""The integer model, fast: packed trits, one compiled function from tokens to scores, nothing in floats.

Course    notebook 04, "Fast kernels"
Equation  reference/integer_model.py, number for number

The maps that read the same codes lie together (f, c and g; gate and up), and all matrices in one array, so that a
token's weights are one stream. Of a large model each thread has its own stream: the same columns of all maps. Reading
many tokens is the same function as reading one: the products see them all at once, the recurrence one after the other.
"""

import hashlib
import math
import threading
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int, Int32, Int64
from numpy import ndarray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from mmf_teach.engine.barrier import LINE, NEVER
from mmf_teach.engine.integer_model import COLUMNS, TOKENS_EACH, Weights, Workspace, read, share
from mmf_teach.engine.intrinsics.simd import aligned_empty
from mmf_teach.engine.ternary_matmul.any_batch import KERNEL, workspaces
from mmf_teach.engine.thread_pool import ThreadPool
from mmf_teach.files import write_file
from mmf_teach.reference.integer_model import IntegerLinear, IntegerModel, State
from mmf_teach.ternary import fixed_point as fp

AT_ONCE = 64                                 # tokens read together: their numbers stay in the second cache
LARGEST_BATCH = 32
ALIGNED = 32                                 # words; every matrix begins at a cache line
WORTH_SHARING = 1 << 25                      # trits times tokens; below, waking the others takes longer than the work


class Engine:
    """A MatMul-free model packed for this machine. The state is [blocks, b, d], whole numbers (memories).

    Who calls it while it reads for another waits.
    """

    def __init__(self, model: IntegerModel, threads: int = 1):
        """Pack the model. ValueError for fewer threads than one, and for a bias of 2**19 or more."""
        if threads < 1:
            raise ValueError(f"work is done by one thread or more, not {threads}")
        self.blocks, (self.vocabulary, self.width) = len(model.blocks), model.embedding.shape
        self._inner = len(model.blocks[0].to_gate.trits)
        groups = [
            group for block in model.blocks for group in (
                (block.to_f, block.to_c, block.to_g), (block.to_o,), (block.to_gate, block.to_up), (block.to_down,))]
        groups.append((model.head,))
        maps = [[each for group in groups[n:n + 4] for each in group] for n in range(0, 4 * self.blocks, 4)]
        self._trits = sum(each.trits.size for group in groups for each in group)
        packed, starts = _arena(groups, threads if self._trits >= WORTH_SHARING else 1)
        heads = np.pad(starts[:, -2:], ((0, 0), (0, 3)))
        self._weights = Weights(
            model.embedding.astype(np.int32), packed,
            np.stack([*(starts[:, 4 * n:4 * n + 5] for n in range(self.blocks)), heads], axis=1),
            np.array([*([each.scale for each in own] for own in maps), [model.head.scale] + [0] * 6]),
            _rows([*(np.concatenate([each.bias for each in own]) for own in maps), model.head.bias]))
        self._threads, self._pool = threads, ThreadPool(threads - 1) if threads > 1 else None
        self._workspace, self._one_caller = self._reserve(1), threading.Lock()
        self._kernel_workspaces = [workspaces(max(self.width, self._inner)) for _ in range(threads)]
        digest = hashlib.sha256()
        for array in (
                self._weights.scales, self._weights.embedding, *(each.trits for group in groups for each in group)):
            digest.update(np.ascontiguousarray(array))
        self.fingerprint = digest.hexdigest()

    @property
    def weight_bytes(self) -> int:
        """Bytes of packed trits that one token reads."""
        return self._weights.packed.nbytes

    def initial_state(self, batch: int) -> State:
        """Nothing remembered yet. ValueError for a batch that is not 1 to 32."""
        state = np.zeros((self.blocks, batch, self.width), dtype=np.int64)
        self._require_state(state, batch)
        return state

    def step(self, tokens: Int[ndarray, "b"], state: State) -> tuple[Int64[ndarray, "b v"], State]:
        """Read one token of each sequence; return the scores of the next (activations), and the new state."""
        scores, after = self._run(np.asarray(tokens)[:, None], state, every=False)
        return (scores[:, 0] * (1 << fp.ACTIVATION)).astype(np.int64), after

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
            scores, state = self._run(tokens[:, first:first + span], state, every)
            parts = [*parts, scores] if every else [scores]
        if not parts:
            raise ValueError("there must be at least one token to read")
        return np.concatenate(parts, axis=1) if every else parts[0][:, 0], state

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

    def _run(self, tokens: ndarray, state: State, every: bool) -> tuple[Float64[ndarray, "b t v"], State]:
        """Through the model with all threads, where that pays: each calls the same function with its own number."""
        batch, time = tokens.shape
        self._require_state(state, batch)
        state = state if state.flags.carray else state.copy()        # else all would be compiled anew for such an array
        after, scores = np.empty(state.shape, np.int64), np.empty((batch, time if every else 1, self.vocabulary))
        threads, parts, rows = self._threads, len(self._weights.starts), tokens.size
        if rows * self._trits < WORTH_SHARING or (parts < threads and rows < TOKENS_EACH * threads):
            threads = 1                      # too little work, or one part of the model and too few tokens to share
        with self._one_caller:
            if rows > len(self._workspace.x):
                self._workspace = self._reserve(rows)
            own, arrays = self._kernel_workspaces, (
                (np.array(tokens, np.int64, order="C"), state, after, scores), tuple(self._weights),
                tuple(self._workspace))
            try:                             # not through `self`: a worker that waits keeps what it worked on last
                done = tokens.dtype.kind in "iu" and (
                    read(*arrays, own[0], 1, 0, 1) if threads == 1 else
                    self._pool.run(lambda job, me: read(*arrays, own[me], job, me, threads)))
            except BaseException:            # interrupted: nobody is to wait for us, and nobody to use these arrays
                self._workspace.arrivals[0], self._workspace = NEVER, self._reserve(1)
                raise
        if not done:
            raise ValueError(f"tokens are whole numbers from 0 to {self.vocabulary - 1}")
        return scores, after

    def _require_state(self, state: State, batch: int) -> None:
        if not 1 <= batch <= LARGEST_BATCH:
            raise ValueError(f"the engine reads 1 to {LARGEST_BATCH} sequences at once, not {batch}")
        wanted = self.blocks, batch, self.width
        if state.shape != wanted or state.dtype != np.int64:
            raise ValueError(f"the state must be int64 of shape {wanted}, not {state.dtype} of {state.shape}")

    def _reserve(self, rows: int) -> Workspace:
        """Arrays that all threads work in, for so many tokens at once; no cache line holds two threads' columns."""
        widest = max(3 * self.width, 2 * self._inner, self.vocabulary)
        shapes = [
            *(((rows, columns), np.int64) for columns in (self.width, self.width, self._inner)),
            *(((rows, columns), np.int8) for columns in (self.width, self._inner)),
            ((len(self._weights.starts), rows * widest), np.int32),
            ((self._threads, -(-rows // LINE) * LINE), np.int64), ((self._threads, rows, LINE), np.int64),
            ((self._threads * LINE,), np.int64), ((LINE,), np.int64)]
        workspace = Workspace(*(aligned_empty(math.prod(shape), dtype).reshape(shape) for shape, dtype in shapes))
        workspace.arrivals[:] = workspace.doorbell[:] = 0
        return workspace


def _arena(groups: list[tuple[IntegerLinear, ...]], parts: int) -> tuple[ndarray, Int64[ndarray, "parts starts"]]:
    """All matrices in one array, part after part, and where in it each group of each part begins and the last ends.

    A part holds some columns of each map, those of a group one below the other.
    """
    packed = [
        KERNEL.pack(
            np.concatenate([each.trits[slice(*share(len(each.trits), COLUMNS, part, parts))] for each in group]))
        for part in range(parts) for group in groups]
    sizes = [-(-len(one.weights) // ALIGNED) * ALIGNED for one in packed]
    arena, starts = aligned_empty(sum(sizes), packed[0].weights.dtype), np.cumsum([0, *sizes])
    arena[:] = 0
    for one, start in zip(packed, starts, strict=False):
        arena[start:start + len(one.weights)] = one.weights
    firsts = len(groups) * np.arange(parts)[:, None]
    return arena, starts[firsts + np.arange(len(groups) + 1)]


def _rows(arrays: list[ndarray]) -> Int32[ndarray, "rows columns"]:
    """Arrays as the rows of one, filled up with zeros. ValueError for a number that does not fit 32 bits."""
    out = np.zeros((len(arrays), max(map(len, arrays))), np.int32)
    for row, array in zip(out, arrays, strict=True):
        row[:len(array)] = array
        if not np.array_equal(row[:len(array)], array):
            raise ValueError(f"a bias of {np.abs(array).max() >> fp.ACTIVATION:,} is too large for the engine")
    return out
