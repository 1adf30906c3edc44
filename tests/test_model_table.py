"""The README's table of models says of every model what its source published and what was measured here."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.model_table import BEGIN, END, NONE, table, write
from benchmarks.record import RESULTS
from graphrec.errors import InputError
from graphrec.models import MODELS
from graphrec.presets import preset_names, read_preset

# What no paper proposed, or what the docstring describes by its formula alone.
WITHOUT_SOURCE = {"collabfnet", "embeddingnet", "itempop", "lightgcnlw", "ncf", "random"}


def rows(text):
    lines = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    return {cells[0].strip("`"): cells for cells in lines[2:]}


def test_there_is_a_row_for_every_model_and_no_other():
    found = rows(table())
    assert list(found) == sorted(MODELS)
    assert {name: cells[1].strip("`") for name, cells in found.items()} == {n: k.__name__ for n, k in MODELS.items()}
    assert {name for name, cells in found.items() if cells[2] == NONE} == WITHOUT_SOURCE
    assert found["lightgcn"][2] == "He et al., SIGIR 2020"
    assert found["bspm"][2] == "Choi et al., SIGIR 2023"


def test_figures_are_those_of_presets_and_results():
    found, measured = rows(table()), pd.read_csv(RESULTS / "published.csv", dtype=str).set_index("preset")
    for preset in preset_names():
        cells = found[read_preset(preset)["model"]["name"]]
        place = cells[3].split("<br>").index(f"`{preset}`")
        figures = read_preset(preset)["data"].get("gowalla", {}).get("published", {})
        shown = cells[4].split("<br>")[place]
        for metric, value in figures.items():
            assert f"{value:.4f}"[1:] in shown, metric
        if preset in measured.index:
            assert cells[5].split("<br>")[place] == "/".join(
                measured.loc[preset, f"{metric} ours"].removeprefix("0") for metric in ("recall@20", "ndcg@20")
            )
    assert any(cell.endswith("(3 seeds)") for cell in found["lightgcn"][5].split("<br>"))
    assert found["rp3beta"][5] == ".1848/.1513 (3 seeds)"  # without a preset


def test_the_readme_has_the_table_of_today():
    readme = Path(__file__).resolve().parents[1] / "README.md"
    assert f"{BEGIN}\n{table()}\n{END}" in readme.read_text(encoding="utf-8")


def test_it_is_put_between_its_marks_and_nowhere_else(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n", encoding="utf-8")
    for _ in range(2):
        write(path)
        assert path.read_text(encoding="utf-8") == f"before\n\n{BEGIN}\n{table()}\n{END}\n\nafter\n"
    for wrong in ("nothing", f"{END}\n{BEGIN}", f"{BEGIN}\n{BEGIN}\n{END}"):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(InputError, match="each once"):
            write(path)
        assert path.read_text(encoding="utf-8") == wrong
