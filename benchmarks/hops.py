"""What was tried on one hop Â·X of Gowalla, side by side: back ends, prefetching, half precision, the order of nodes.

The library's kernel is ``graphrec.graph.kernels.hop``; the variants here are the ones that lost, kept as evidence.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import pandas as pd
import torch
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from scipy import sparse
from scipy.sparse.csgraph import reverse_cuthill_mckee

import graphrec as gr
from benchmarks.pictures import times
from benchmarks.record import interleaved, ratio, spread, write
from graphrec.errors import InputError
from graphrec.graph import kernels
from graphrec.graph.products import BACKENDS
from graphrec.models.parts.svd_start import singular_vectors
from graphrec.threads import balanced_bounds, run_ranges, thread_count

_compile = numba.njit(nogil=True, fastmath={"contract", "nsz"}, error_model="numpy", boundscheck=False)


@_compile
def signed_hop(lo, hi, indptr, indices, values, x, out):
    """The library's kernel as it was before: signed indices, nothing prefetched."""
    for i in range(lo, hi):
        for k in range(out.shape[1]):
            out[i, k] = 0.0
        e, end = indptr[i], indptr[i + 1]
        while e + 4 <= end:
            a, b, c, d = indices[e], indices[e + 1], indices[e + 2], indices[e + 3]
            wa, wb, wc, wd = values[e], values[e + 1], values[e + 2], values[e + 3]
            for k in range(out.shape[1]):
                out[i, k] += wa * x[a, k] + wb * x[b, k] + wc * x[c, k] + wd * x[d, k]
            e += 4
        while e < end:
            for k in range(out.shape[1]):
                out[i, k] += values[e] * x[indices[e], k]
            e += 1


@intrinsic
def widen(typing_context, half):
    """A bfloat16, kept as its 16 bits, as a float32."""

    def generate(context, builder, signature, arguments):
        bits = builder.shl(builder.zext(arguments[0], ir.IntType(32)), ir.Constant(ir.IntType(32), 16))
        return builder.bitcast(bits, ir.FloatType())

    return types.float32(types.uint16), generate


@_compile
def narrow(lo, hi, bits, half):
    """float32 bits to bfloat16, to the nearest, ties to even."""
    for i in range(lo, hi):
        for k in range(np.uint64(bits.shape[1])):
            b = bits[np.uint64(i), k]
            half[np.uint64(i), k] = np.uint16((b + np.uint32(0x7FFF) + ((b >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16))


@_compile
def half_hop(lo, hi, indptr, indices, values, half, out):
    """Rows gathered as bfloat16, summed as float32."""
    for i in range(lo, hi):
        row = np.uint64(i)
        for k in range(np.uint64(out.shape[1])):
            out[row, k] = 0.0
        e, end = indptr[i], indptr[i + 1]
        while e + 4 <= end:
            a, b = np.uint64(indices[e]), np.uint64(indices[e + 1])
            c, d = np.uint64(indices[e + 2]), np.uint64(indices[e + 3])
            wa, wb, wc, wd = values[e], values[e + 1], values[e + 2], values[e + 3]
            for k in range(np.uint64(out.shape[1])):
                out[row, k] += wa * widen(half[a, k]) + wb * widen(half[b, k])
                out[row, k] += wc * widen(half[c, k]) + wd * widen(half[d, k])
            e += 4
        while e < end:
            a = np.uint64(indices[e])
            for k in range(np.uint64(out.shape[1])):
                out[row, k] += values[e] * widen(half[a, k])
            e += 1


def clustered(train: gr.Interactions, degree: np.ndarray, clusters: int = 256) -> np.ndarray:
    """Nodes ordered by clusters of their singular vectors (spherical k-means), by falling degree within."""
    vectors = singular_vectors(train, 32, 0.1).numpy()
    vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    centres = vectors[np.random.default_rng(0).choice(len(vectors), clusters, replace=False)]
    for _ in range(8):
        label = (vectors @ centres.T).argmax(1)
        centres = np.stack([np.bincount(label, column, clusters) for column in vectors.T], 1)
        centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-9)
    return np.lexsort((-degree, centres[label] @ vectors[0], label))


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks hops", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", message="Sparse (CSR tensor support|invariant checks)")
    train = gr.load_dataset("gowalla").split.without_valid().train
    adjacency = gr.BipartiteGraph(train).adjacency("sym")
    indptr, indices, values = adjacency.pattern.indptr, adjacency.pattern.indices, adjacency.values.numpy()
    n = len(indptr) - 1
    x = np.random.default_rng(0).standard_normal((n, 64)).astype(np.float32)
    out, half, tensor = np.empty_like(x), np.empty(x.shape, np.uint16), torch.from_numpy(x)
    matrix = sparse.csr_matrix((values, indices, indptr), shape=(n, n))

    def kernel(run: Any, a: sparse.csr_matrix = matrix, source: np.ndarray = x) -> Callable[[], None]:
        arrays = a.indptr.astype(np.int64), a.indices, a.data, source, out
        bounds = balanced_bounds(arrays[0], 4 * thread_count())
        return lambda: run_ranges(lambda lo, hi: run(lo, hi, *arrays), bounds)

    def in_half() -> None:
        run_ranges(lambda lo, hi: narrow(lo, hi, x.view(np.uint32), half), [0, n // 2, n])
        kernel(half_hop, source=half)()

    calls: dict[str, Callable[[], object]] = {
        "graphrec's kernel": kernel(kernels.hop),
        "signed indices, no prefetch": kernel(signed_hop),
        "bfloat16 storage, conversion included": in_half,
    }
    orders = {
        "reverse Cuthill–McKee": reverse_cuthill_mckee(matrix, True),
        "clusters of SVD-32": clustered(train, np.diff(indptr)),
    }
    for name, order in orders.items():
        moved = matrix[order][:, order].tocsr()
        moved.sort_indices()
        calls[f"graphrec's kernel, nodes by {name}"] = kernel(kernels.hop, moved)
    for name, backend in BACKENDS.items():
        try:
            backend(adjacency, tensor)
        except InputError as error:  # an optional package
            print(f"left out: {error}")
            continue
        if name != "numba":
            calls[f"back end {name}"] = lambda backend=backend: backend(adjacency, tensor)
    plain = torch.sparse_csr_tensor(torch.from_numpy(indptr).long(), torch.from_numpy(indices).long(), adjacency.values, (n, n))
    calls["torch CSR, int64, A @ X"] = lambda: plain @ tensor
    seconds = interleaved(calls, args.rounds)
    base = seconds["graphrec's kernel"]
    table = pd.DataFrame([{"what": name, **spread(s), "ratio": ratio(s, base)} for name, s in seconds.items()])
    write("hops", "One hop over Gowalla's graph, 64 dimensions", table, times(table))


if __name__ == "__main__":
    main([])
