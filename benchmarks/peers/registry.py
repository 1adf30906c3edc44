"""Which peers there are."""

from __future__ import annotations

from benchmarks.peers.contract import EpochPeer, Peer, StepPeer
from benchmarks.peers.with_cornac import CornacBPR, CornacLightGCN
from benchmarks.peers.with_graphrec import (
    GraphrecEASE,
    GraphrecFast,
    GraphrecLightGCN,
    GraphrecMF,
    GraphrecMFEpochs,
    GraphrecMFEpochsAdam,
    GraphrecMFEpochsHogwild,
    GraphrecMFHogwild,
    GraphrecRP3beta,
)
from benchmarks.peers.with_implicit import ImplicitALS, ImplicitBPR, ImplicitBPREpochs
from benchmarks.peers.with_lenskit import LensKitALS
from benchmarks.peers.with_pyg import PyGLightGCN
from benchmarks.peers.with_recbole import RecBoleLightGCN
from benchmarks.peers.with_rectools import RecToolsEASE, RecToolsPureSVD

__all__ = ["EPOCHS", "FITS", "LIBRARIES", "STEPS"]

STEPS: tuple[type[StepPeer], ...] = (GraphrecLightGCN, RecBoleLightGCN, PyGLightGCN)
EPOCHS: tuple[type[EpochPeer], ...] = (
    GraphrecMFEpochs,
    GraphrecMFEpochsHogwild,
    GraphrecMFEpochsAdam,
    ImplicitBPREpochs,
)
FITS: tuple[type[Peer], ...] = (
    GraphrecRP3beta,
    GraphrecFast,
    GraphrecMF,
    GraphrecMFHogwild,
    GraphrecEASE,
    ImplicitALS,
    ImplicitBPR,
    LensKitALS,
    RecToolsPureSVD,
    RecToolsEASE,
    CornacBPR,
    CornacLightGCN,
)
# What `--only` takes; graphrec itself always runs.
LIBRARIES = tuple(dict.fromkeys(kind.package.lower() for kind in (*STEPS, *FITS) if kind.package != "graphrec"))
