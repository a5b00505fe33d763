"""`mmf bench scan`: the recurrence of the MLGRU, forwards and backwards, in all the ways of the course.

Course    notebook 05, "Memory without attention"
"""

import torch

from mmf_teach.engine.bench.clock import take_turns
from mmf_teach.engine.bench.rows import FULL, QUICK, Report, Row, TorchThreads, four_digits, row
from mmf_teach.engine.mlgru_scan import chunked, compiled, doubling
from mmf_teach.engine.training_step import keep_memory
from mmf_teach.layers import mlgru_scan as naive
from mmf_teach.shapes import Features, State

SIZE, QUICK_SIZE = (8, 512, 256), (2, 32, 16)            # sequences, tokens, features
LOOPS = ("torch: loop over unbind", "torch: loop with lerp")


def lerp_loop(f: Features, c: Features, h: State) -> Features:
    """The loop with the fewest calls of torch: h + (1 - f)(c - h) is one function there."""
    memories = []
    for f_t, c_t in zip(f.unbind(1), c.unbind(1), strict=True):
        h = torch.lerp(c_t, h, f_t)
        memories.append(h)
    return torch.stack(memories, dim=1)


SCANS = {
    "compiled": compiled.mlgru_scan, "chunked": chunked.mlgru_scan, "doubling": doubling.mlgru_scan,
    LOOPS[0]: naive.mlgru_scan, LOOPS[1]: lerp_loop,
}


def measure(quick: bool, report: Report) -> list[Row]:
    """All rows; one thread. `shape`: tokens, features; `batch`: sequences; `exact`: naive's memories, bit for bit."""
    keep_memory()
    batch, time, width = QUICK_SIZE if quick else SIZE
    effort, rows = QUICK if quick else FULL, []
    torch.manual_seed(0)
    f, c, above = torch.rand(batch, time, width), torch.randn(batch, time, width), torch.randn(batch, time, width)
    h = torch.zeros(batch, width)
    inputs = [x.requires_grad_() for x in (f, c, h)]
    wanted = naive.mlgru_scan(*inputs).detach()
    for backwards in (False, True):
        def work(scan, backwards=backwards):
            def call(_: int) -> None:
                memories = scan(*inputs)
                if backwards:
                    torch.autograd.grad(memories, inputs, above)
            return call

        both = "forwards and backwards" if backwards else "forwards"
        report(f"{batch} x {time} x {width}, {both}")
        with TorchThreads(1):
            times = take_turns({name: work(scan) for name, scan in SCANS.items()}, effort.samples, 3 * effort.seconds)
        for name, scan in SCANS.items():
            us = times[name].median_us
            rows.append(row(
                f"{name}, {both}", (time, width), batch, 1, "warm", times[name],
                faster_than={loop: four_digits(times[loop].median_us / us) for loop in LOOPS if loop != name},
                exact=bool(torch.equal(scan(*inputs), wanted)), tokens_per_s=four_digits(batch * time / us * 1e6)))
    return rows
