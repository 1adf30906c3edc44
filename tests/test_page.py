"""The report page: one file, nothing loaded, nothing believed."""

import sys

import pandas as pd
import pytest

import graphrec as gr
from graphrec.errors import InputError
from graphrec.report.names import names_of

HOSTILE = "<script>alert(1)</script> & co"


@pytest.fixture
def rec(checkerboard):
    return gr.Recommender("ease").fit(gr.Interactions.from_frame(checkerboard, user="user_id", item="item_id"))


def test_the_page_is_escaped_and_alone(rec, tmp_path):
    items = pd.DataFrame({"sku": rec.train.item_ids, "name": HOSTILE, "image": 'https://a.example/"x'})
    text = rec.report("u0", tmp_path / "page.html", items).read_text()
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "src=" not in text
    assert 'href="https://a.example/&#34;x"' in text
    assert "because of" in text
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_columns_that_are_not_there_are_refused(rec, tmp_path):
    items = pd.DataFrame({"sku": rec.train.item_ids, "name": "x"})
    with pytest.raises(InputError, match="naem"):
        rec.report("u0", tmp_path / "page.html", items, title="naem")
    with pytest.raises(InputError, match="item id"):
        names_of(rec, pd.DataFrame({"name": ["a"]}))
    assert not list(tmp_path.iterdir())


def test_without_jinja_there_is_a_sentence_and_no_file(rec, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(InputError, match=r"pip install 'graphrec\[report\]'"):
        rec.report("u0", tmp_path / "page.html")
    assert not list(tmp_path.iterdir())
