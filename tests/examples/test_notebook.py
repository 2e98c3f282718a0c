"""The notebook runs from its first cell to its last, with tables, intervals and a plot."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
FILE = ROOT / "examples" / "notebook" / "hospital.ipynb"


def _executed(folder: Path) -> list[Any]:
    """The code cells, run by a kernel of this Python."""
    notebook = nbformat.read(FILE, as_version=4)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("DPSQL_")},
        "PYTHONPATH": str(ROOT), "HOME": str(folder), "TMPDIR": str(folder), "IPYTHONDIR": str(folder),
    }
    client = NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    client.create_kernel_manager()
    assert client.km is not None
    client.km.kernel_cmd = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    client.execute(env=environment)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_the_notebook(tmp_path: Path) -> None:
    cells = _executed(tmp_path)

    def shown(begin: str, kind: str) -> str:
        cell = next(cell for cell in cells if cell.source.startswith(begin))
        return str([output.data[kind] for output in cell.outputs if kind in output.get("data", {})][-1])

    page = shown("%%dpsql visits", "text/html")
    assert page.count("<small>±") + page.count("<small>[") >= 12 and "asthma" in page
    assert "epsilon 0.5 spent · 0.5 of 5 used" in page
    assert "replay, free" in shown("%%dpsql\nSELECT diagnosis", "text/html")

    assert shown("import matplotlib", "image/png").startswith("iVBOR")
    assert "cost_low" in shown("visits.to_pandas", "text/html")

    explained = next(cell for cell in cells if "--explain" in cell.source).outputs[0].text
    assert "cost: epsilon 0.5" in explained and "rewritten" in explained
    (refused,) = [output for cell in cells for output in cell.outputs if output.output_type == "error"]
    assert refused.ename == "QueryError" and "^" in refused.evalue
    assert len(refused.traceback) <= 4 and "File" not in "".join(refused.traceback)

    told = cells[-1].outputs[0].text
    assert "epsilon 0.6 of 5 used, 4.4 left (ada)" in told and "patient_id (the unit)" in told
