"""Named data sets: where they are looked for, what is refused, and that a download is whole or absent."""

import hashlib
import io
import urllib.error
from dataclasses import replace
from email.message import Message

import pytest
from test_movielens import ML_1M, ML_25M, ML_100K, pack, unpack

from graphrec.data.catalogue import CATALOGUE
from graphrec.data.datasets import dataset_info, dataset_names, load_dataset
from graphrec.data.entries import Counts, Published
from graphrec.errors import InputError

GOWALLA = {"train.txt": "0 0 1\n1 2 3\n", "test.txt": "0 2\n1 0\n"}


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory, monkeypatch):
    """No test sees or fills the caches and data folders of the person who runs it, nor the network."""

    def refuse(url, timeout):
        raise AssertionError(f"network used: {url}")

    monkeypatch.setenv("GRAPHREC_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.delenv("GRAPHREC_DATA", raising=False)
    monkeypatch.setattr("urllib.request.urlopen", refuse)


@pytest.fixture
def tiny(monkeypatch):
    """Catalogue entries whose published size and checksums are those of the tiny copies."""
    sizes = {"ml-100k": Counts(2, 2, 3), "ml-1m": Counts(2, 2, 3), "ml-25m": Counts(2, 2, 3), "gowalla": Counts(2, 4, 6)}
    for name, counts in sizes.items():
        entry = CATALOGUE[name]
        assert isinstance(entry, Published)
        files = tuple(replace(file, md5=None) for file in entry.files)
        md5 = {member: hashlib.md5(ML_100K[member].encode()).hexdigest() for member in entry.md5}
        monkeypatch.setitem(CATALOGUE, name, replace(entry, counts=counts, files=files, md5=md5))


class Response(io.BytesIO):
    """What urlopen gives: a stream with headers."""

    def __init__(self, content, length):
        super().__init__(content)
        self.headers = Message()
        if length is not None:
            self.headers["Content-Length"] = str(length)


@pytest.fixture
def serve(monkeypatch):
    """Put contents on the web: address → bytes, an exception, or (bytes sent, length announced)."""
    asked = []

    def start(contents):
        def urlopen(url, timeout):
            assert timeout > 0
            asked.append(url)
            content = contents.get(url, urllib.error.HTTPError(url, 404, "Not Found", Message(), None))
            if isinstance(content, Exception):
                raise content
            sent, length = content if isinstance(content, tuple) else (content, len(content))
            return Response(sent, length)

        monkeypatch.setattr("urllib.request.urlopen", urlopen)
        return asked

    return start


def url_of(name, file=0):
    return CATALOGUE[name].files[file].url


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# ---- copies on this machine --------------------------------------------------------------------


@pytest.mark.parametrize(("name", "files"), [("ml-100k", ML_100K), ("ml-1m", ML_1M), ("ml-25m", ML_25M), ("gowalla", GOWALLA)])
@pytest.mark.parametrize("packed", [True, False])
def test_folders_and_archives_are_found(tiny, tmp_path, name, files, packed):
    path = pack(tmp_path / f"{name}.zip", files) if packed else unpack(tmp_path / name, files)
    data = load_dataset(name, root=str(tmp_path))
    entry = CATALOGUE[name]
    assert (data.name, data.path) == (name, path)
    assert (data.source, data.licence, data.citation) == (entry.source, entry.licence, entry.citation)
    assert (data.interactions.n_users, data.interactions.n_items, len(data.interactions)) == entry.size
    assert set(data.interactions.item_ids) <= set(data.items["item_id"])
    assert set(data.interactions.user_ids) == set(data.users["user_id"])
    assert (data.split is not None) == (name == "gowalla")


def test_published_split_and_its_union(tiny, tmp_path):
    unpack(tmp_path / "gowalla", {**GOWALLA, "valid.txt": "1 3\n"})
    data = load_dataset("gowalla", root=tmp_path)
    sizes = [len(part) for part in (data.split.train, data.split.valid, data.split.test)]
    assert sizes == [3, 1, 2]
    assert data.interactions.to_frame().to_numpy().tolist() == [[0, 0], [0, 1], [1, 2], [1, 3], [0, 2], [1, 0]]
    assert data.interactions.shares_ids_with(data.split.train)
    assert data.items["item_id"].tolist() == [0, 1, 2, 3]
    assert list(data.users.columns) == ["user_id"]


def test_places_are_looked_at_in_order(tiny, tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("GRAPHREC_CACHE", str(cache))
    monkeypatch.setenv("GRAPHREC_DATA", str(tmp_path / "env"))
    places = [tmp_path / "root", tmp_path / "env", cache / "data"]
    for place in places:
        place.mkdir(parents=True)
    for path in [pack(place / "ml-1m.zip", ML_1M) for place in places]:
        assert load_dataset("ml-1m", root=tmp_path / "root").path == path
        assert dataset_info(root=tmp_path / "root").set_index("name").loc["ml-1m", "found"] == path
        path.unlink()
    with pytest.raises(InputError, match=r"is not here: looked for .*root.*env.*cache"):
        load_dataset("ml-1m", root=tmp_path / "root", download=False)


def test_folder_without_the_main_file_is_passed_over(tiny, tmp_path):
    unpack(tmp_path / "ml-1m", {"movies.dat": ""})
    pack(tmp_path / "ml-1m.zip", ML_1M)
    assert load_dataset("ml-1m", root=tmp_path).path == tmp_path / "ml-1m.zip"


@pytest.mark.parametrize(
    ("name", "files", "message"),
    [
        ("ml-100k", {**ML_100K, "u.data": ML_100K["u.data"].replace("3", "2", 1)}, "u.data .*has the wrong checksum"),
        (
            "ml-1m",
            {**ML_1M, "ratings.dat": ML_1M["ratings.dat"].split("\n")[0]},
            r"size mismatch\): it has 1 users, 1 items and 1",
        ),
        ("ml-25m", {"ratings.csv": ML_25M["ratings.csv"]}, "has no file 'movies.csv'"),
        ("gowalla", {"train.txt": "0 0 1\n1 2 3\n"}, "size mismatch.* 4 interactions, but should have 2 users, 4 items and 6"),
        ("gowalla", {**GOWALLA, "test.txt": "0 2\nx\n"}, "test.txt.*line 2: 'x' is not an integer"),
    ],
)
def test_copies_that_are_not_the_published_are_refused(tiny, tmp_path, name, files, message):
    unpack(tmp_path / name, files)
    with pytest.raises(InputError, match=message) as error:
        load_dataset(name, root=tmp_path)
    assert str(tmp_path / name) in str(error.value)


@pytest.mark.parametrize("content", [b"PK\x03\x04 not a zip", b""])
def test_broken_archive_is_refused_and_not_replaced(tmp_path, content):
    (tmp_path / "ml-100k.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"ml-100k\.zip is not a readable zip archive"):
        load_dataset("ml-100k", root=tmp_path)
    assert (tmp_path / "ml-100k.zip").read_bytes() == content


def test_renewed_data_set_may_have_another_size(tmp_path):
    pack(tmp_path / "ml-latest-small.zip", ML_25M)
    assert len(load_dataset("ml-latest-small", root=tmp_path).interactions) == 3


# ---- downloads ---------------------------------------------------------------------------------


@pytest.mark.parametrize("with_root", [True, False])
def test_download_lands_in_root_or_cache_and_is_used_again(tiny, tmp_path, monkeypatch, serve, with_root):
    monkeypatch.setenv("GRAPHREC_CACHE", str(tmp_path / "cache"))
    content = pack(tmp_path / "ml-1m.zip", ML_1M).read_bytes()
    asked = serve({url_of("ml-1m"): content})
    root = tmp_path / "new" / "root" if with_root else None
    target = (root if with_root else tmp_path / "cache" / "data") / "ml-1m.zip"
    for _ in range(2):
        data = load_dataset("ml-1m", root=root)
        assert data.path == target
        assert len(data.interactions) == 3
    assert asked == ["https://files.grouplens.org/datasets/movielens/ml-1m.zip"]
    assert target.read_bytes() == content
    assert files_below(target.parent) == ["ml-1m.zip"]


def test_text_files_are_downloaded_into_a_folder(tiny, tmp_path, serve):
    asked = serve({file.url: GOWALLA[file.path.rpartition("/")[2]].encode() for file in CATALOGUE["gowalla"].files})
    data = load_dataset("gowalla", root=tmp_path)
    assert (len(data.split.train), len(data.split.test), data.path) == (4, 2, tmp_path / "gowalla")
    base = "https://raw.githubusercontent.com/gusye1234/LightGCN-PyTorch/master/data/gowalla"
    assert asked == [f"{base}/test.txt", f"{base}/train.txt"]
    assert files_below(tmp_path) == ["gowalla/test.txt", "gowalla/train.txt"]


def test_half_of_the_text_files_is_not_a_data_set(tiny, tmp_path, serve):
    contents = {file.url: GOWALLA[file.path.rpartition("/")[2]].encode() for file in CATALOGUE["gowalla"].files}
    serve({**contents, url_of("gowalla", 1): TimeoutError("timed out")})
    with pytest.raises(InputError, match="timed out"):
        load_dataset("gowalla", root=tmp_path)
    with pytest.raises(InputError, match="is not here"):
        load_dataset("gowalla", root=tmp_path, download=False)
    serve(contents)
    assert len(load_dataset("gowalla", root=tmp_path).interactions) == 6


def truncated(content):
    return content[: len(content) // 2], len(content)


@pytest.mark.parametrize(
    ("sent", "md5", "message"),
    [
        (truncated, None, r"broke off after [\d,]+ of [\d,]+ bytes; nothing was kept"),
        (lambda content: (content[: len(content) // 2], None), None, r"unusable and was not kept: .*not a readable zip"),
        (lambda content: b"<html>Please log in</html>", None, "unusable and was not kept: .*not a readable zip"),
        (lambda content: content, "0" * 32, "has the wrong checksum: md5 .*, but 0{32} is the published one; nothing was kept"),
        (lambda content: urllib.error.URLError("no route to host"), None, "could not be downloaded .no route to host.; fetch"),
        (lambda content: ConnectionResetError(), None, "could not be downloaded .ConnectionResetError"),
        (lambda content: urllib.error.HTTPError("u", 404, "Not Found", Message(), None), None, "HTTP Error 404"),
    ],
)
def test_bad_downloads_leave_nothing(tiny, tmp_path, monkeypatch, serve, sent, md5, message):
    content = pack(tmp_path / "ml-1m.zip", ML_1M).read_bytes()
    entry = CATALOGUE["ml-1m"]
    monkeypatch.setitem(CATALOGUE, "ml-1m", replace(entry, files=(replace(entry.files[0], md5=md5),)))
    root = tmp_path / "root"
    serve({url_of("ml-1m"): sent(content)})
    with pytest.raises(InputError, match=message) as error:
        load_dataset("ml-1m", root=root)
    assert url_of("ml-1m") in str(error.value)
    assert "\n" not in str(error.value)
    assert not root.exists() or not files_below(root)
    serve({url_of("ml-1m"): content})
    monkeypatch.setitem(CATALOGUE, "ml-1m", entry)
    assert len(load_dataset("ml-1m", root=root).interactions) == 3


def test_download_of_another_data_set_is_not_kept(tiny, tmp_path, serve):
    other = pack(tmp_path / "other.zip", {**ML_1M, "ratings.dat": "1::1193::5::978300760\n"}).read_bytes()
    without_main = pack(tmp_path / "other.zip", ML_25M).read_bytes()
    for content, message in [(other, "not kept: .*size mismatch"), (without_main, "not kept: .*has no file 'ratings.dat'")]:
        serve({url_of("ml-1m"): content})
        with pytest.raises(InputError, match=message):
            load_dataset("ml-1m", root=tmp_path / "root")
        assert not files_below(tmp_path / "root")


def test_without_a_network_the_message_says_what_to_do(tmp_path, monkeypatch, serve):
    monkeypatch.setenv("GRAPHREC_CACHE", str(tmp_path / "cache"))
    serve({url_of("ml-25m"): urllib.error.URLError("Name or service not known")})
    with pytest.raises(InputError) as error:
        load_dataset("ml-25m")
    for words in ("https://files.grouplens.org/datasets/movielens/ml-25m.zip", "cache/data/ml-25m.zip", "GRAPHREC_DATA"):
        assert words in str(error.value)
    assert not (tmp_path / "cache").exists()


# ---- the catalogue -----------------------------------------------------------------------------


def test_names_and_table():
    assert dataset_names()[0] == "synthetic"
    published = {"ml-100k", "ml-1m", "ml-25m", "ml-latest-small", "gowalla", "yelp2018", "amazon-book"}
    assert set(dataset_names()) == {"synthetic", *published}
    table = dataset_info().set_index("name")
    assert list(table.columns) == ["users", "items", "interactions", "licence", "source", "found"]
    assert table.loc["yelp2018", ["users", "items", "interactions"]].tolist() == [31_668, 38_048, 1_561_406]
    assert table["found"].isna().all()
    assert (table[["licence", "source"]].map(len) > 0).all(axis=None)


def test_unknown_name_offers_the_nearest():
    with pytest.raises(InputError, match="unknown data set 'ml100k'; did you mean 'ml-100k'"):
        load_dataset("ml100k")


def test_synthetic_needs_no_file_and_is_the_same_each_time():
    one, two = load_dataset("synthetic"), load_dataset("synthetic")
    assert one.interactions.to_frame().equals(two.interactions.to_frame())
    assert (one.interactions.n_users, one.interactions.n_items, len(one.interactions)) == CATALOGUE["synthetic"].size
    assert one.path is None
    assert set(one.interactions.item_ids) <= set(one.items["item_id"])


@pytest.mark.parametrize(
    ("name", "users", "items", "n"),
    [("ml-100k", 943, 1_682, 100_000), ("ml-latest-small", 610, 9_724, 100_836), ("gowalla", 29_858, 40_981, 1_027_370)],
)
def test_real_copies(data_root, monkeypatch, name, users, items, n):
    if not any((data_root / copy).exists() for copy in (name, f"{name}.zip")):
        pytest.skip(f"{name} is not in the data folder")
    monkeypatch.setenv("GRAPHREC_DATA", str(data_root))
    data = load_dataset(name)
    assert (data.interactions.n_users, data.interactions.n_items, len(data.interactions)) == (users, items, n)
    assert dataset_info().set_index("name").loc[name, ["users", "items", "interactions"]].tolist() == [users, items, n]
    if name == "gowalla":
        assert (len(data.split.train) + len(data.split.valid), len(data.split.test)) == (810_128, 217_242)


def test_an_absent_data_set_is_stood_in_for_where_that_was_said(tmp_path):
    with pytest.warns(UserWarning, match=r"'ml-100k' is not here.*'synthetic' stands in"):
        data = load_dataset("ml-100k", root=tmp_path, download=False, fallback="synthetic")
    assert data.name == "synthetic"
    with pytest.raises(InputError, match="unknown data set 'ml-100'; did you mean 'ml-100k'"):
        load_dataset("ml-100", root=tmp_path, download=False, fallback="synthetic")
    with pytest.raises(InputError, match="did you mean 'synthetic'"):
        load_dataset("ml-100k", root=tmp_path, download=False, fallback="syntetic")
    (tmp_path / "ml-100k.zip").write_bytes(b"cut short")
    with pytest.raises(InputError, match="not a readable zip"):
        load_dataset("ml-100k", root=tmp_path, download=False, fallback="synthetic")
