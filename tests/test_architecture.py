"""The house rules that a machine can check: data walks in one direction, names say something."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import graphrec
from graphrec.models import MODELS
from graphrec.models.hybrids.blend import Blend
from graphrec.models.hybrids.hybrid import Hybrid

ROOT = Path(graphrec.__file__).parent
# Each room may import from its own line and the lines above it.
ROOMS = [
    {"errors", "threads", "deferred", "devices", "_version", "html_table", "bars", "compiling"}
    | {"tensor_files", "folder_files", "folder_lock"},
    {"data"},
    {"graph"},
    {"losses", "sampling"},
    {"models"},
    {"distributed"},
    {"ranking"},
    {"evaluation"},
    {"training"},
    {"report"},  # of numbers and tables; a recommender has a page made of itself
    {"recommender"},
    {"presets", "ann"},
    {"serve"},
    {"search"},
    {"runs", "run_folder", "own_table", "titles", "recommend_all", "update_run", "option_texts", "listings", "demo"},
    {"cli"},
    {"__init__", "__main__"},
]
LEVEL = {name: level for level, names in enumerate(ROOMS) for name in names}


def room(module: Path) -> str:
    return module.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(tree: ast.Module) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "graphrec":
            parts = node.module.split(".")
            names = [parts[1]] if len(parts) > 1 else [alias.name for alias in node.names]
            found += [(node.lineno, name) for name in names]
        elif isinstance(node, ast.Import):
            found += [(node.lineno, a.name.split(".")[1]) for a in node.names if a.name.startswith("graphrec.")]
    return found


def test_every_file_has_a_room():
    assert {room(path) for path in ROOT.rglob("*.py")} <= set(LEVEL)


def test_no_import_goes_back():
    back = []
    for path in ROOT.rglob("*.py"):
        here = LEVEL[room(path)]
        for line, name in imports(ast.parse(path.read_text())):
            if name in LEVEL and LEVEL[name] > here:
                back.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    assert not back


def test_no_file_is_called_utils():
    vague = {"utils", "util", "common", "helpers", "misc"}
    assert not [path for path in ROOT.rglob("*") if path.stem in vague]


def test_public_things_have_docstrings():
    bare = []
    for path in ROOT.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            public = isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
            if public and not ast.get_docstring(node):
                bare.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert not bare


def lines_of_code(path: Path) -> int:
    """Lines that are neither blank, nor a comment, nor part of a docstring."""
    text, told = path.read_text(), set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node):
            told.update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return sum(
        bool(line.strip()) and not line.lstrip().startswith("#") and number not in told
        for number, line in enumerate(text.splitlines(), 1)
    )


def test_a_model_is_read_on_two_pages():
    files = {inspect.getfile(model) for model in (*MODELS.values(), Blend, Hybrid)}
    assert len(files) > 30
    assert not {Path(file).stem: n for file in files if (n := lines_of_code(Path(file))) > 120}


def test_importing_the_package_imports_nothing_heavy_but_torch():
    program = "import sys, graphrec; print(*(name for name in sys.argv[1:] if name in sys.modules))"
    heavy = ["pandas", "numba", "matplotlib", "scipy.sparse", "scipy.sparse.linalg", "torch_geometric", "tensorboard", "click"]
    done = subprocess.run([sys.executable, "-c", program, *heavy], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()
