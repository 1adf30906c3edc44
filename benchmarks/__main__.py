"""``python -m benchmarks NAME``: run one benchmark and write its table to ``benchmarks/results/``."""

import importlib
import sys

NAMES = (
    "speed",
    "quality",
    "quality_table",
    "scale",
    "cost_model",
    "hops",
    "floor",
    "peers",
    "hybrid_splits",
    "mutants",
    "faults",
    "gpu",
    "precision",
    "published",
    "fold_in",
    "family",
    "update",
    "serve",
    "distributed",
    "ann",
    "model_table",
    "sampled",
    "serve_page",
)


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in NAMES:
        sys.exit(f"usage: python -m benchmarks {{{' | '.join(NAMES)}}}")
    importlib.import_module(f"benchmarks.{sys.argv[1]}").main(sys.argv[2:])


if __name__ == "__main__":
    main()
