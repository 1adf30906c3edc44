"""Damaged text tables and archives before the readers.

A byte of a text cannot be known to be wrong: a changed table is right if it says what the damaged file says. What the
file says is read a second time here, in the plainest way, record by record.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

import graphrec as gr
from benchmarks.faults.damage import damaged
from benchmarks.faults.tries import Attack, Try, Wrong
from graphrec.data import catalogue
from graphrec.data.entries import Counts, Published

__all__ = ["ATTACKS"]

ML_100K = {
    "u.data": "".join(f"{1 + n % 7}\t{10 + n // 3}\t{1 + n % 5}\t{881250949 + 86 * n}\n" for n in range(30)),
    "u.genre": "unknown|0\nAction|1\nComedy|2\n\n",
    "u.item": "".join(f"{10 + n}|Café {n} (199{n})|24-Jan-199{n}||http://imdb/{n}|0|{n % 2}|1\n" for n in range(10)),
    "u.user": "".join(f"{1 + n}|{20 + n}|F|executive|0000{n}\n" for n in range(7)),
}
ML_1M = {
    "ratings.dat": "".join(f"{1 + n % 7}::{10 + n // 3}::{1 + n % 5}::{978300760 + 86 * n}\n" for n in range(30)),
    "movies.dat": "".join(f"{10 + n}::One Café (199{n})::Animation|Children's\n" for n in range(10)),
    "users.dat": "".join(f"{1 + n}::F::18::10::4806{n}\n" for n in range(7)),
}
ML_LATEST = {
    "ratings.csv": "userId,movieId,rating,timestamp\n"
    + "".join(f"{1 + n % 7},{10 + n // 3},{0.5 + n % 5},{1147880044 + 86 * n}\n" for n in range(30)),
    "movies.csv": "movieId,title,genres\n" + "".join(f'{10 + n},"Café, Le {n} (199{n})",Crime|Drama\n' for n in range(10)),
    "links.csv": "movieId,imdbId,tmdbId\n" + "".join(f"{10 + n},011091{n},68{n}\n" for n in range(10)),
    "tags.csv": "userId,movieId,tag,timestamp\n1,10,classic,1147880000\n",
}
MOVIELENS = {
    "ml-100k": (ML_100K, "latin-1"),
    "ml-1m": (ML_1M, "latin-1"),
    "ml-latest-small": (ML_LATEST, "utf-8"),
}


# ---- CSV -----------------------------------------------------------------------------------------------


def _csv_tables() -> list[bytes]:
    """One with texts for ids and a quoted column beside them, one with integers and times as dates."""
    texts = "user_id,title,item_id,rating,time\n" + "".join(
        f'u{n % 9},"Café, No. {n}",i{n // 2},{0.5 + n % 5},{881250949 + n}\n' for n in range(24)
    )
    numbers = "user_id;item_id;rating;time\n" + "".join(f"{n % 9};{100 + n // 2};{1 + n % 5};{86400 * n}\n" for n in range(24))
    return [texts.encode(), numbers.replace(";", ",").encode()]


def _csv(folder: Path) -> Try:
    tables = _csv_tables()

    def attempt(generator: np.random.Generator) -> None:
        body = damaged(tables[generator.integers(len(tables))], generator)
        path = folder / "table.csv"
        path.write_bytes(body)
        check_table(table := gr.read_csv(path, rating="rating", time="time", duplicates="keep"))
        text = body.decode("utf-8-sig", "surrogateescape")  # columns that are not read may hold anything
        header, *records = [record for record in csv.reader(io.StringIO(text, newline="")) if record]
        says(table, records, [header.index(name) for name in ("user_id", "item_id", "rating", "time")], len(header))

    return attempt


def check_table(table: gr.Interactions) -> None:
    """Raise :class:`Wrong` unless every stated property of a table holds."""
    columns = [table.users, table.items, *(c for c in (table.ratings, table.times) if c is not None)]
    sound = len({len(column) for column in columns}) == 1 and len(table) > 0
    for index, ids in ((table.users, table.user_ids), (table.items, table.item_ids)):
        sound = sound and index.min() >= 0 and index.max() < len(ids) and len(set(ids.tolist())) == len(ids)
        sound = sound and len({type(one) for one in ids.tolist()}) == 1
    if not sound or (table.ratings is not None and not np.isfinite(table.ratings).all()):
        raise Wrong("the table is not a valid one")


def says(table: gr.Interactions, records: list[list[str]], places: list[int], width: int) -> None:
    """Raise :class:`Wrong` unless a table has each record's own cells, in the columns in which they stand."""
    if len(records) != len(table):
        raise Wrong(f"{len(table)} rows were read from {len(records)} records")
    frame = table.to_frame()
    for record, row in zip(records, frame.itertuples(index=False), strict=True):
        if len(record) > width:
            raise Wrong(f"a record of {len(record)} cells was taken under a header of {width}: {record}")
        cells = [record[place] if place < len(record) else None for place in places]
        if not all(cell is not None and _equal(value, cell) for value, cell in zip(row, cells, strict=True)):
            raise Wrong(f"{tuple(row)} was read from {record}")


def _equal(value: object, cell: str) -> bool:
    """Whether a value is what a cell says: the same text, or the same number."""
    if isinstance(value, str):
        return value == cell
    try:
        return bool(np.float32(float(cell)) == np.float32(value) if isinstance(value, float) else float(cell) == value)  # type: ignore[arg-type]
    except ValueError:
        return False


# ---- LightGCN's text -------------------------------------------------------------------------------------


def _lightgcn(folder: Path) -> Try:
    g = np.random.default_rng(3)
    split = gr.split.random(gr.Interactions.from_indices(*np.nonzero(g.random((12, 15)) < 0.5)), test=0.2, valid=0.1, seed=1)
    gr.write_lightgcn(split, folder / "data")
    whole = {path.name: path.read_bytes() for path in sorted((folder / "data").iterdir())}

    def attempt(generator: np.random.Generator) -> None:
        name = list(whole)[generator.integers(len(whole))]
        body = damaged(whole[name], generator)
        (folder / "data" / name).write_bytes(body)
        try:
            read = gr.read_lightgcn(folder / "data", cache=False)
        finally:
            (folder / "data" / name).write_bytes(whole[name])
        found = {part: _pairs_of(getattr(read, part)) for part in ("train", "valid", "test")}
        said = {file.removesuffix(".txt"): _pairs(text) for file, text in {**whole, name: body}.items()}
        if said["valid"] <= said["train"]:
            said["train"] -= said["valid"]
        if found != said:
            raise Wrong("the split has other pairs than the files")
        check_table(read.train)

    return attempt


def _pairs_of(table: gr.Interactions) -> set[tuple[int, int]]:
    return set(zip(table.users.tolist(), table.items.tolist(), strict=True))


def _pairs(body: bytes) -> set[tuple[int, int]]:
    lines = [[int(token) for token in line.split()] for line in body.decode("ascii").split("\n")]
    return {(user, item) for user, *items in filter(None, lines) for item in items}


# ---- MovieLens -------------------------------------------------------------------------------------------


def _publish(name: str, found: gr.Interactions) -> None:
    """Let the catalogue take the tiny copy for the published data set, in this process."""
    entry = catalogue.CATALOGUE[name]
    assert isinstance(entry, Published)
    counts = Counts(found.n_users, found.n_items, len(found))
    catalogue.CATALOGUE[name] = replace(entry, md5={}, counts=counts, frozen=True)


def _movielens_zip(name: str) -> Callable[[Path], Try]:
    files, encoding = MOVIELENS[name]

    def make(folder: Path) -> Try:
        path = folder / f"{name}.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file, text in files.items():
                archive.writestr(f"{name}/{file}", text.encode(encoding))
        whole = path.read_bytes()
        _publish(name, gr.data.movielens.read_movielens(path).interactions)
        expected = _frames(gr.load_dataset(name, root=folder, download=False))

        def attempt(generator: np.random.Generator) -> None:
            path.write_bytes(damaged(whole, generator))
            if any(not a.equals(b) for a, b in zip(_frames(gr.load_dataset(name, folder, False)), expected, strict=True)):
                raise Wrong("an archive with checksums gave another table")

        return attempt

    return make


def _movielens_folder(folder: Path) -> Try:
    for name, (files, encoding) in MOVIELENS.items():
        (folder / name).mkdir()
        for file, text in files.items():
            (folder / name / file).write_bytes(text.encode(encoding))
        _publish(name, gr.data.movielens.read_movielens(folder / name).interactions)

    def attempt(generator: np.random.Generator) -> None:
        name = list(MOVIELENS)[generator.integers(len(MOVIELENS))]
        path = folder / name / list(MOVIELENS[name][0])[generator.integers(len(MOVIELENS[name][0]))]
        whole = path.read_bytes()
        body = damaged(whole, generator)
        path.write_bytes(body)
        try:
            data = gr.load_dataset(name, root=folder, download=False)
        finally:
            path.write_bytes(whole)
        check_table(data.interactions)
        text = (body if path.name in ("u.data", "ratings.dat", "ratings.csv") else _ratings(folder / name)).decode("latin-1")
        separator = {"ml-100k": "\t", "ml-1m": "::", "ml-latest-small": ","}[name]
        records = [line.split(separator) for line in text.splitlines() if line.strip()]
        says(data.interactions, records[1:] if separator == "," else records, [0, 1, 2, 3], 4)

    return attempt


def _ratings(folder: Path) -> bytes:
    return next(folder / n for n in ("u.data", "ratings.dat", "ratings.csv") if (folder / n).exists()).read_bytes()


def _frames(data: gr.data.datasets.Dataset) -> list[pd.DataFrame]:
    return [data.interactions.to_frame(), data.items, data.users]


ATTACKS = [
    Attack("csv", "read_csv, damaged bytes", _csv),
    Attack("lightgcn-text", "read_lightgcn, damaged bytes", _lightgcn),
    *(Attack(f"{name}-zip", f"load_dataset, {name}.zip, damaged bytes", _movielens_zip(name)) for name in MOVIELENS),
    Attack("movielens-folder", "load_dataset, MovieLens unpacked, damaged bytes", _movielens_folder),
]
