"""``python -m benchmarks NAME``: run one benchmark and write its table.

Tables go to ``benchmarks/results/``, or to the folder that the environment variable ``GRAPHREC_RESULTS`` names.
"""

import importlib
import sys

NAMES = (
    "speed",
    "quality",
    "quality_table",
    "best_blend",
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
    try:
        importlib.import_module(f"benchmarks.{sys.argv[1]}").main(sys.argv[2:])
    except Exception as error:
        if type(error).__module__ != "graphrec.errors":  # which is not imported here: mutants must come before the package
            raise
        sys.exit(f"benchmarks {sys.argv[1]}: {error}")


if __name__ == "__main__":
    main()
