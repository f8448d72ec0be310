"""Run `docs/quickstart.ipynb` and keep what it prints: `make notebook` does, with embedded models, in some minutes."""

from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat
from nbclient import NotebookClient

FILE = Path(__file__).with_name("quickstart.ipynb")

with TemporaryDirectory() as folder:
    notebook = nbformat.read(FILE, as_version=4)
    NotebookClient(notebook, timeout=3600, resources={"metadata": {"path": folder}}).execute()
for cell in notebook.cells:
    cell.metadata.pop("execution", None)  # times, which would differ at each run
    if cell.cell_type == "code":
        cell.outputs = [one for one in cell.outputs if one.get("name") != "stderr"]
nbformat.write(notebook, FILE)
