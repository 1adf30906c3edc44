"""The data sets that have a name: facts only, each from its publisher."""

from __future__ import annotations

from graphrec.data.archives import Archive
from graphrec.data.entries import Counts, Embedded, Entry, Published, RemoteFile
from graphrec.data.interactions import Interactions
from graphrec.data.lightgcn_files import read_lightgcn
from graphrec.data.movielens import Tables, read_movielens_100k, read_movielens_csv, read_movielens_dat
from graphrec.data.parts import Split
from graphrec.deferred import pandas as pd

__all__ = ["CATALOGUE"]

_GROUPLENS = "https://files.grouplens.org/datasets/movielens"
_LIGHTGCN = "https://raw.githubusercontent.com/gusye1234/LightGCN-PyTorch/master/data"
_MOVIELENS_CITATION = (
    "F. Maxwell Harper and Joseph A. Konstan. The MovieLens Datasets: History and Context. "
    "ACM Transactions on Interactive Intelligent Systems 5(4), 2015. doi:10.1145/2827872"
)
_SPLIT_CITATION = (
    "Split: Xiangnan He, Kuan Deng, Xiang Wang, Yan Li, Yongdong Zhang, Meng Wang. LightGCN: Simplifying and Powering "
    "Graph Convolution Network for Recommendation. SIGIR 2020. doi:10.1145/3397271.3401063"
)
_NO_REDISTRIBUTION = "research use; no redistribution or commercial use without permission"
_SAME_TERMS = "research use; redistribution on the same terms; no commercial use without permission"


def _read_split(archive: Archive) -> Tables:
    """A published split; there is nothing about its users and items but their indices."""
    split = read_lightgcn(archive.path, overlap="keep")  # as published, whatever it repeats
    everything = split.train_and_valid
    if split.test is not None:
        everything = Split(train=everything, valid=split.test, overlap="keep").train_and_valid
    items, users = pd.DataFrame({"item_id": everything.item_ids}), pd.DataFrame({"user_id": everything.user_ids})
    return Tables(everything, items, users, split)


def _make_synthetic() -> tuple[Interactions, pd.DataFrame, pd.DataFrame]:
    from graphrec.data.synthetic import synthetic

    return synthetic()


def _text_files(name: str) -> tuple[RemoteFile, ...]:
    return tuple(RemoteFile(f"{_LIGHTGCN}/{name}/{part}.txt", f"{name}/{part}.txt") for part in ("test", "train"))


def _zip_file(name: str, md5: str | None = None) -> tuple[RemoteFile, ...]:
    return (RemoteFile(f"{_GROUPLENS}/{name}.zip", f"{name}.zip", md5),)


_ENTRIES: tuple[Entry, ...] = (
    Embedded(
        name="synthetic",
        source="made by graphrec.data.synthetic",
        licence="MIT",
        citation="graphrec",
        make=_make_synthetic,
    ),
    Published(
        name="ml-100k",
        main="u.data",
        read=read_movielens_100k,
        files=_zip_file("ml-100k", "0e33842e24a9c977be4e0107933c0723"),
        counts=Counts(943, 1_682, 100_000),
        md5={"u.data": "6e47046882bad158b0efbb84cd5cb987"},
        source="https://grouplens.org/datasets/movielens/100k/",
        licence=_NO_REDISTRIBUTION,
        citation=_MOVIELENS_CITATION,
    ),
    Published(
        name="ml-latest-small",
        main="ratings.csv",
        read=read_movielens_csv,
        files=_zip_file("ml-latest-small"),
        counts=Counts(610, 9_724, 100_836),
        frozen=False,
        source="https://grouplens.org/datasets/movielens/latest/",
        licence=_SAME_TERMS,
        citation=_MOVIELENS_CITATION,
    ),
    Published(
        name="ml-1m",
        main="ratings.dat",
        read=read_movielens_dat,
        files=_zip_file("ml-1m", "c4d9eecfca2ab87c1945afe126590906"),
        counts=Counts(6_040, 3_706, 1_000_209),
        source="https://grouplens.org/datasets/movielens/1m/",
        licence=_NO_REDISTRIBUTION,
        citation=_MOVIELENS_CITATION,
    ),
    Published(
        name="ml-25m",
        main="ratings.csv",
        read=read_movielens_csv,
        files=_zip_file("ml-25m", "6b51fb2759a8657d3bfcbfc42b592ada"),
        counts=Counts(162_541, 59_047, 25_000_095),
        source="https://grouplens.org/datasets/movielens/25m/",
        licence=_SAME_TERMS,
        citation=_MOVIELENS_CITATION,
    ),
    Published(
        name="gowalla",
        main="train.txt",
        read=_read_split,
        files=_text_files("gowalla"),
        counts=Counts(29_858, 40_981, 1_027_370),
        source="https://snap.stanford.edu/data/loc-gowalla.html",
        licence="none stated by the publisher",
        citation="Eunjoon Cho, Seth A. Myers, Jure Leskovec. Friendship and Mobility: User Movement in Location-Based "
        f"Social Networks. KDD 2011. doi:10.1145/2020408.2020579. {_SPLIT_CITATION}",
    ),
    Published(
        name="yelp2018",
        main="train.txt",
        read=_read_split,
        files=_text_files("yelp2018"),
        counts=Counts(31_668, 38_048, 1_561_406),
        source="https://www.yelp.com/dataset",
        licence="Yelp Dataset terms of use: academic use, no redistribution",
        citation=f"Yelp Open Dataset, 2018 edition. {_SPLIT_CITATION}",
    ),
    Published(
        name="amazon-book",
        main="train.txt",
        read=_read_split,
        files=_text_files("amazon-book"),
        counts=Counts(52_643, 91_599, 2_984_108),
        source="https://jmcauley.ucsd.edu/data/amazon/",
        licence="none stated by the publisher",
        citation="Ruining He, Julian McAuley. Ups and Downs: Modeling the Visual Evolution of Fashion Trends with "
        f"One-Class Collaborative Filtering. WWW 2016. doi:10.1145/2872427.2883037. {_SPLIT_CITATION}",
    ),
)

CATALOGUE: dict[str, Entry] = {entry.name: entry for entry in _ENTRIES}
