"""The service: its routes, its refusals, and a run that is replaced under it."""

import json
import signal
import subprocess
import sys
import urllib.parse
import urllib.request

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
    return TestClient(application(live), base_url="http://localhost", raise_server_exceptions=False)


def test_lists_are_those_of_the_library(client, run):
    rec = gr.load(run)
    want = rec.recommend("u0", k=5)
    got = client.get("/recommend", params={"user": "u0", "k": 5, "explain": 2}).json()["items"]
    assert [row["item_id"] for row in got] == want["item_id"].tolist()
    assert [row["score"] for row in got] == pytest.approx(want["score"].tolist())
    assert [row["rank"] for row in got] == [1, 2, 3, 4, 5]
    assert all(row["why"] for row in got[:2])  # what the others lower is no reason for them
    like = client.get("/similar", params={"item": "i2", "k": 3}).json()["items"]
    assert [row["item_id"] for row in like] == rec.similar_items("i2", k=3)["similar_id"].tolist()


def test_somebody_who_likes_some_items(client):
    got = client.post("/recommend", json={"history": ["i0", "i2"], "k": 4, "explain": 1}).json()["items"]
    assert len(got) == 4
    assert not {"i0", "i2"} & {row["item_id"] for row in got}
    assert got[0]["why"][0]["item_id"] in ("i0", "i2")


def test_reasons_that_are_not_given_are_told(client, monkeypatch):
    ask, liked = {"user": "u0", "k": 5}, {"history": ["i0", "i2", "i4"], "k": 3}
    assert "note" not in client.get("/recommend", params={**ask, "explain": 1}).json()
    monkeypatch.setattr("graphrec.serve.answers._EXPLAINED", 2)
    monkeypatch.setattr("graphrec.serve.answers._LEFT_OUT", 2)
    told = client.get("/recommend", params={**ask, "explain": 1}).json()
    assert [("why" in item) for item in told["items"]] == [True, True, False, False, False]
    assert told["note"] == "reasons are given for the first 2 items."
    assert "first 2 of 3 items of the history" in client.post("/recommend", json={**liked, "explain": 1}).json()["note"]
    assert "note" not in client.get("/recommend", params=ask).json()


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
        "/recommend?user=u0&k=21",
        "/similar?item=i0&k=21",
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
        {"history": ["i0"], "k": 21},
        {"history": ["i0"], "path": "/etc"},
        {"history": [1]},
    ],
)
def test_a_bad_body_gets_a_reason(client, body):
    answer = client.post("/recommend", json=body)
    assert 400 <= answer.status_code < 500
    assert answer.json()["error"]


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("/recommend?user=u0&n=3", "there is no parameter 'n'; known are user, k, explain, exclude, cold."),
        (
            "/recommend?user=u0&expain=1",
            "there is no parameter 'expain'; did you mean 'explain'? known are user, k, explain, exclude, cold.",
        ),
        ("/recommend?user=u0&k=3&k=4", "parameter 'k' is given more than once."),
        ("/recommend?user=u0&user=u1", "parameter 'user' is given more than once."),
        ("/similar?item=i0&user=u0", "there is no parameter 'user'; known are item, k."),
        ("/explain?user=u0&item=i0&k=3", "there is no parameter 'k'; known are user, item."),
        ("/users?q=u", "there is no parameter 'q'; known are search, limit."),
        ("/history?user=u0&k=3", "known are user, limit."),
        ("/items?title=a", "known are search, limit."),
        ("/health?deep=1", "there is no parameter 'deep'; known are none."),
    ],
)
def test_a_parameter_that_means_nothing_is_refused(client, path, says):
    answer = client.get(path)
    assert answer.status_code == 422
    assert says in answer.json()["error"]


def test_a_field_that_means_nothing_is_refused(client):
    for url, body, says in (
        ("/recommend", {"histroy": ["i0"], "history": ["i0"]}, "no field 'histroy'; did you mean 'history'? known are"),
        ("/recommend", {"history": ["i0"], "zz": 1}, "there is no field 'zz'; known are history, k, explain, exclude."),
        ("/recommend", {"histroy": ["i0"]}, "histroy"),
        (
            "/recommend?k=3",
            {"history": ["i0"]},
            "there is no parameter 'k'; known are none. What is asked of POST stands in the body.",
        ),
    ):
        answer = client.post(url, json=body)
        assert answer.status_code == 422
        assert says in answer.json()["error"]


@pytest.mark.parametrize(("body", "says"), [
    ('{"history": ["i0"], "k": 1, "k": 2}', "field 'k' is given more than once."),
    ('{"history": ["i0"], "history": ["i1"]}', "field 'history' is given more than once."),
    ('{"history": ', "JSON"),
    ("[" * 3000, ""),
    ('"é"'.encode("latin-1"), ""),
])  # fmt: skip
def test_a_body_that_says_two_things_or_none_is_refused(client, body, says):
    answer = client.post("/recommend", content=body, headers={"Content-Type": "application/json"})
    assert 400 <= answer.status_code < 500
    assert says in answer.json()["error"]


def test_those_who_only_look_whether_it_is_there(client):
    for path in ("/", "/health"):
        answer = client.head(path)
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["content-type"] == client.get(path).headers["content-type"]


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


def test_a_new_run_is_taken_up_and_one_that_cannot_be_read_is_tried_again(client, live, run, checkerboard):
    told, clock = client.get("/health").json(), [0.0]
    live._clock = lambda: clock[0]
    assert (told["model"], told["status"]) == ("ease", "ok")
    assert not live.look()
    before, whole = live.now, (run / "run.json").read_bytes()
    (run / "run.json").write_text("{")
    for _ in range(3):
        assert not live.look()
    assert live.now is before
    assert live.refused == 1  # two seconds have to pass
    told = client.get("/health").json()
    assert (told["model"], told["status"]) == ("ease", "stale")
    assert "damaged" in told["reason"]
    assert str(run) not in told["reason"]
    clock[0] = 3.0
    assert not live.look()
    assert live.refused == 2
    (run / "run.json").unlink()
    assert not live.look()
    assert "no run.json" in client.get("/health").json()["reason"]
    (run / "run.json").write_bytes(whole)
    assert not live.look()
    assert client.get("/health").json()["status"] == "ok"
    gr.Recommender("itempop").fit(before.recommender.train).save(run)
    assert live.look()
    assert client.get("/health").json()["model"] == "itempop"


def test_a_run_whose_files_arrive_late_is_taken_up(client, live, run, tmp_path):
    clock = [0.0]
    live._clock = lambda: clock[0]
    gr.Recommender("itempop").fit(live.now.recommender.train).save(tmp_path / "next")
    for file in sorted((tmp_path / "next").iterdir(), reverse=True):  # run.json before the weights
        (run / file.name).write_bytes(file.read_bytes())
        clock[0] += 100.0
        live.look()
    assert live.refused >= 1
    assert client.get("/health").json().items() >= {"model": "itempop", "status": "ok"}.items()


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "192.168.0.7", "shop.example:80"]
)
def test_names_of_this_service(live, host):
    client = TestClient(application(live, hosts=("shop.example",)))
    assert client.get("/health", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "<x>"]
)
def test_a_strange_name_is_refused(client, live, host):
    answer = client.get("/health", headers={"host": host})
    assert answer.status_code == 421
    assert "--allow-host" in answer.json()["error"]
    assert "<" not in answer.text
    assert TestClient(application(live, hosts="*")).get("/health", headers={"host": host}).status_code == 200


def test_the_port_that_is_printed_answers_and_one_that_is_taken_is_said(run):
    command = [sys.executable, "-m", "graphrec", "serve", str(run), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
        try:
            line = service.stderr.readline()
            address = line.split(" at ")[1].split()[0]
            with urllib.request.urlopen(f"{address}health", timeout=30) as answer:
                assert json.load(answer)["model"] == "ease"
            taken = urllib.parse.urlsplit(address).port
            second = CliRunner().invoke(main, ["serve", str(run), "--port", str(taken)])
            assert second.exit_code == 1
            assert f"port {taken}" in second.stderr
        finally:
            service.send_signal(signal.SIGINT)
            rest = service.stderr.read()
    assert "Traceback" not in rest


def test_the_command_line_needs_no_service_until_it_is_asked_for(monkeypatch, tmp_path):
    program = "import sys, graphrec.cli; print(*(name for name in sys.argv[1:] if name in sys.modules))"
    optional = ["fastapi", "starlette", "uvicorn", "pydantic", "prometheus_client", "jinja2"]
    done = subprocess.run([sys.executable, "-c", program, *optional], capture_output=True, text=True, check=True)
    assert not done.stdout.strip()
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    answer = CliRunner().invoke(main, ["serve", str(tmp_path)])
    assert answer.exit_code == 1
    assert "pip install 'graphrec[serve]'" in answer.output


def test_reasons_and_the_rest_add_up(checkerboard, tmp_path):
    train = gr.Interactions.from_frame(checkerboard, user="user_id", item="item_id")
    rec = gr.Recommender("lightgcn", dim=4).fit(train, epochs=1, progress=False)
    rec.save(tmp_path / "run")
    answers = load_answers(tmp_path / "run", "", None, None, None)
    for item in answers.recommend("u0", 3, 2)["items"]:
        own = gr.load(tmp_path / "run").explain("u0", item["item_id"]).query("kind == 'own embedding'")["contribution"].sum()
        assert own != 0  # one of those that no reason is about
        assert item["rest"] + sum(reason["contribution"] for reason in item["why"]) == pytest.approx(item["score"])
    page = rec.report("u0", tmp_path / "page.html", k=3).read_text(encoding="utf-8")
    assert page.count("the rest ") == 3


def test_a_search_passes_over_accents_and_case(tmp_path):
    liked = pd.DataFrame({"user_id": ["Müller", "MULLER 2", "Anna", "Anna"], "item_id": ["é", "b", "é", "c"]})
    gr.Recommender("itempop").fit(gr.Interactions.from_frame(liked)).save(tmp_path / "run")
    answers = load_answers(tmp_path / "run", "", pd.DataFrame({"item_id": ["é"], "title": ["Café Straße"]}), None, None)
    for text in ("muller", "MÜLL", "mu\u0308ller"):
        assert sorted(answers.users(text, 9)["users"]) == ["MULLER 2", "Müller"]
    assert answers.users("ann", 9)["users"] == ["Anna"]
    for text in ("cafe", "CAFÉ", "strasse", "STRASSE"):
        assert [row["item_id"] for row in answers.items(text, 9)["items"]] == ["é"]


def test_items_are_left_out_and_strangers_get_what_most_have(client, run):
    usual = client.get("/recommend", params={"user": "u1", "k": 3}).json()["items"]
    without = [usual[0]["item_id"], usual[1]["item_id"]]
    rest = client.get("/recommend", params={"user": "u1", "k": 2, "exclude": without}).json()["items"]
    want = gr.load(run).recommend("u1", k=2, exclude=without)
    assert [(one["item_id"], one["score"]) for one in rest] == list(zip(want["item_id"], want["score"].tolist(), strict=True))
    liked = {"history": [usual[2]["item_id"]], "k": 3}
    new = client.post("/recommend", json={**liked, "exclude": without}).json()["items"]
    assert [one["item_id"] for one in new] == gr.load(run).recommend_new([liked["history"]], k=3, exclude=without)[
        "item_id"
    ].tolist()
    assert client.get("/recommend", params={"user": "stranger", "k": 3}).status_code == 404
    popular = client.get("/recommend", params={"user": "stranger", "k": 3, "cold": "popular", "exclude": without[:1]}).json()
    want = gr.load(run).recommend("stranger", k=3, cold="popular", exclude=without[:1])
    assert popular.get("cold") is True, popular
    assert [one["item_id"] for one in popular["items"]] == want["item_id"].tolist()
    assert client.get("/recommend", params={"user": "u1", "exclude": "nothing"}).status_code == 404
    assert client.get("/recommend", params={"user": "u1", "cold": "skip"}).status_code == 422
