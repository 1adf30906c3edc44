"""Options of a fit as plain data, and the objects among them brought back."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any

from graphrec import losses
from graphrec.training.fingerprint import as_json, held_by
from graphrec.training.options import FitOptions

__all__ = ["brought_back", "written"]

# Options that may be, or hold, objects: these are written down by name.
_MAY_BE_OBJECTS = ("loss", "loss_options", "negatives", "credit", "schedule")


def written(options: FitOptions) -> dict[str, Any]:
    """Options as JSON may hold them; two objects of one class that hold other plain values have other names."""
    return {name: _named(name, value) for name, value in ((n, getattr(options, n)) for n in options.names())}


def brought_back(options: Mapping[str, Any], own: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Options that were written down, as a fit takes them.

    Parameters
    ----------
    options : mapping
        What :func:`written` gave, perhaps read from a file.
    own : mapping
        The model's own options: an object among them has the name that it was written down by.

    Returns
    -------
    options : dict
        With the model's own objects, and the library's losses, in place of their names.
    lost : list of str
        Options that were objects of the caller's own, of which there is nothing but the name: they are not in `options`.
    """
    back = dict(options)
    lost = [name for name in _MAY_BE_OBJECTS if _is_of_objects(name, back.get(name))]
    for name in tuple(lost):
        known = [own[name]] if name in own else []
        known += [getattr(losses, one) for one in losses.PAIRWISE] if name == "loss" else []
        found = [one for one in known if _named(name, one) == back[name]]
        if found:
            back[name] = found[0]
            lost.remove(name)
        else:
            del back[name]
    return back, lost


def _named(name: str, value: Any) -> Any:
    """As :func:`as_json`, and an object of the caller's own with a checksum of what it holds."""
    told = as_json(value)
    an_object = name in ("loss", "negatives") and isinstance(told, str) and not isinstance(value, str) and "#" not in told
    held = held_by(value) if an_object else {}
    return f"{told}#{zlib.crc32(json.dumps(held, sort_keys=True).encode()):08x}" if held else told


def _is_of_objects(name: str, value: Any) -> bool:
    """Whether what was written down names an object: `module:class`, or of a credit its checksum."""
    if isinstance(value, Mapping):
        return name == "credit" or any(_is_of_objects(name, one) for one in value.values())
    if isinstance(value, list):
        return any(_is_of_objects(name, one) for one in value)
    return isinstance(value, str) and ":" in value
