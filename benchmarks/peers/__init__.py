"""graphrec beside other libraries: the same files, the same metrics, each library in an environment of its own.

The files ``with_*.py`` and what they import run in the libraries' environments, so they need only NumPy at the top;
a library is imported where it is used.
"""


def main(arguments: list[str]) -> None:
    """Run the comparison; the imports wait because the other environments have no graphrec."""
    from benchmarks.peers.command import main as run

    run(arguments)
