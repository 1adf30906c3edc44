"""Instructions of the processor that numba has no word for."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["lowest_bit", "prefetch"]

_READ, _KEEP_IN_ALL_CACHES, _DATA = 0, 3, 1  # arguments of LLVM's instruction


@intrinsic  # type: ignore[untyped-decorator]
def prefetch(typing_context: Any, matrix: Any, row: Any, column: Any) -> Any:
    """Begin to load the cache line of ``matrix[row, column]``; indices are unsigned and not checked.

    A hop reads rows in the order of the edges, which no hardware prefetcher can guess: the kernels name the rows that come
    sixteen edges later. On Gowalla that makes a hop 1.6 times faster; the results are the same to the bit.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type = signature.args[0]
        array = context.make_array(array_type)(context, builder, arguments[0])
        element = cgutils.get_item_pointer(context, builder, array_type, array, list(arguments[1:]), wraparound=False)
        byte = ir.IntType(8).as_pointer()
        number = ir.IntType(32)
        instruction = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte, number, number, number]), "llvm.prefetch.p0"
        )
        options = [ir.Constant(number, value) for value in (_READ, _KEEP_IN_ALL_CACHES, _DATA)]
        builder.call(instruction, [builder.bitcast(element, byte), *options])
        return context.get_dummy_value()

    return types.void(matrix, row, column), generate


@intrinsic  # type: ignore[untyped-decorator]
def lowest_bit(typing_context: Any, bits: Any) -> Any:
    """The position of the lowest bit that is set, from 0, of an unsigned 64-bit number other than 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        zero_is_not_asked_for = ir.Constant(ir.IntType(1), 1)
        return builder.cttz(arguments[0], zero_is_not_asked_for)

    return types.uint64(types.uint64), generate
