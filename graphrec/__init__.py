"""Graph-based recommendation."""

from graphrec._version import __version__
from graphrec.data.interactions import Interactions
