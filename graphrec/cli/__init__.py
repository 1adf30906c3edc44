"""The command ``graphrec``: what a person does without writing Python. One module for each kind of command."""

from __future__ import annotations

import atexit
import gc

import click

from graphrec._version import __version__
from graphrec.cli.asking import recommend, similar
from graphrec.cli.explaining import explain
from graphrec.cli.listings import datasets, demo, models, options, presets
from graphrec.cli.reporting import report
from graphrec.cli.searching import search
from graphrec.cli.sentences import OneSentence
from graphrec.cli.serving import serve
from graphrec.cli.tabling import table
from graphrec.cli.training import evaluate, train
from graphrec.cli.updating import update

__all__ = ["main"]


@click.group(cls=OneSentence, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__)
def main() -> None:
    """Graph-based recommendation: train, evaluate and use NGCF, LightGCN and their relatives."""
    atexit.register(gc.freeze)  # looking for garbage among all that torch and numba hold takes the end of a process a second


for _command in (demo, datasets, models, presets, options, table, train, evaluate, recommend, similar, explain):
    main.add_command(_command)
for _command in (update, search, report, serve):
    main.add_command(_command)
