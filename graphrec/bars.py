"""Progress bars where somebody sees them move: in a terminal and in a notebook."""

from __future__ import annotations

import sys
import warnings
from typing import IO, Any

__all__ = ["progress_bar", "shows_bars"]


def shows_bars(file: IO[str] | None = None) -> bool:
    """Whether a bar would be seen: the output is a terminal, or that of a kernel of Jupyter, which is none.

    Parameters
    ----------
    file : text stream, optional
        Standard error unless given. One that is closed, or cannot tell, shows nothing.
    """
    if file is None and _in_notebook():
        return True
    try:
        return (sys.stderr if file is None else file).isatty()
    except (AttributeError, ValueError):
        return False


def progress_bar(file: IO[str] | None = None, **how: Any) -> Any:
    """A bar of tqdm: a widget in a notebook that has them, else of text; silent where nobody would see it.

    Parameters
    ----------
    file : text stream, optional
        Standard error unless given.
    **how
        Arguments of tqdm.
    """
    if file is None and _in_notebook():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="IProgress not found")  # then the bar is one of text
            from tqdm.auto import tqdm
    else:
        from tqdm import tqdm
    return tqdm(file=file, disable=not shows_bars(file), dynamic_ncols=True, **how)


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and hasattr(shell, "kernel")
