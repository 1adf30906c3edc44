"""The ten reference experiments, briefly, and the way from a CSV to a served page: ``pytest -m examples``."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from conftest import DATA

FOLDER = Path(__file__).resolve().parents[1] / "examples"
# Of each program: the row, the data set, and the files it writes beside results.csv.
PROGRAMS = {
    "ncf_movielens": (1, "ml-100k", ["history.csv", "model/run.json"]),
    "neumf_movielens": (2, "ml-100k", ["curves.png", "tensorboard/NeuMF", "model/run.json"]),
    "embeddingnet_ratings": (
        3,
        "ml-100k",
        ["history.csv", "curves.png", "learning_rate.png", "component_1.png", "component_3.png", "model/run.json"],
    ),
    "mf_and_hogwild": (4, "ml-100k", ["explicit/run.json", "bpr/run.json"]),
    "hybrid_movielens": (5, "ml-100k", ["mf/run.json", "hybrid/run.json"]),
    "itempop_mlp_movielens": (6, "ml-100k", ["history.csv", "curves.png", "model/run.json"]),
    "explicit_models": (7, "ml-100k", ["curves.png"]),
    "explicit_models_staged": (8, "ml-latest-small", ["curves.png"]),
    "ngcf_movielens": (9, "ml-100k", ["history.csv", "curves.png", "data/train.txt", "model/run.json"]),
    "autoencoder_ratings": (10, "ml-latest-small", ["curves.png", "tensorboard/autoencoder", "MF/run.json"]),
}


def test_there_is_a_program_for_each_row_and_it_tells_its_trap():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(PROGRAMS)
    for name, (row, _, _) in PROGRAMS.items():
        source = (FOLDER / f"{name}.py").read_text(encoding="utf-8")
        docstring = ast.get_docstring(ast.parse(source))
        assert f"(row {row} of the reference experiments)" in docstring.splitlines()[0], name
        assert "Trap:" in docstring, name
        assert f"python examples/{name}.py" in docstring, name


@pytest.mark.examples
@pytest.mark.parametrize("name", PROGRAMS)
def test_quick_run(name, tmp_path):
    """On real data where it is, else on the embedded set."""
    _, data, files = PROGRAMS[name]
    here = any((DATA / copy).exists() for copy in (data, f"{data}.zip"))
    command = [sys.executable, FOLDER / f"{name}.py", "--quick", "--out", tmp_path, "--data", data if here else "synthetic"]
    threads = {"OMP_NUM_THREADS": "2", "MPLBACKEND": "Agg"}
    done = subprocess.run(
        list(map(str, command)),
        env={**os.environ, "GRAPHREC_DATA": str(DATA), **threads},
        cwd=FOLDER.parent,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "results.csv" in done.stdout
    results = pd.read_csv(tmp_path / "results.csv")
    assert len(results) >= 1
    assert results.select_dtypes("number").notna().to_numpy().any()
    for file in files:
        assert (tmp_path / file).exists(), file
    if name == "hybrid_movielens":
        assert list(tmp_path.glob("user_*.html"))
        assert "the same scores" in done.stdout
        assert "OTHER" not in done.stdout


@pytest.mark.examples
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_a_messy_table_becomes_a_page_with_reasons_and_tomorrow_is_taken_up(tmp_path):
    """The transcript of commands, as a new user would type them."""
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    pytest.importorskip("jinja2")
    script, programs = FOLDER / "shop_to_page.sh", tmp_path / "bin"
    assert len(re.findall(r"^(graphrec|python ask)", script.read_text(encoding="utf-8"), re.MULTILINE)) < 10
    programs.mkdir()
    for name, words in (("graphrec", "-m graphrec "), ("python", "")):  # this package, whatever is installed
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {words}"$@"\n')
        (programs / name).chmod(0o755)
    paths = {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(FOLDER.parent), "MPLBACKEND": "Agg"}
    command = [shutil.which("bash"), str(script), str(tmp_path / "shop")]
    done = subprocess.run(command, env={**os.environ, **paths}, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    assert "3 of 1,993 rows were dropped because a value is missing" in done.stderr
    assert "new people: 1, new things: 8" in done.stdout
    assert done.stdout.count(", because of") >= 4  # of the service before and after the update
    assert done.stdout.count("Dvořák, Antonín 900") == 3
    lists = pd.read_csv(tmp_path / "shop" / "recommendations.csv", dtype={"item_id": str})
    assert lists["user_id"].nunique() == 150
    assert lists["item_id"].str.fullmatch("[0-9]{6}").all()
    page = (tmp_path / "shop" / "page.html").read_text(encoding="utf-8")
    for part in ("Metrics", "The ways of the first one", "because of", "№"):
        assert part in page
