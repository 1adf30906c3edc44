"""Seeded corruption of every kind of file: a table or an InputError in one line, never anything else."""

import bz2
import gzip
import io
import lzma
import random
import warnings
import zipfile

import pytest

from graphrec.data import bounded
from graphrec.data.archives import open_archive
from graphrec.data.csv_files import read_csv
from graphrec.data.lightgcn_files import read_lightgcn
from graphrec.data.movielens import read_movielens
from graphrec.errors import InputError

TRIES = 150
PLAIN = b"user_id,item_id,rating,time\n1,10,3.5,881250949\n1,20,4,881250950\n2,10,1,881250951\n30,4,2.5,891717742\n"
QUOTED = (
    b'\xef\xbb\xbf"user_id","item_id","title","rating","time"\r\n'
    b'"ann","007","A, ""b""\nc",3,2026-01-31T17:41:17Z\r\n"bob","7","plain",4.5,2026-02-01\r\n'
)
SEMICOLONS = "user_id;item_id;rating;time\né;ü;1,5;5\nß;ü;2,5;6\n".encode()
MOVIELENS = {
    "u.data": b"196\t242\t3\t881250949\n186\t302\t4\t891717742\n",
    "u.genre": b"unknown|0\nAction|1\n\n",
    "u.item": b"242|Kolya (1996)|24-Jan-1997||http://imdb/Kolya|0|1\n302|Film (1995)|01-Jan-1997||http://imdb/F|0|1\n",
    "u.user": b"186|39|F|executive|00000\n196|49|M|writer|V1A2B\n",
}


def corrupted(content, g):
    """The content with one or several bytes changed, left out, put in or repeated, or cut off."""
    found = bytearray(content)
    for _ in range(g.choice([1, 1, 2, 5, 20])):
        at, way = g.randrange(len(found) + 1), g.randrange(5)
        if way == 0:
            found[at : at + 1] = bytes([g.randrange(256)])
        elif way == 1:
            del found[at : at + g.randrange(1, 6)]
        elif way == 2:
            found[at:at] = bytes(g.choices(b',"\n\r\t 0129-+.eE;:|\x00\xff\xefZT', k=g.randrange(1, 5)))
        elif way == 3:
            del found[at:]
        else:
            found[at:at] = found[at : at + g.randrange(1, 9)]
    return bytes(found)


def read_it(read):
    """Whether the content was right; an InputError is the only other outcome that is allowed."""
    told = ""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        warnings.filterwarnings("ignore", ".*rows were dropped", UserWarning)
        try:
            read()
        except InputError as error:
            told = str(error)
    assert "\n" not in told
    return not told


@pytest.mark.parametrize(
    ("content", "options"),
    [
        (PLAIN, {}),
        (PLAIN, {"missing": "drop", "comment": "#"}),
        (PLAIN, {"engine": "python", "sep": None}),
        (PLAIN, {"nrows": 3}),
        (QUOTED, {"missing": "drop"}),
        (QUOTED, {"encoding": "latin-1"}),
        (SEMICOLONS, {"sep": ";", "decimal": ","}),
    ],
)
def test_csv(tmp_path, content, options):
    g = random.Random(repr(options))
    path = tmp_path / "t.csv"
    right = 0
    for _ in range(TRIES):
        path.write_bytes(corrupted(content, g))
        right += read_it(lambda: read_csv(path, rating="rating", time="time", duplicates="last", **options))
    assert right < TRIES


def in_zip(files, method=zipfile.ZIP_DEFLATED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("t.gz", gzip.compress),
        ("t.bz2", bz2.compress),
        ("t.xz", lzma.compress),
        ("t.zip", lambda text: in_zip({"t.csv": text})),
    ],
)
def test_packed_csv(tmp_path, name, pack):
    g = random.Random(name)
    content, right = pack(PLAIN), 0
    for _ in range(TRIES):
        (tmp_path / name).write_bytes(corrupted(content, g))
        right += read_it(lambda: read_csv(tmp_path / name))
    assert right < TRIES


def test_lightgcn(tmp_path):
    g = random.Random(3)
    right = 0
    for _ in range(3 * TRIES):
        (tmp_path / "train.txt").write_bytes(corrupted(b"0 1 2 3\n1 2 4\r\n2 0 5\n", g))
        (tmp_path / "test.txt").write_bytes(corrupted(b"0 7\n1 9\n", g) if g.random() < 0.3 else b"0 7\n1 9\n")
        (tmp_path / "valid.txt").write_bytes(corrupted(b"0 1\n1 2\n", g) if g.random() < 0.3 else b"0 11\n")
        right += read_it(lambda: read_lightgcn(tmp_path, cache=False))
    assert 0 < right < 3 * TRIES


def test_movielens(tmp_path):
    g = random.Random(4)
    right = 0
    for n in range(2 * TRIES):
        member = g.choice(list(MOVIELENS))
        files = {**MOVIELENS, member: corrupted(MOVIELENS[member], g)}
        packed = in_zip(files)
        (tmp_path / "ml.zip").write_bytes(packed if n % 2 else corrupted(in_zip(MOVIELENS), g))
        right += read_it(lambda: read_movielens(tmp_path / "ml.zip"))
    assert 0 < right < 2 * TRIES


# ---- files that unpack to too much ---------------------------------------------------------------


@pytest.fixture
def little_room(monkeypatch):
    monkeypatch.setattr(bounded, "SMALL_BYTES", 10_000)


ZEROS = b"user_id,item_id\n" + b"0" * 3_000_000


@pytest.mark.parametrize(("name", "pack"), [("t.gz", gzip.compress), ("t.bz2", bz2.compress), ("t.xz", lzma.compress)])
def test_bombs_are_stopped_on_the_way(tmp_path, little_room, name, pack):
    (tmp_path / name).write_bytes(pack(ZEROS))
    with pytest.raises(InputError, match=rf"{name} unpacks to more than the [\d,]+ bytes that its size allows"):
        read_csv(tmp_path / name)


def test_zip_bombs_are_refused_before_they_are_read(tmp_path, little_room):
    (tmp_path / "ml.zip").write_bytes(in_zip({**MOVIELENS, "u.data": ZEROS}))
    with pytest.raises(InputError, match=r"u\.data in .*ml\.zip says that it unpacks from [\d,]+ to 3,000,016 bytes"):
        read_movielens(tmp_path / "ml.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
def test_zip_bombs_that_lie_about_their_size_are_not_unpacked(tmp_path, method):
    packed = bytearray(in_zip({**MOVIELENS, "u.data": ZEROS}, method))
    size = len(ZEROS).to_bytes(4, "little")
    assert packed.count(size) == 2
    (tmp_path / "ml.zip").write_bytes(packed.replace(size, (1000).to_bytes(4, "little")))
    with pytest.raises(InputError, match=r"u\.data in .*ml\.zip cannot be read: .*CRC"):
        read_movielens(tmp_path / "ml.zip")


def test_room_grows_with_the_packed_size_up_to_a_limit():
    assert bounded.room_for(1) == bounded.SMALL_BYTES
    assert bounded.room_for(10 << 20) == bounded.MOST_RATIO * (10 << 20)
    assert bounded.room_for(1 << 40) == bounded.MOST_BYTES


def test_a_file_that_is_shorter_than_its_directory_says_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("u.item", b"")  # stored, and its checksum is that of nothing
    body = bytearray(path.read_bytes())
    place = body.index(b"PK\x01\x02") + 24  # the unpacked size in the directory
    body[place : place + 4] = (500).to_bytes(4, "little")
    path.write_bytes(body)
    with pytest.raises(InputError, match=r"u\.item in .* is damaged: it ends 500 bytes before the 500"):
        open_archive(path).read("u.item")
