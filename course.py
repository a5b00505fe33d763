"""Start the course. Needs Python 3.11 or newer; the first start puts everything else into the folder .venv.

    python course.py lab       open the course in JupyterLab (also what happens without a command)
    python course.py test      run the project's tests
    python course.py site      build the offline site
    python course.py doctor    check this machine

What follows a command goes on to the program it starts: python course.py lab --no-browser --port=8899
Python is called `py` on Windows and often `python3` on Linux and macOS.
"""

# Standard library only, and only syntax of Python 3.6: an old Python must get as far as the sentence in main().
import errno
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
LOCK, LOG, STAMP = VENV / "set-up.lock", VENV / "set-up.log", VENV / "set-up.stamp"
COMPILED = VENV / "set-up.compiled"       # of which sources the kernels were compiled
SOURCES = (                               # as in engine/compilation_cache.py
    "mmf_teach/engine/**/*.py", "mmf_teach/ternary/*.py", "hardware_sim/*.py", "hardware_sim/ternary_core/**/*.py")
CPU_GB, CUDA_GB = 2.5, 8                  # on disk, with what pip needs meanwhile: CPU build of torch, CUDA build
LAB_SETTINGS = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}}
DISK_FULL = r"No space left on device|not enough space on the disk|Disk quota exceeded"
UNREACHABLE = r"connection broken by|Max retries exceeded|Name ?Resolution|Read timed out|IncompleteRead"


class Failure(Exception):
    """One sentence for the learner: what happened and what to do."""


def main(arguments):
    """Run one command; return the exit code: 0 success, 1 it could not be done, 2 asked wrongly, 130 stopped."""
    command, *rest = arguments or ["lab"]
    try:
        if sys.version_info < OLDEST:
            raise Failure(f"the course needs Python {OLDEST[0]}.{OLDEST[1]} or newer and this is Python "
                          f"{platform.python_version()}: install a newer one and start course.py with that.")
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="replace")                     # pip and folders may use letters the screen lacks
        if command in ("-h", "--help"):
            print(__doc__)
        elif command not in ("lab", "test", "site", "doctor"):
            print(f"course.py: there is no command {command!r}\n\n{__doc__}", file=sys.stderr)
            return 2
        elif command == "site":
            print("The offline site is not built yet: a later version of the course brings it.")
        else:
            python, variables = set_up("test" if command == "test" else "")
            return hand_over([str(python), "-m", *program(command, rest)], variables)
        return 0
    except KeyboardInterrupt:
        print("\ncourse.py: stopped; the next call carries on from here.", file=sys.stderr)
        return 130
    except (Failure, OSError) as problem:
        print(f"course.py: {in_words(problem)}", file=sys.stderr)
        return 1


def program(command, rest):
    """The module that does the work of a command, with its arguments."""
    if command == "test":
        return ["pytest", "-n", "auto", "--dist", "loadfile", *rest]     # a notebook needs all its cells in one process
    if command == "doctor":
        return ["mmf_teach", "doctor", *rest]
    as_root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return ["jupyterlab", "--ip=127.0.0.1", f"--ServerApp.root_dir={ROOT}",
            "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb", *as_root, *rest]


def hand_over(command, variables):
    """Let `command` take the place of this process, so that Ctrl-C and the exit code are its own."""
    sys.stdout.flush()
    os.chdir(str(ROOT))
    if os.name != "nt":
        os.execve(command[0], command, variables)
    process = subprocess.Popen(command, env=variables)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:         # meant for the program, which has received it too
            pass


def set_up(extra):
    """Have every requirement installed; return the Python that has them and the variables to start it with."""
    lacking = []
    if sys.prefix != sys.base_prefix or os.environ.get("CONDA_PREFIX"):
        lacking = unmet(extra)
        if not lacking:
            path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
            return sys.executable, dict(os.environ, PYTHONPATH=path)
    if not is_ready(extra) or is_stale():
        if lacking and Path(sys.prefix) != VENV and not is_ready(extra):
            print(f"The active environment {sys.prefix} lacks {', '.join(lacking)}: .venv is used instead.")
        VENV.mkdir(exist_ok=True)
        with alone():                     # another call may do it while this one waits
            if not is_ready(extra):
                install(extra)
            elif is_stale():
                print("The kernels have changed and are compiled for this machine.", flush=True)
                compile_kernels()
    return PYTHON, variables_of_venv()


def requirements(extra):
    """What pyproject.toml asks for, with one of its extras."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["dependencies"] + (project["optional-dependencies"][extra] if extra else [])


def unmet(extra):
    """The requirements that the running Python does not meet."""
    from importlib.metadata import PackageNotFoundError, version
    try:
        from packaging.requirements import Requirement
    except ImportError:                   # jupyterlab needs it, so jupyterlab is not here either
        return requirements(extra)

    def is_met(requirement):
        try:
            return requirement.specifier.contains(version(requirement.name), prereleases=True)
        except PackageNotFoundError:
            return False

    wanted = [Requirement(text) for text in requirements(extra)]
    return [str(each) for each in wanted if (not each.marker or each.marker.evaluate()) and not is_met(each)]


def key(extra):
    """Changes with everything that a finished set-up depends on."""
    facts = (ROOT / "pyproject.toml").read_bytes(), sys.version, sys.base_prefix, extra
    return f"{VENV}: {hashlib.sha256(repr(facts).encode('utf-8')).hexdigest()}"


def stamp():
    """What the last set-up left: the place of .venv, and the key once it was finished."""
    return STAMP.read_text("utf-8", "replace") if STAMP.exists() else ""


def is_ready(extra):
    """True when a set-up for these very facts was finished; that for the tests serves the other commands too."""
    return PYTHON.exists() and stamp() in (key(extra), key("test"))


def is_stale():
    """True when the kernels have changed since they were last compiled, as after an update of the course."""
    return not COMPILED.exists() or COMPILED.read_text("utf-8", "replace") != sources()


def sources():
    """Changes with every file that compiled code is made from."""
    found = hashlib.sha256()
    for path in sorted(path for pattern in SOURCES for path in ROOT.glob(pattern)):
        found.update(str(path).encode("utf-8", "replace") + path.read_bytes())
    return found.hexdigest()


def write_in_one_step(path, text):
    """Write a small file that is either whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text, encoding="utf-8")
    os.replace(str(fresh), str(path))


@contextmanager
def alone():
    """Hold the lock on .venv. The system frees it when this process and the pip it started have both ended."""
    with open(str(LOCK), "a", encoding="utf-8") as file:
        if not take_lock(file.fileno()):
            print("Another call is setting up the course here: waiting for it to end.", flush=True)
            while not take_lock(file.fileno()):
                time.sleep(0.5)
        os.set_inheritable(file.fileno(), True)
        yield


def take_lock(descriptor):
    """Take the lock unless another process has it; a file system without locks counts as nobody having it."""
    try:
        if os.name == "nt":
            import msvcrt
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as problem:
        return problem.errno not in (errno.EACCES, errno.EAGAIN, errno.EDEADLK)
    return True


def install(extra):
    """Bring .venv from whatever state it is in to a finished set-up; the stamp is written last."""
    started = time.monotonic()
    print(f"Setting up the course in {VENV} (a few minutes the first time)", flush=True)
    LOG.write_bytes(b"")
    print("  1/5  an environment of its own", flush=True)
    make_venv()
    print("  2/5  torch", flush=True)
    install_torch()
    print("  3/5  the other packages", flush=True)
    pip("install", "-e", f".[{extra}]" if extra else ".")
    print("  4/5  settings of JupyterLab", flush=True)
    write_in_one_step(VENV / "share/jupyter/lab/settings/overrides.json", json.dumps(LAB_SETTINGS))
    write_in_one_step(STAMP, key(extra))
    print("  5/5  the kernels, compiled for this machine", flush=True)
    compile_kernels()
    print(f"Ready after {time.monotonic() - started:.0f} s.")


def compile_kernels():
    """Compile them once; when that fails nothing is lost, for each is compiled when it is first called."""
    found = sources()
    try:
        run(PYTHON, "-m", "mmf_teach", "precompile")
    except Failure as failure:
        print(f"       not now ({failure})")
    write_in_one_step(COMPILED, found)


def make_venv():
    """Make .venv, unless one is there that was made to its end, in this place, and whose Python and pip still start."""
    if PYTHON.exists() and stamp().startswith(f"{VENV}: "):
        try:
            run(PYTHON, "-m", "pip", "--version")
            return forget_half_installed()
        except Failure:
            print("       what is there does not start any more and is made anew")
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            raise Failure(f"this Python comes without its module {module}: install it (on Debian and Ubuntu: "
                          "sudo apt install python3-venv), then call again.")
    need_room(CPU_GB)
    for entry in sorted(VENV.iterdir(), key=STAMP.__ne__):           # the stamp goes first, for it vouches for the rest
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(str(entry))
        elif entry not in (LOCK, LOG):
            entry.unlink()
    run(sys._base_executable, "-m", "venv", VENV)
    write_in_one_step(STAMP, f"{VENV}: made")


def forget_half_installed():
    """Remove the record of each package whose installation was cut short, so that pip installs it again."""
    for folder in ("Lib/site-packages", "lib/python*/site-packages"):
        for record in VENV.glob(folder + "/*.dist-info"):
            if not (record / "INSTALLER").exists():                  # pip and uv write this file near the end
                shutil.rmtree(str(record))


def need_room(gigabytes):
    free = shutil.disk_usage(str(VENV)).free / 1e9
    if free < gigabytes:
        raise Failure(f"the course needs about {gigabytes} GB and the disk of {ROOT} has {free:.1f} GB left: "
                      "make room there, then call again.")


def install_torch():
    """On Linux pip's usual torch brings 2.5 GB of CUDA packages: without an NVIDIA card take a CPU build instead."""
    torch = next(text for text in requirements("") if re.match(r"torch(?![\w.-])", text))
    offered = version_offered(torch)
    if not offered:
        return
    if platform.system() == "Linux" and not offered.endswith("+cpu"):
        if not has_nvidia_card():
            try:
                pip("install", "uv")      # it knows where CPU builds are kept
                return run(PYTHON, "-m", "uv", "pip", "install", "--python", PYTHON, "--torch-backend", "cpu", torch)
            except Failure:
                print("       no CPU build could be fetched: pip takes the usual one and 2.5 GB of CUDA packages")
        need_room(CUDA_GB)
    pip("install", torch)


def has_nvidia_card():
    return Path("/proc/driver/nvidia").exists() or shutil.which("nvidia-smi") is not None


def version_offered(requirement):
    """The version that pip would install now; "" when one that fits is there already."""
    report = VENV / "set-up.report.json"
    pip("install", "--dry-run", "--no-deps", "--quiet", "--report", report, requirement)
    found = json.loads(report.read_text(encoding="utf-8"))["install"]
    return found[0]["metadata"]["version"] if found else ""


def pip(action, *arguments):
    run(PYTHON, "-m", "pip", action, "--no-input", "--disable-pip-version-check", "--progress-bar=off", *arguments)


def run(*command):
    """Run a program with its output in the log and its last line on the screen; when it fails, say why."""
    variables = dict(variables_of_venv(), PYTHONUNBUFFERED="1", PYTHONIOENCODING="utf-8")
    started = time.monotonic()
    with open(str(LOG), "ab") as log:
        begin = log.tell()
        process = subprocess.Popen([str(word) for word in command], cwd=str(ROOT), env=variables, stdout=log,
                                   stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   close_fds=False)                  # the lock goes with it, see alone()
        try:
            while process.poll() is None:
                try:
                    process.wait(0.5)
                except subprocess.TimeoutExpired:
                    lines = LOG.read_bytes()[begin:].decode("ascii", "replace").split("\n")
                    show(f"{time.monotonic() - started:9.0f} s  {next(filter(None, reversed(lines)), '')}")
        finally:
            show("")
            process.kill()
            process.wait()
    if process.returncode:
        raise Failure(reason(LOG.read_bytes()[begin:].decode("utf-8", "replace")))


def show(text):
    """Rewrite the line under the stage, where a terminal can."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns - 1
        print("\r" + text[:width].ljust(width), end="\r", flush=True)


def variables_of_venv():
    """The environment variables for programs of .venv: nothing of other Pythons, its own programs found first."""
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    path = os.pathsep.join([str(PYTHON.parent), os.environ.get("PATH", os.defpath)])
    return dict(kept, PATH=path, VIRTUAL_ENV=str(VENV), PIP_USER="0")


def reason(text):
    """One sentence for what a program of the set-up wrote before it gave up."""
    lines = [line.strip() for line in text.splitlines() if line.strip()][-20:] or ["without a word"]
    end = "\n".join(lines)
    if re.search(DISK_FULL, end):
        return in_words(OSError(errno.ENOSPC, ""))
    if re.search(UNREACHABLE, end):
        return ("no package index could be reached: connect this machine to the internet (or set HTTPS_PROXY if "
                "your network asks for it), then call again; what is installed already is kept.")
    missing = re.search(r"No matching distribution found for (.+)", end)
    if missing:
        machine = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
        return (f"pip finds no {missing.group(1)} for {machine}: check the connection and pip's settings, or start "
                f"course.py with another Python from {OLDEST[0]}.{OLDEST[1]} on.")
    telling = [line for line in lines if line.startswith("ERROR:")] or [line for line in lines if "rror" in line]
    return (f"the set-up failed ({(telling or lines)[-1]}): the whole story is in {LOG}; mend what it names and call "
            "again, and if that does not help, delete the folder .venv first.")


def in_words(problem):
    """One sentence for what stopped this program."""
    number = getattr(problem, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT):
        return (f"the disk is full (that of {ROOT}, or that of the folder for temporary files): make room for about "
                f"{CPU_GB} GB, then call again.")
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return (f"{problem.filename or ROOT} may not be written: give yourself the right to, or copy the course into a "
                "folder of your own, then call again.")
    return f"{problem}: mend that, then call again." if number else str(problem)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
