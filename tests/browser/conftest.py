"""A JupyterLab of our own on loopback and a Chromium that can reach nothing else."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
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
RUNS = f"() => ({PROMPTS})().includes('[*]:')"
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


@pytest.fixture
def open_notebook(lab, browser):
    """Open a notebook in a fresh workspace and run all its cells; the page once nothing runs any more."""
    pages = []

    def run(name: str):
        page = browser.new_page()
        pages.append(page)
        asked = page.locator("dialog", has_text="Select Kernel").last         # on a slow machine, more than once
        page.goto(f"{lab}/lab/workspaces/{name}/tree/notebooks/{name}.ipynb?token={TOKEN}&reset")
        page.wait_for_selector(".jp-Notebook-ExecutionIndicator[data-status='idle']", timeout=90_000)
        ask_again = 0
        for second in range(LONGEST_S):
            if asked.is_visible():
                asked.locator(".jp-mod-accept").click()
            elif page.evaluate(DONE):
                return page
            elif page.evaluate(RUNS):
                ask_again = second + 15
            elif second >= ask_again:        # the menu came before the kernel, or a second kernel after half the cells
                page.get_by_role("menuitem", name="Run", exact=True).click()
                page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
                ask_again = second + 15
            page.wait_for_timeout(1000)
        raise AssertionError(f"{name} has not run to its end after {LONGEST_S} seconds: {page.evaluate(PROMPTS)}")

    yield run
    for page in pages:
        page.close()
