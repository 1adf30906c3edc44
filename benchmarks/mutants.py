"""Do the tests notice? Random small changes of the package, each in a copy, and the tests that should fail.

``python -m benchmarks mutants --seed 0 --count 200``. The copy lies in a temporary folder; the working tree is only read.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from benchmarks.mutate import Mutant, draw, mutants_of
from benchmarks.record import RESULTS, machine, markdown

ROOT = Path(__file__).resolve().parent.parent
EQUIVALENT = Path(__file__).with_name("mutants_equivalent.toml")
# The tests of each file, the most specific first. A folder stands for its files that have no entry of their own.
TESTS: dict[str, tuple[str, ...]] = {
    "losses": ("losses", "defaults"),
    "losses/contrastive.py": ("losses", "contrastive_models"),
    "losses/credit.py": ("losses", "credit_training"),
    "evaluation/metrics.py": ("metrics", "evaluation_by_hand"),
    "evaluation/evaluate.py": (
        "evaluation_by_hand",
        "protocol",
        "what_was_trained_on",
        "beyond_accuracy",
        "recommender",
        "validation",
    ),
    "evaluation/full_ranking.py": ("evaluation_by_hand", "evaluate", "protocol", "beyond_accuracy"),
    "evaluation/evaluator.py": ("validation", "fit_by_hand", "hostile_input"),
    "evaluation/report.py": ("evaluation_by_hand", "defaults", "evaluate", "habits", "beyond_accuracy"),
    "evaluation/protocol.py": ("protocol",),
    "evaluation/comparison.py": ("significance", "habits", "beyond_accuracy"),
    "evaluation/significance.py": ("significance", "defaults", "beyond_accuracy"),
    "evaluation/sampled.py": ("evaluation_by_hand", "evaluate", "protocol", "what_was_trained_on"),
    "evaluation/beyond.py": ("beyond_accuracy",),
    "evaluation/groups.py": ("beyond_accuracy",),
    "graph/normalise.py": ("graph", "graph_models"),
    "graph/transform.py": ("layers", "defaults", "graph_models"),
    "models/graph/ngcf.py": ("defaults", "graph_models"),
    "sampling/negatives.py": ("sampling_draws", "sampling", "weights"),
    "sampling/positives.py": ("sampling_draws", "sampling", "weights"),
    "sampling/samplers.py": ("sampling_draws", "sampling", "weights", "open_training"),
    "sampling/kernels.py": ("sampling_draws", "sampling", "weights"),
    "data/split.py": ("defaults", "split"),
    "data/parts.py": ("parts", "split", "habits", "hetero_data"),
    "training/objectives.py": ("fit_by_hand", "objectives", "credit_training", "options", "open_training", "weights"),
    "training/objective.py": ("fit_by_hand", "objectives", "credit_training", "options", "open_training", "weights"),
    "training/trainer.py": (
        "fit_by_hand",
        "validation",
        "open_training",
        "resume",
        "recommender",
        "on_device",
        "sampled_training",
    ),
}
_MEMORY = 12 << 30  # bytes of a child, so that a changed size cannot take the machine's memory
# Imported once, before the forks: it takes longer than most tests.
PRELOADED = (
    "pytest",
    "hypothesis.extra.numpy",
    "scipy.sparse.linalg",
    "scipy.stats",
    "numba",
    "torchmetrics.functional.retrieval",
    "torch_geometric.nn",
    "tqdm",
)


def main(argv: list[str]) -> None:
    """Draw, run, and write ``results/mutants.md`` and ``.csv``."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks mutants", description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument(
        "--files", nargs="*", help="beginnings of paths inside the package, such as losses or sampling/kernels.py"
    )
    parser.add_argument("--list", action="store_true", help="print the mutants that would be tried, and stop")
    parser.add_argument("--dry", action="store_true", help="print the outcome and write no file")
    arguments = parser.parse_args(argv)
    chosen = draw(candidates(arguments.files), arguments.count, arguments.seed)
    if arguments.list:
        for mutant in chosen:
            print(f"{mutant.file}:{mutant.line}: {mutant.before} -> {mutant.after}")
        return
    for name in PRELOADED:
        importlib.import_module(name)
    if "graphrec" in sys.modules:
        raise SystemExit("the package is imported already, and its copies would not be: no mutant could die.")
    torch.set_num_threads(1)
    sys.dont_write_bytecode = True
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        outcomes = Bench(Path(folder)).try_all(chosen)
    table = _table(chosen, outcomes)
    text = _text(table, f"python -m benchmarks mutants --seed {arguments.seed} --count {arguments.count}")
    print(text)
    if not arguments.dry:
        RESULTS.mkdir(parents=True, exist_ok=True)
        (RESULTS / "mutants.md").write_text(text)
        table.to_csv(RESULTS / "mutants.csv", index=False)


def candidates(beginnings: list[str] | None = None) -> list[Mutant]:
    """Every change of the listed files, or of those whose path inside the package begins as told."""
    files: dict[str, None] = {}
    for entry in TESTS:
        path = ROOT / "graphrec" / entry
        for file in sorted(path.glob("*.py")) if path.is_dir() else [path]:
            files[str(file.relative_to(ROOT / "graphrec"))] = None
    wanted = [f for f in files if not beginnings or f.startswith(tuple(beginnings))]
    return [mutant for f in sorted(wanted) for mutant in mutants_of(f, (ROOT / "graphrec" / f).read_text())]


def _tests_of(file: str) -> tuple[str, ...]:
    return TESTS[file] if file in TESTS else TESTS[str(Path(file).parent)]


class FastFirst:
    """A plugin of pytest that runs the tests in the order of the seconds they are known to take, and notes those seconds."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.known: dict[str, float] = json.loads(file.read_text()) if file.exists() else {}

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        """The fastest first, and what is not known before all."""
        items.sort(key=lambda item: self.known.get(item.nodeid, 0.0))

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Seconds of a test without its fixtures."""
        if report.when == "call":
            self.known[report.nodeid] = report.duration

    def note(self) -> None:
        """Write them down for the next run."""
        self.file.write_text(json.dumps(self.known))


class Bench:
    """A copy of package and tests, in which one file at a time is changed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("graphrec", "tests"):
            shutil.copytree(ROOT / name, folder / name)  # with the compiled kernels beside their sources
        shutil.copy(ROOT / "pyproject.toml", folder)
        self._usual: dict[tuple[str, ...], float] = {}  # seconds of the processor

    def try_all(self, mutants: list[Mutant]) -> list[tuple[str, float]]:
        """How each ended, "killed", "timeout" or "survived", and the seconds it took."""
        outcomes = []
        for number, mutant in enumerate(mutants, 1):
            outcomes.append(self.try_one(mutant))
            how, seconds = outcomes[-1]
            print(
                f"{number}/{len(mutants)} {mutant.file}:{mutant.line} {mutant.before} -> {mutant.after}: {how}, {seconds:.1f} s"
            )
        return outcomes

    def try_one(self, mutant: Mutant) -> tuple[str, float]:
        """The tests of a file with one change in it; the file is put back, with its time."""
        tests = _tests_of(mutant.file)
        limit = 3 * self._usual_seconds(tests) + 30  # kernels take up to 20 to compile
        path = self.folder / "graphrec" / mutant.file
        source, times = path.read_text(), path.stat()
        compiled = {file: file.read_bytes() for file in self._compiled(path)}
        path.write_text(mutant.apply(source))
        code, seconds = self._run(tests, limit)
        path.write_text(source)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        for file in self._compiled(path):
            file.unlink()
        for file, content in compiled.items():
            file.write_bytes(content)
        return {0: "survived", -signal.SIGXCPU: "timeout", -signal.SIGKILL: "timeout"}.get(code, "killed"), seconds

    @staticmethod
    def _compiled(path: Path) -> list[Path]:
        return [*path.parent.glob(f"__pycache__/{path.stem}.*.nb?")]

    def _usual_seconds(self, tests: tuple[str, ...]) -> float:
        if tests not in self._usual:
            code, self._usual[tests] = self._run(tests, 600, note=True)
            if code != 0:
                print((self.folder / "output.txt").read_text()[-4000:])
                raise SystemExit(f"the tests {', '.join(tests)} fail without any change; see above.")
        return self._usual[tests]

    def _run(self, tests: tuple[str, ...], limit: float, note: bool = False) -> tuple[int, float]:
        """pytest's exit code, or minus the signal that ended it, and the seconds of the processor that it took.

        The limit is on those seconds, so that a busy machine kills no mutant; ten times as many on the clock end one
        that waits for something.
        """
        started = time.perf_counter()
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            self._be_child(tests, limit, note)
        done = 0
        try:
            while not done:
                done, status, usage = os.wait4(child, os.WNOHANG)
                if time.perf_counter() - started > 10 * limit:
                    break
                time.sleep(0.01)
        finally:
            if not done:
                os.killpg(child, signal.SIGKILL)  # the child's own group: it and what it started
                _, status, usage = os.wait4(child, 0)
        return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime

    def _be_child(self, tests: tuple[str, ...], limit: float, note: bool) -> None:
        code = 70
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
            resource.setrlimit(resource.RLIMIT_CPU, (int(limit) + 1, int(limit) + 5))
            output = os.open(self.folder / "output.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.chdir(self.folder)
            os.environ["PYTHONPATH"] = str(self.folder)
            os.environ["HYPOTHESIS_STORAGE_DIRECTORY"] = str(self.folder / "hypothesis")
            sys.path[:] = [str(self.folder), *(p for p in sys.path if p and Path(p).resolve() != ROOT)]
            import hypothesis
            import pytest

            # A failing example is as good as the smallest one, whose search can take a minute.
            hypothesis.settings.register_profile(
                "mutants", phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate], deadline=None
            )
            hypothesis.settings.load_profile("mutants")
            order = FastFirst(self.folder / "seconds.json")
            files = [f"tests/test_{name}.py" for name in tests]
            options = ["-x", "-q", "-o", "addopts=", "-p", "no:cacheprovider", "--hypothesis-seed=0"]
            code = int(pytest.main([*options, *files], plugins=[order]))
            if note:
                order.note()
            where = getattr(sys.modules.get("graphrec"), "__file__", None)
            if where is not None and not Path(where).is_relative_to(self.folder):
                code = 0  # a mistake of this tool must not look like a kill
        finally:
            os._exit(code)


def equivalent() -> dict[tuple[str, str, str], str]:
    """Why no test can notice a change, by file, source line and changed line."""
    entries = tomllib.loads(EQUIVALENT.read_text())["equivalent"]
    return {(entry["file"], entry["line"], entry["changed"]): entry["reason"] for entry in entries}


def _table(chosen: list[Mutant], outcomes: list[tuple[str, float]]) -> pd.DataFrame:
    known = equivalent()
    return pd.DataFrame(
        {
            "file": m.file,
            "line": m.line,
            "before": m.before,
            "after": m.after,
            "outcome": how,
            "seconds": round(seconds, 1),
            "equivalent": known.get((m.file, m.source_line, m.changed_line), "") if how == "survived" else "",
        }
        for m, (how, seconds) in zip(chosen, outcomes, strict=True)
    )


def _text(table: pd.DataFrame, command: str) -> str:
    died = table["outcome"] != "survived"
    per_file = table.assign(died=died, equivalent=table["equivalent"] != "").groupby("file", sort=True)
    counts = pd.DataFrame(
        {"tried": per_file.size(), "killed": per_file["died"].sum(), "equivalent": per_file["equivalent"].sum()}
    )
    counts.loc["all"] = counts.sum()
    left = table[~died].assign(
        where=lambda t: t["file"] + ":" + t["line"].astype(str),
        change=lambda t: "`" + t["before"] + "` → `" + t["after"] + "`",
        reading=lambda t: t["equivalent"].where(t["equivalent"] != "", "no test notices"),
    )
    slow = int((table["outcome"] == "timeout").sum())
    return (
        "# Random changes of the package that the tests notice\n\n"
        f"`{command}`\n\n{machine()}\n\n"
        f"{died.sum()} of {len(table)} mutants died ({died.mean():.1%}), {slow} of them by taking too long. A mutant is one "
        "operator, comparison, constant, condition or call changed by `benchmarks/mutate.py`; the tests that should notice "
        "are listed for each file in `benchmarks/mutants.py`.\n\n"
        f"{markdown(counts.reset_index())}\n\n## The survivors, read one by one\n\n"
        f"{markdown(left[['where', 'change', 'reading']])}\n"
    )


if __name__ == "__main__":
    main(sys.argv[1:])
