"""How every command of the course ends: one sentence where it cannot go on, and an exit code."""

import os
import sys
from collections.abc import Callable

DONE, FAILED, STOPPED = 0, 1, 130


def exit_code(name: str, run: Callable[[], int | None]) -> int:
    """Run a command; return what it returns, or 1 for what could not be done and 130 when it was stopped."""
    try:
        code = run() or DONE
        sys.stdout.flush()                   # here, so that a reader who has left is noticed below
        return code
    except KeyboardInterrupt:
        print(f"\n{name}: stopped", file=sys.stderr)
        return STOPPED
    except BrokenPipeError:                  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except (ValueError, OSError) as problem:
        if os.environ.get("MMF_TRACEBACK"):
            raise
        print(f"{name}: {problem}", file=sys.stderr)
        return FAILED
