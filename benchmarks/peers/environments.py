"""One virtual environment per library, because their pins contradict each other and graphrec's."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ENVIRONMENTS", "Environment", "Installed", "install"]

CONSTRAINTS = Path(__file__).resolve().parents[2] / "constraints.txt"
# Only these of graphrec's pins are imposed on others: the rest is theirs to choose.
_SHARED = ("torch", "torch-geometric")


@dataclass(frozen=True)
class Environment:
    """What to install and to import; `why` says what the pins are for."""

    requires: tuple[str, ...]
    imports: str
    why: str = ""


ENVIRONMENTS = {
    "recbole": Environment(
        ("torch", "recbole==1.2.1", "numpy<2", "scipy<1.11", "pandas<2.2", "scikit-learn<1.5", "setuptools<81"),
        "recbole.quick_start",
        "RecBole 1.2.1 uses np.float_ (not in NumPy 2) and dok_matrix._update (not in later SciPys); its ray, pkg_resources.",
    ),
    "pyg": Environment(("torch", "torch-geometric"), "torch_geometric.nn.models"),
    "implicit": Environment(("implicit",), "implicit.als"),
    "lenskit": Environment(("torch", "lenskit"), "lenskit.als"),
    "rectools": Environment(("rectools",), "rectools.models"),
    "cornac": Environment(("cornac",), "cornac.models"),
    "cornac-dgl": Environment(
        ("torch", "cornac", "dgl", "torchdata<0.10", "pandas", "pydantic", "pyyaml"),
        "dgl",
        "Cornac's LightGCN is written for DGL, which does not name all that it imports.",
    ),
}


@dataclass(frozen=True)
class Installed:
    """An environment's interpreter, or why there is none."""

    python: Path
    error: str | None = None


def pins(constraints: str) -> list[str]:
    """The shared lines of a constraints file, sorted: their order there is no reason to install anew."""
    lines = sorted(line.strip() for line in constraints.splitlines())
    return [line for line in lines if re.split(r"[=<>~ ]", line)[0] in _SHARED]


def install(name: str, folder: Path, limit: float = 1200) -> Installed:
    """Make an environment where it is not there yet, and import its library once.

    Parameters
    ----------
    name : str
        A key of :data:`ENVIRONMENTS`.
    folder : Path
        Holds one folder per environment.
    limit : float
        Seconds that the installation may take.

    Returns
    -------
    Installed
        ``error`` is the last line of what went wrong; a failure is tried again the next time.
    """
    wanted, home = ENVIRONMENTS[name], folder / name
    python = home / "bin" / "python"
    marker = home / "installed.json"
    asked = {"requires": list(wanted.requires), "pins": pins(CONSTRAINTS.read_text())}
    there = json.loads(marker.read_text()) if marker.exists() else {"pins": []}
    if {**there, "pins": sorted(there["pins"])} != asked:
        venv.create(home, with_pip=True, clear=True)
        (home / "pins.txt").write_text("\n".join(asked["pins"]) + "\n")
        command = [python, "-m", "pip", "install", "--quiet", "--prefer-binary", "-c", home / "pins.txt", *wanted.requires]
        if error := _failure(command, limit):
            return Installed(python, f"does not install: {error}")
        marker.write_text(json.dumps(asked))
    error = _failure([python, "-c", f"import {wanted.imports}"], 300)
    return Installed(python, error and f"installs, but cannot be imported: {error}")


def own() -> Installed:
    """graphrec's environment: this one."""
    return Installed(Path(sys.executable))


def _failure(command: list[str | Path], limit: float) -> str | None:
    """None, or the last telling line of a failed command."""
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    try:
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=limit, env=clean)
    except subprocess.TimeoutExpired:
        return f"stopped after {limit:.0f} s"
    if done.returncode == 0:
        return None
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip() and not line.startswith("WARNING")]
    return re.sub(r"\S*/site-packages/", "", lines[-1]) if lines else f"ended with code {done.returncode}"
