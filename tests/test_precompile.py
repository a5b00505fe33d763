"""After `mmf precompile` a new process compiles nothing more: all that its users call lies in the cache."""

import os
import subprocess
import sys

from fixtures.tiny import ROOT

CALLS = """
from numba.core import event
from mmf_teach.tools.commands.precompile import kernels

compiled = []

class Listener(event.Listener):
    def on_start(self, one):
        compiled.append(str(one.data["dispatcher"].py_func.__qualname__))
    def on_end(self, one):
        pass

with event.install_listener("numba:compile", Listener()):
    for _, call in kernels():
        call()
print(len(compiled), *compiled)
"""


def test_a_second_process_compiles_nothing_that_the_first_was_asked_for():
    first, second = (
        subprocess.run(
            [sys.executable, "-c", text], cwd=ROOT, env=os.environ | {"MMF_LEDGER": ""}, capture_output=True, text=True,
            timeout=300, check=True)
        for text in ("from mmf_teach.__main__ import main; main(['precompile'])", CALLS))
    assert "compiled for this machine" in first.stderr
    assert second.stdout.split() == ["0"]
