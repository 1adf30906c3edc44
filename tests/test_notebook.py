"""The notebook runs in a kernel of Jupyter, shows tables and progress there, and is committed without outputs."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "examples" / "quickstart.ipynb"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Its cells after a run, with the text of each output by type."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
        patch.setenv("GRAPHREC_DATA", "nowhere")  # it needs what comes with the library, and nothing else
        notebook, folder = nbformat.read(FILE, as_version=4), tmp_path_factory.mktemp("notebook")
        NotebookClient(notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(folder)}}).execute()
        assert not list(folder.iterdir())
        return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_it_is_committed_without_outputs():
    notebook = nbformat.read(FILE, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) > 10
    assert not [cell for cell in code if cell.outputs or cell.execution_count]


def test_every_cell_runs_and_nothing_warns(executed):
    assert not [out for cell in executed for out in cell.outputs if out.output_type == "error"]
    said = "".join(
        out.text for cell in executed for out in cell.outputs if out.output_type == "stream" and out.name == "stderr"
    )
    assert "Warning" not in said


def test_tables_are_html_and_progress_is_a_bar(executed):
    html = [out.data.get("text/html", "") for cell in executed for out in cell.outputs if "data" in out]
    shown = [text for text in html if 'class="graphrec' in text]
    for title in ("Interactions(", "Split(", "lightgcn, fitted", "Comparison", "Report"):
        assert [text for text in shown if f"<strong>{title}" in text], title
    fit = next(cell for cell in executed if "rec.fit(" in cell.source)
    bar = "".join(out.text for out in fit.outputs if out.output_type == "stream" and out.name == "stderr")
    widgets = [out for out in fit.outputs if "application/vnd.jupyter.widget-view+json" in out.get("data", {})]
    assert widgets or ("epoch/s" in bar and "ndcg@20=" in bar)
