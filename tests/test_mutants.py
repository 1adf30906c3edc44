"""The tool that changes the package: which changes it makes, and what it leaves alone."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))  # benchmarks/ is not part of the installed package

from benchmarks.mutants import TESTS, candidates, equivalent  # noqa: E402
from benchmarks.mutate import draw, mutants_of  # noqa: E402


@pytest.mark.parametrize(
    ("source", "changed"),
    [
        ("a + b", {"(a - b)"}),
        ("-a * b", {"(-a / b)", "(a) * b"}),
        ("a < b", {"(a <= b)", "(a >= b)"}),
        ("a < b == c", {"(a <= b == c)", "(a >= b == c)", "(a < b != c)"}),
        ("a is None", {"(a is not None)"}),
        ("a and not b", {"(a or not b)", "a and (b)"}),
        ("f(7, x=True)", {"f((8), x=True)", "f((6), x=True)", "f(7, x=(False))"}),
        ("x ** 0.5", {"(x * 0.5)", "x ** (1.0)"}),
        ("min(a, b.any())", {"(max)(a, b.any())", "min(a, (b.all)())"}),
        ("np.maximum(a, b)", {"(np.minimum)(a, b)"}),
        ("a if b else c", {"a if (not b) else c"}),
        ("'é' + (a if b else c)", {"('é' - (a if b else c))", "'é' + (a if (not b) else c)"}),
    ],
)
def test_every_change_of_an_expression(source, changed):
    assert {m.apply(source) for m in mutants_of("x.py", source)} == changed


@pytest.mark.parametrize(
    "source",
    [
        '"""One + two."""',
        '__all__ = ["a", "b"][0:]',
        "raise ValueError(f'{a + 1}')",
        "assert a < 1",
        "warnings.warn(f'{a}', stacklevel=2)",
        "from a import b",
        "def f(a: int | None) -> int | None: return a",
        "Floats = npt.NDArray[np.float64 | np.float32]",
        "@dataclass(frozen=True)\nclass A: pass",
        "isinstance(a, int | float)",
        "f'{a + b}'",
    ],
)
def test_what_says_nothing_about_the_outcome_is_left_alone(source):
    assert mutants_of("x.py", source) == []


def test_a_change_keeps_all_other_lines_and_is_known_by_its_own():
    source = "def f(a):\n    # 1 + 2\n    return a + 1\n"
    for mutant in mutants_of("x.py", source):
        ast.parse(mutant.apply(source))
        assert mutant.line == 3
        assert mutant.source_line == "return a + 1"
        assert mutant.apply(source) == source.replace("return a + 1", mutant.changed_line)


def test_draws_are_seeded_and_without_repetition():
    candidates = mutants_of("x.py", "x = [" + "1, " * 50 + "]")
    chosen = draw(candidates, 30, seed=0)
    assert chosen == draw(candidates, 30, seed=0) != draw(candidates, 30, seed=1)
    assert len(set(chosen)) == 30
    assert draw(candidates, 1000, seed=0) == candidates


def test_every_file_and_every_test_that_is_named_is_there():
    for entry, tests in TESTS.items():
        assert (ROOT / "graphrec" / entry).exists()
        assert tests
        assert all((ROOT / "tests" / f"test_{name}.py").exists() for name in tests)


def test_a_reason_stands_for_a_line_that_is_there():
    """Who changes a line reads its survivors again and mends benchmarks/mutants_equivalent.toml."""
    assert set(equivalent()) <= {(m.file, m.source_line, m.changed_line) for m in candidates()}
