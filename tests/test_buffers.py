"""Where large tables begin, on which the speed of a hop depends."""

import pytest
import torch

from graphrec.graph.buffers import BufferPool, empty_table

LINE, HUGE = 64, 1 << 21


@pytest.mark.parametrize(("rows", "width", "step"), [(3, 5, LINE), (1000, 64, LINE), (20_000, 64, HUGE), (0, 64, 1), (4, 0, 1)])
def test_tables_begin_with_a_cache_line_and_large_ones_with_a_huge_page(rows, width, step):
    for table in (empty_table(rows, width), BufferPool().take(rows, width)):
        assert table.shape == (rows, width)
        assert table.dtype == torch.float32
        assert table.is_contiguous()
        assert table.data_ptr() % step == 0


def test_a_buffer_is_lent_again_when_nobody_holds_it():
    pool = BufferPool()
    first = pool.take(30, 7)
    place = first.data_ptr()
    assert pool.take(30, 7).data_ptr() != place
    view = first[3:]
    del first
    assert pool.take(30, 7).data_ptr() != place
    del view
    assert pool.take(30, 7).data_ptr() == place
