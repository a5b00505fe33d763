"""A JupyterLab of our own on loopback and a Chromium that can reach nothing else."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOKEN = "a-token-for-the-tests"
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",      # whatever needs the network fails
]
LONGEST_S = 180
PROMPTS = "() => [...document.querySelectorAll('.jp-CodeCell .jp-InputPrompt')].map(p => p.textContent.trim())"
DONE = f"""() => document.querySelector(".jp-Notebook-ExecutionIndicator[data-status='idle']") !== null
  && ({PROMPTS})().length > 0 && ({PROMPTS})().every(p => /^\\[\\d+\\]:$/.test(p))"""


def chromium() -> str | None:
    """The system's Chromium or Chrome, if there is one."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    playwright = pytest.importorskip("playwright.sync_api")
    path = chromium()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("CI must have Chromium")
        pytest.skip("no Chromium on this machine")
    with playwright.sync_playwright() as running:
        context = running.chromium.launch_persistent_context(
            tmp_path_factory.mktemp("chromium"), executable_path=path, args=FLAGS, headless=True,
            viewport={"width": 1280, "height": 1400},
        )
        yield context
        context.close()


@pytest.fixture(scope="session")
def lab(tmp_path_factory):
    """Address of a JupyterLab over a copy of the notebooks, so that a test can save nothing into the project."""
    folder = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folders = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    own = {name: str(folder / name.lower()) for name in folders}
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}",
         f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}"],
        env=os.environ | own, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    for _ in range(120):
        try:
            urllib.request.urlopen(f"{address}/api/status?token={TOKEN}", timeout=2)
            break
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.25)
    yield address
    server.terminate()
    server.wait()


def ask(lab: str, path: str, method: str = "GET", data: dict | None = None):
    """What the server says on a question of its own interface."""
    request = urllib.request.Request(
        f"{lab}/api/{path}", json.dumps(data).encode() if data else None, method=method,
        headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read() or "null")


@pytest.fixture
def open_notebook(lab, browser):
    """Open a notebook in a fresh workspace and run all its cells; the page once nothing runs any more.

    Its kernel is started first. A page that starts its own takes "Run All Cells" while none is there yet: the wish is
    lost, or a second kernel is started and the first, with all that it holds, is thrown away.
    """
    pages, sessions = [], []

    def run(name: str):
        path = f"notebooks/{name}.ipynb"
        session = ask(lab, "sessions", "POST", {
            "path": path, "type": "notebook", "name": name, "kernel": {"name": "python3"}})
        sessions.append(session["id"])
        page = browser.new_page()
        pages.append(page)
        page.goto(f"{lab}/lab/workspaces/{name}/tree/{path}?token={TOKEN}&reset")
        page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']", timeout=90_000)
        until(lambda: (kernel := ask(lab, f"kernels/{session['kernel']['id']}"))["connections"]
              and kernel["execution_state"] == "idle", page, f"{name} has no kernel")
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        until(lambda: page.evaluate(DONE), page, f"{name} has not run to its end")
        assert [now["kernel"]["id"] for now in ask(lab, "sessions") if now["path"] == path] == [session["kernel"]["id"]]
        return page

    yield run
    for page in pages:
        page.close()
    for session in sessions:
        ask(lab, f"sessions/{session}", "DELETE")


def until(holds: Callable[[], bool], page, otherwise: str) -> None:
    for _ in range(4 * LONGEST_S):
        if holds():
            return
        page.wait_for_timeout(250)
    raise AssertionError(f"{otherwise} after {LONGEST_S} seconds: {page.evaluate(PROMPTS)}")
