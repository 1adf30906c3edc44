"""The pictures of the README that show reasons: the service's page, and the paths of one recommendation.

``python -m benchmarks serve_page`` trains LightGCN on ML-100K (epochs chosen on validation), starts ``graphrec serve`` on
it with the titles of the films, lets a headless Chromium choose a person and the first film, and writes ``serve-page.png``;
the paths of that film go to ``paths.png``. It needs chromium, chromedriver and selenium.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import graphrec as gr
from benchmarks.record import RESULTS

PERSON = 196
SIZE = (1280, 1170)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser("benchmarks serve_page", description=__doc__.splitlines()[0])
    parser.add_argument("--user", type=int, default=PERSON)
    user = parser.parse_args(arguments).user
    data = gr.load_dataset("ml-100k")
    split = gr.split.chronological(data.interactions.binarize(), test=0.2, valid=0.1)
    rec = gr.Recommender("lightgcn", dim=64, layers=3)
    rec.fit(split.train, valid=split.valid, epochs=100, lr=5e-3, patience=5, seed=0, progress=False)
    rec.titles = data.items.set_index("item_id")["title"].reindex(split.train.item_ids).dropna()
    first = rec.recommend(user, k=1)["item_id"][0]
    RESULTS.mkdir(parents=True, exist_ok=True)
    gr.plot_paths(rec, user, first).savefig(RESULTS / "paths.png", dpi=120)
    with tempfile.TemporaryDirectory() as folder:
        rec.save(Path(folder) / "run")
        command = [sys.executable, "-m", "graphrec", "serve", f"{folder}/run", "--port", "0"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as service:
            try:
                line = service.stderr.readline()
                if " at " not in line:
                    raise RuntimeError(f"the service does not start: {line}")
                shot(line.split(" at ")[1].split()[0], user, RESULTS / "serve-page.png")
            finally:
                service.terminate()
    print(f"{RESULTS / 'serve-page.png'} and {RESULTS / 'paths.png'}, user {user}, film {rec.titles[first]}")


def shot(address: str, user: int, out: Path) -> None:
    """Choose a person and the first film, wait for what the page asks, and take its picture."""
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        raise RuntimeError("there is no chromium with its chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--window-size={SIZE[0]},{SIZE[1]}"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        browser.get(address)
        wait = WebDriverWait(browser, 60)
        wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, "#recommended .card"))
        field = browser.find_element(By.ID, "user")
        field.clear()
        field.send_keys(str(user), Keys.TAB)
        wait.until(lambda b: b.find_element(By.ID, "heading").text.endswith(f" {user}"))
        browser.find_elements(By.CSS_SELECTOR, "#recommended .card")[0].click()
        wait.until(lambda b: b.find_elements(By.CSS_SELECTOR, "#similar .card"))
        browser.execute_script("window.scrollTo(0, 0); document.activeElement.blur();")
        browser.save_screenshot(str(out))
    finally:
        browser.quit()
