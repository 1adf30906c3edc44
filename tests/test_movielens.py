"""GroupLens layouts, from tiny copies in the publisher's exact form and from the real archives."""

import zipfile

import pandas as pd
import pytest

from graphrec.data.archives import open_archive
from graphrec.data.movielens import read_movielens
from graphrec.errors import InputError

ML_100K = {
    "u.data": "196\t242\t3\t881250949\n186\t302\t4\t891717742\n196\t302\t1\t881251000\n",
    "u.genre": "unknown|0\nAction|1\nComedy|2\n\n",
    "u.item": "242|Kolya (1996)|24-Jan-1997||http://imdb/Kolya|0|0|1\n"
    '302|"Café" (1995) (V)|01-Jan-1997||http://imdb/Cafe|0|1|1\n267|unknown||||1|0|0\n',
    "u.user": "186|39|F|executive|00000\n196|49|M|writer|V1A2B\n",
}
ML_1M = {
    "ratings.dat": "1::1193::5::978300760\n1::661::3::978302109\n2::1193::4::978298413\n",
    "movies.dat": "661::James and the Giant Peach (1996)::Animation|Children's\n"
    '1193::One "Flew": Café (1975)::Drama\n2::NA (1995-1997)::Comedy\n',
    "users.dat": "1::F::1::10::48067\n2::M::56::16::70072-1234\n",
}
ML_25M = {
    "ratings.csv": "userId,movieId,rating,timestamp\n1,296,5.0,1147880044\n1,306,3.5,1147868817\n3,296,0.5,1147868828\n",
    "movies.csv": 'movieId,title,genres\n296,Pulp Fiction (1994),Crime|Drama\n306,"Trois couleurs, Rouge (1994)",Drama\n'
    "99,NA,(no genres listed)\n",
    "links.csv": "movieId,imdbId,tmdbId\n296,0110912,680\n306,0111495,110\n99,0000001,\n",
    "tags.csv": "userId,movieId,tag,timestamp\n1,296,classic,1147880000\n",
}


def pack(path, files, encoding="latin-1", folder=None):
    folder = path.stem if folder is None else folder
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{folder}/", "")
        for name, text in files.items():
            archive.writestr(f"{folder}/{name}", text.encode(encoding))
        archive.writestr(f"__MACOSX/{folder}/u.data", b"\x00\x05\x16\x07")
    return path


def unpack(path, files, encoding="latin-1"):
    path.mkdir(parents=True)
    for name, text in files.items():
        (path / name).write_bytes(text.encode(encoding))
    return path


@pytest.fixture(params=["zip", "folder", "folder in a folder"])
def lay_out(request, tmp_path):
    """Make a copy of a data set in one of the ways people keep them."""

    def make(name, files, encoding="latin-1"):
        if request.param == "zip":
            return pack(tmp_path / f"{name}.zip", files, encoding)
        inner = name if request.param == "folder" else f"{name}/{name}"
        unpack(tmp_path / inner, files, encoding)
        return tmp_path / name

    return make


def rows(frame):
    return [tuple(row) for row in frame.astype(object).where(frame.notna(), None).to_numpy().tolist()]


def test_movielens_100k(lay_out):
    tables = read_movielens(lay_out("ml-100k", ML_100K))
    assert rows(tables.interactions.to_frame()) == [
        (196, 242, 3.0, 881250949),
        (186, 302, 4.0, 891717742),
        (196, 302, 1.0, 881251000),
    ]
    assert rows(tables.items[["item_id", "title", "year", "genres", "release_date"]]) == [
        (242, "Kolya (1996)", 1996, "Comedy", "24-Jan-1997"),
        (302, '"Café" (1995) (V)', 1995, "Action|Comedy", "01-Jan-1997"),
        (267, "unknown", None, "unknown", ""),
    ]
    assert list(tables.users.columns) == ["user_id", "age", "gender", "occupation", "zip_code"]
    assert rows(tables.users) == [(186, 39, "F", "executive", "00000"), (196, 49, "M", "writer", "V1A2B")]


def test_movielens_1m(lay_out):
    tables = read_movielens(lay_out("ml-1m", ML_1M))
    assert rows(tables.interactions.to_frame()) == [
        (1, 1193, 5.0, 978300760),
        (1, 661, 3.0, 978302109),
        (2, 1193, 4.0, 978298413),
    ]
    assert rows(tables.items) == [
        (661, "James and the Giant Peach (1996)", 1996, "Animation|Children's"),
        (1193, 'One "Flew": Café (1975)', 1975, "Drama"),
        (2, "NA (1995-1997)", 1995, "Comedy"),
    ]
    assert list(tables.items.columns) == ["item_id", "title", "year", "genres"]
    assert rows(tables.users) == [(1, "F", 1, 10, "48067"), (2, "M", 56, 16, "70072-1234")]


def test_movielens_10m_has_no_users(lay_out):
    files = {name: text for name, text in ML_1M.items() if name != "users.dat"}
    files["ratings.dat"] = files["ratings.dat"].replace("::5::", "::4.5::")
    tables = read_movielens(lay_out("ml-10m", files))
    assert tables.interactions.ratings.tolist() == [4.5, 3, 4]
    assert rows(tables.users) == [(1,), (2,)]


@pytest.mark.parametrize("links", [True, False])
def test_movielens_25m(lay_out, links):
    files = {name: text for name, text in ML_25M.items() if links or name != "links.csv"}
    files["movies.csv"] = files["movies.csv"].replace("Rouge", "Rougé")
    tables = read_movielens(lay_out("ml-25m", files, "utf-8"))
    assert rows(tables.interactions.to_frame()) == [
        (1, 296, 5.0, 1147880044),
        (1, 306, 3.5, 1147868817),
        (3, 296, 0.5, 1147868828),
    ]
    assert rows(tables.items[["item_id", "title", "year", "genres"]]) == [
        (296, "Pulp Fiction (1994)", 1994, "Crime|Drama"),
        (306, "Trois couleurs, Rougé (1994)", 1994, "Drama"),
        (99, "NA", None, "(no genres listed)"),
    ]
    if links:
        assert rows(tables.items[["imdb_id", "tmdb_id"]]) == [("0110912", 680), ("0111495", 110), ("0000001", None)]
    assert rows(tables.users) == [(1,), (3,)]


@pytest.mark.parametrize(
    ("files", "change", "message"),
    [
        (ML_100K, {"u.item": None}, "has no file 'u.item'; is it the whole data set"),
        (ML_100K, {"u.data": None}, "holds no MovieLens data set: there is none of u.data, ratings.dat, ratings.csv"),
        (ML_100K, {"u.data": "196\t242\t3\n"}, "u.data.* cannot be read"),
        (ML_100K, {"u.data": "196\t242\tthree\t881250949\n"}, "u.data.* cannot be read: .*three"),
        (ML_100K, {"u.data": "196\t242\t3\t881250949\t9\n"}, "u.data.* cannot be read: line 1 has 5 fields, but 4 were"),
        (ML_100K, {"u.data": "196\t242\t3\t881250949\n196\t242\t4\t881250950\n"}, "u.data.*repeat an earlier"),
        (ML_100K, {"u.data": ""}, "u.data.*: the table is empty"),
        (ML_1M, {"ratings.dat": "1::2::5::978300760\n1::3::5\n"}, "ratings.dat.* cannot be read"),
        (ML_25M, {"ratings.csv": "userId,movieId,timestamp\n1,2,3\n"}, "ratings.csv.* cannot be read: .*rating"),
        (ML_25M, {"movies.csv": None}, "has no file 'movies.csv'"),
    ],
)
def test_faulty_files_are_refused_by_name(lay_out, files, change, message):
    changed = {name: change.get(name, text) for name, text in files.items() if change.get(name, text) is not None}
    path = lay_out("ml-x", changed)
    with pytest.raises(InputError, match=message) as error:
        read_movielens(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_damaged_archives_are_refused_by_name(tmp_path):
    many = "userId,movieId,rating,timestamp\n" + "".join(f"{u},{i},3.5,1147880{u}{i}\n" for u in range(99) for i in range(99))
    good = pack(tmp_path / "ml-25m.zip", {**ML_25M, "ratings.csv": many}).read_bytes()
    assert len(read_movielens(tmp_path / "ml-25m.zip").interactions) == 99 * 99
    middle = good.index(b"ratings.csv") + 2000
    damaged = {
        "cut short": good[: len(good) // 2],
        "not a zip": b"PK\x03\x04 not a zip",
        "nothing": b"",
        "flipped": good[:middle] + bytes([good[middle] ^ 255]) + good[middle + 1 :],
    }
    for content in damaged.values():
        path = tmp_path / "ml-25m.zip"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"ml-25m\.zip") as error:
            read_movielens(path)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="nothing-here does not exist"):
        read_movielens(tmp_path / "nothing-here")


def test_encrypted_archives_are_refused(tmp_path):
    path = pack(tmp_path / "ml-1m.zip", ML_1M)
    content = bytearray(path.read_bytes())
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(b"ratings.dat"))
    content[entry + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"ratings\.dat in .*ml-1m\.zip is encrypted"):
        read_movielens(path)


def test_checksums_hold_for_folders_and_repacked_archives(lay_out):
    archive = open_archive(lay_out("ml-x", {"a": "abc", "b": "abd"}))
    archive.verify({"a": "900150983cd24fb0d6963f7d28e17f72"})  # RFC 1321's test vector
    with pytest.raises(InputError, match=r"b.* has the wrong checksum: md5 .*, but the published file has 9001"):
        archive.verify({"a": "900150983cd24fb0d6963f7d28e17f72", "b": "900150983cd24fb0d6963f7d28e17f72"})


@pytest.mark.parametrize(
    ("name", "users", "items", "n", "catalogue"),
    [("ml-100k", 943, 1_682, 100_000, 1_682), ("ml-latest-small", 610, 9_724, 100_836, 9_742)],
)
def test_real_archives(data_root, name, users, items, n, catalogue):
    path = data_root / f"{name}.zip"
    if not path.exists():
        pytest.skip(f"{name}.zip is not in the data folder")
    tables = read_movielens(path)
    inter = tables.interactions
    assert (inter.n_users, inter.n_items, len(inter), len(tables.items), len(tables.users)) == (
        users,
        items,
        n,
        catalogue,
        users,
    )
    assert set(inter.item_ids) <= set(tables.items["item_id"])
    assert set(inter.user_ids) == set(tables.users["user_id"])
    known = tables.items.set_index("item_id").loc[[1, 2]]
    assert known["title"].iloc[0] == "Toy Story (1995)"
    assert known["year"].tolist() == [1995, 1995]
    assert set(known["genres"].iloc[0].split("|")) >= {"Animation", "Comedy"}
    assert isinstance(tables.users, pd.DataFrame)
