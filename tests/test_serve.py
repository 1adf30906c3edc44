"""The service: its routes, its refusals, and a run that is replaced under it."""

import json
import subprocess
import sys

import pandas as pd
import pytest

import graphrec as gr

pytest.importorskip("fastapi")
from click.testing import CliRunner
from fastapi.testclient import TestClient

from graphrec.cli import main
from graphrec.serve.answers import MAX_K, load_answers
from graphrec.serve.application import application
from graphrec.serve.guard import MAX_BODY
from graphrec.serve.live import Live

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def run(checkerboard, tmp_path):
    train = gr.Interactions.from_frame(checkerboard, user="user_id", item="item_id")
    gr.Recommender("ease").fit(train).save(tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def live(run):
    items = pd.DataFrame(
        {"item_id": ["i0", "i1"], "title": [HOSTILE, "One"], "poster": ["javascript:x", "https://a.example/1.png"]}
    )
    return Live(run, lambda folder, version: load_answers(folder, version, items, None, None))


@pytest.fixture
def client(live):
    return TestClient(application(live), raise_server_exceptions=False)


def test_lists_are_those_of_the_library(client, run):
    rec = gr.load(run)
    want = rec.recommend("u0", k=5)
    got = client.get("/recommend", params={"user": "u0", "k": 5, "explain": 2}).json()["items"]
    assert [row["item_id"] for row in got] == want["item_id"].tolist()
    assert [row["score"] for row in got] == pytest.approx(want["score"].tolist())
    assert [row["rank"] for row in got] == [1, 2, 3, 4, 5]
    assert all(row["why"] for row in got)
    like = client.get("/similar", params={"item": "i2", "k": 3}).json()["items"]
    assert [row["item_id"] for row in like] == rec.similar_items("i2", k=3)["similar_id"].tolist()


def test_somebody_who_likes_some_items(client):
    got = client.post("/recommend", json={"history": ["i0", "i2"], "k": 4, "explain": 1}).json()["items"]
    assert len(got) == 4
    assert not {"i0", "i2"} & {row["item_id"] for row in got}
    assert got[0]["why"][0]["item_id"] in ("i0", "i2")


def test_an_explanation_adds_up(client, run):
    reasons = client.get("/explain", params={"user": "u0", "item": "i0"}).json()["reasons"]
    assert sum(row["contribution"] for row in reasons) == pytest.approx(float(gr.load(run).score("u0", "i0")[0]), abs=1e-4)


@pytest.mark.parametrize(
    "path",
    [
        "/recommend",
        "/recommend?user=nobody",
        "/recommend?user=u0&k=0",
        f"/recommend?user=u0&k={MAX_K + 1}",
        "/similar?item=%3Cscript%3E",
        "/explain?user=a&item=b",
        "/static/../live.py",
        "/static/index.html",
        "/nothing",
    ],
)
def test_a_bad_question_gets_a_reason(client, path):
    answer = client.get(path)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]
    assert "<script>" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"history": []},
        {"history": [True]},
        {"history": ["i0"], "k": "3"},
        {"history": ["i0"], "path": "/etc"},
        {"history": [1]},
    ],
)
def test_a_bad_body_gets_a_reason(client, body):
    answer = client.post("/recommend", json=body)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]


def test_a_large_body_is_not_read(client):
    answer = client.post("/recommend", content=json.dumps({"history": ["i0" * MAX_BODY]}))
    assert answer.status_code == 413
    assert "larger" in answer.json()["error"]


def test_pages_load_from_nowhere_else_and_titles_stay_texts(client):
    page = client.get("/")
    assert "http" not in page.text
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert client.get("/docs").status_code == client.get("/openapi.json").status_code == 200
    items = client.get("/items", params={"search": "alert"})
    assert items.json()["items"] == [{"item_id": "i0", "title": HOSTILE}]
    assert "<" not in items.text
    assert client.get("/items", params={"search": "one"}).json()["items"][0]["image"] == "https://a.example/1.png"


def test_numbers_for_prometheus(client):
    client.get("/health"), client.get("/strange")
    text = client.get("/metrics").text
    assert 'route="/health",status="200"' in text
    assert 'route="other",status="404"' in text
    assert "strange" not in text


def test_a_new_run_is_taken_up_and_a_damaged_one_is_not(client, live, run, checkerboard):
    assert client.get("/health").json()["model"] == "ease"
    assert not live.look()
    before = live.now
    (run / "run.json").write_text("{")
    assert not live.look()
    assert live.now is before
    assert live.refused == 1
    (run / "run.json").unlink()
    gr.Recommender("itempop").fit(before.recommender.train).save(run)
    assert live.look()
    assert client.get("/health").json()["model"] == "itempop"


def test_the_command_line_needs_no_service_until_it_is_asked_for(monkeypatch, tmp_path):
    program = "import sys, graphrec.cli; print(*(name for name in sys.argv[1:] if name in sys.modules))"
    optional = ["fastapi", "starlette", "uvicorn", "pydantic", "prometheus_client", "jinja2"]
    done = subprocess.run([sys.executable, "-c", program, *optional], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    answer = CliRunner().invoke(main, ["serve", str(tmp_path)])
    assert answer.exit_code == 1
    assert "pip install 'graphrec[serve]'" in answer.output
