"""JupyterLab and marimo as their users start them, with a notebook that shows the studio."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from browser import wait

CELLS = (
    "from descend.studio.widget import Studio\nstudio = Studio()\nstudio",
    "import threading\n"
    'print("runs:", sum(t.name == "descend studio" for t in threading.enumerate()))',
)
"""The first shows the studio, the second counts the runs that there are."""
STARTS = 90.0  # seconds that a notebook may take


class Notebook:
    """A server of notebooks in a folder of its own.

    Attributes:
        address: of the notebook.
    """

    kind = ""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, _free_port()
        self.address = ""
        home = folder / "home"
        home.mkdir()
        own = {"HOME": str(home), "JUPYTER_CONFIG_DIR": str(home), "JUPYTER_DATA_DIR": str(home),
               "XDG_CONFIG_HOME": str(home), "XDG_STATE_HOME": str(home)}  # fmt: skip
        self.log = (folder / "log").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-m", *self.command()], cwd=folder, stdout=self.log,
            stderr=subprocess.STDOUT, env={**os.environ, **own}, start_new_session=True,
        )  # fmt: skip
        wait(self._answers, f"{self.kind} to start", STARTS)

    def command(self) -> list[str]:
        raise NotImplementedError

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            self.log.seek(0)
            raise RuntimeError(f"{self.kind} did not start:\n{self.log.read()}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        """End it, with its kernels."""
        for sent in (signal.SIGTERM, signal.SIGKILL):
            if self.process.poll() is None:
                os.killpg(self.process.pid, sent)
                try:
                    self.process.wait(10)
                except subprocess.TimeoutExpired:
                    continue
        self.log.close()


class Jupyter(Notebook):
    kind = "JupyterLab"
    cell = ".jp-CodeCell:nth-child({number})"
    output = ".jp-CodeCell:nth-child({number}) .jp-OutputArea-output"

    def command(self) -> list[str]:
        cells = [
            {"cell_type": "code", "metadata": {}, "source": text, "outputs": [], "id": f"cell-{i}",
             "execution_count": None}
            for i, text in enumerate(CELLS)
        ]  # fmt: skip
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        book = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4,
                "nbformat_minor": 5}  # fmt: skip
        (self.folder / "studio.ipynb").write_text(json.dumps(book), encoding="utf-8")
        self.address = f"http://127.0.0.1:{self.port}/lab/tree/studio.ipynb?reset"
        return [
            "jupyterlab", "--no-browser", "--allow-root", f"--port={self.port}",
            "--IdentityProvider.token=", "--ServerApp.password=", "--LabApp.news_url=",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        ]  # fmt: skip


class Marimo(Notebook):
    kind = "marimo"

    def command(self) -> list[str]:
        lines = ["import marimo", "app = marimo.App()"]
        for text in CELLS:
            body = "\n".join(f"    {line}" for line in text.split("\n"))
            lines += ["@app.cell", "def _():", body, "    return"]
        (self.folder / "studio.py").write_text("\n".join([*lines, ""]), encoding="utf-8")
        self.address = f"http://127.0.0.1:{self.port}/"
        return [
            "marimo", "edit", "studio.py", "--headless", "--no-token", "--skip-update-check",
            f"--port={self.port}", "--host=127.0.0.1",
        ]  # fmt: skip


def _free_port() -> int:
    with socket.socket() as own:
        own.bind(("127.0.0.1", 0))
        return int(own.getsockname()[1])
