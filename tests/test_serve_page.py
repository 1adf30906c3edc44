"""The page of the service in a real browser; left out where there is none."""

import shutil
import threading
import time

import pandas as pd
import pytest

import graphrec as gr

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
pytest.importorskip("selenium")
import uvicorn
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from graphrec.serve.answers import load_answers
from graphrec.serve.application import application
from graphrec.serve.live import Live

HOSTILE = "<img src=x onerror=document.title='broken'> & co"


@pytest.fixture(scope="module")
def browser():
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("there is no chromium with its chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1200,900"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    try:
        opened = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    except WebDriverException as error:
        pytest.skip(f"chromium does not start here: {str(error).splitlines()[0]}")
    yield opened
    opened.quit()


@pytest.fixture
def address(checkerboard, tmp_path):
    train = gr.Interactions.from_frame(checkerboard, user="user_id", item="item_id")
    gr.Recommender("ease").fit(train).save(tmp_path / "run")
    items = pd.DataFrame({"item_id": train.item_ids, "title": [f"{HOSTILE} {one}" for one in train.item_ids]})
    live = Live(tmp_path / "run", lambda folder, version: load_answers(folder, version, items, None, None))
    server = uvicorn.Server(uvicorn.Config(application(live), port=0, log_level="warning"))
    serving = threading.Thread(target=server.run, daemon=True)
    serving.start()
    while not server.started:
        assert serving.is_alive()
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    server.should_exit = True
    serving.join()


def cards(browser, place, at_least=1):
    """Texts of the cards of a place, once there are some."""

    def enough(_):
        found = browser.find_elements(By.CSS_SELECTOR, f"#{place} .card")
        return found if len(found) >= at_least else False

    return WebDriverWait(browser, 20).until(enough)


def test_a_person_then_a_taste_then_similar_items(browser, address):
    browser.get(address)
    shown = [card.get_attribute("title") for card in cards(browser, "recommended", 5)]
    assert all(text.startswith("<img src=x") for text in shown)
    assert "because of" in browser.find_element(By.ID, "recommended").text
    assert cards(browser, "history")

    browser.find_element(By.ID, "search").send_keys("i2")
    WebDriverWait(browser, 20).until(lambda b: b.find_elements(By.CSS_SELECTOR, "#found button"))[0].click()
    WebDriverWait(browser, 20).until(lambda b: "who likes" in b.find_element(By.ID, "heading").text)
    assert len(browser.find_elements(By.CSS_SELECTOR, "#liked button")) == 1

    cards(browser, "recommended")[0].click()
    assert cards(browser, "similar")
    assert browser.find_element(By.ID, "alike-heading").text.startswith("Similar to <img")
    assert browser.title == "graphrec"
    assert not browser.find_elements(By.TAG_NAME, "img")
    assert not [line for line in browser.get_log("browser") if line["level"] == "SEVERE" and "favicon" not in line["message"]]


def test_the_description_of_the_routes(browser, address):
    browser.get(f"{address}docs")
    WebDriverWait(browser, 20).until(lambda b: len(b.find_elements(By.TAG_NAME, "h2")) >= 8)
    assert "POST /recommend" in browser.find_element(By.ID, "routes").text
