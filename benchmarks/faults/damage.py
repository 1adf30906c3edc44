"""Damage to bytes as disks, transfers and editors do it, and as nobody does it."""

from __future__ import annotations

import numpy as np

__all__ = ["damaged"]


def damaged(body: bytes, generator: np.random.Generator) -> bytes:
    """Other bytes than `body`, by one way of damage drawn at random, or sometimes by two."""
    result = body
    for _ in range(1 + int(generator.random() < 0.2)):
        result = _WAYS[generator.integers(len(_WAYS))](result, generator)
    return result if result != body else damaged(body, generator)


def _range(body: bytes, generator: np.random.Generator) -> tuple[int, int]:
    start = int(generator.integers(len(body) + 1))
    return start, min(len(body), start + int(generator.geometric(1 / max(2, min(64, len(body) // 4)))))


def _flip_bits(body: bytes, generator: np.random.Generator) -> bytes:
    result = bytearray(body)
    for place in generator.integers(len(body), size=generator.integers(1, 9)) if body else ():
        result[place] ^= 1 << int(generator.integers(8))
    return bytes(result)


def _cut(body: bytes, generator: np.random.Generator) -> bytes:
    return body[: generator.integers(len(body) + 1)]


def _insert(body: bytes, generator: np.random.Generator) -> bytes:
    start, _ = _range(body, generator)
    return body[:start] + generator.bytes(int(generator.integers(1, 33))) + body[start:]


def _duplicate(body: bytes, generator: np.random.Generator) -> bytes:
    start, end = _range(body, generator)
    return body[:end] + body[start:end] + body[end:]


def _remove(body: bytes, generator: np.random.Generator) -> bytes:
    start, end = _range(body, generator)
    return body[:start] + body[end:]


def _zero(body: bytes, generator: np.random.Generator) -> bytes:
    start, end = _range(body, generator)
    return body[:start] + bytes(end - start) + body[end:]


def _move(body: bytes, generator: np.random.Generator) -> bytes:
    """A range goes over another: separators, digits and quotes come where others were."""
    start, end = _range(body, generator)
    target = int(generator.integers(len(body) + 1))
    return body[:target] + body[start:end] + body[target + end - start :]


_WAYS = (_flip_bits, _cut, _insert, _duplicate, _remove, _zero, _move)
