"""California housing (Pace and Barry, 1997): eight measures of each of 20,640 districts, and what houses cost there."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lutlens.board.values import Values
from lutlens.training.data import (
    HELD_OUT_SEED,
    DataError,
    DataSet,
    Int64,
    Labelled,
    assemble,
)
from lutlens.training.datasets import archive
from lutlens.training.datasets.download import cache, check_sha256, download, given
from lutlens.training.datasets.variables import image
from rich.console import Console

FOLDER = "housing"
"""Below LUTLENS_DATA, and in the user's cache."""
NAMES = ("value",)
RANGE = Values(low=0.0, high=500_001.0)
"""Dollars of 1990. The census counts what is above as 500,001."""
ARCHIVE = "5976036"
MIRRORS = ("https://ndownloader.figshare.com/files/",)
SHA256 = "aaa5c9a6afe2225cc2aed2723682ae403280c4a3695a2ddda4ffb5d8215ea681"
"""As scikit-learn has them, whose own way to the data (`fetch_california_housing`) keeps a pickle."""
MEMBER = "CaliforniaHousing/cal_housing.data"
COLUMNS = 9


def load(console: Console) -> DataSet:
    """15,923 districts for training, 1,769 for validation, 2,948 for test. Each measure becomes its rank among the
    districts that are not for test, and four pixels (`lutlens.training.datasets.variables`).

    Raises DataError where the archive is not there, cannot be downloaded, or is not what it should be.
    """
    folders = [*given(FOLDER), cache(FOLDER)]
    path = next((f / ARCHIVE for f in folders if (f / ARCHIVE).is_file()), folders[-1] / ARCHIVE)
    check = partial(check_sha256, expected=SHA256, owner="California housing")
    try:
        download(path.parent, MIRRORS, {ARCHIVE: check}, console)
    except OSError as error:
        raise DataError(
            f"California housing: not here, and {error}; put it into a folder `{FOLDER}`, called {ARCHIVE}, and name "
            "the folder above in LUTLENS_DATA"
        ) from error
    check(str(path), path.read_bytes())
    return read(path)


def read(path: Path) -> DataSet:
    """The archive. Raises DataError."""
    found = dict(archive.files(path))
    if MEMBER not in found:
        raise DataError(f"{path}: {MEMBER}: not in this archive")
    try:
        table = np.loadtxt(found[MEMBER].decode("ascii").splitlines(), delimiter=",", ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: {MEMBER}: {error}") from error
    if table.shape[1] != COLUMNS:
        raise DataError(f"{path}: {MEMBER}: {table.shape[1]} columns, must be {COLUMNS}")
    longitude, latitude, age, rooms, bedrooms, people, households, income, value = table.T
    each = (rooms / households, bedrooms / households, people / households)
    measures = np.stack([longitude, latitude, age, *each, people, income], axis=1)
    order = np.random.default_rng(HELD_OUT_SEED).permutation(len(table))
    test, known = order[: len(order) // 7], order[len(order) // 7 :]
    pixels = image(_ranks(measures, measures[known]))

    def part(index: Int64) -> Labelled:
        return Labelled(pixels[index], value[index].astype(np.float32)[:, None])

    return assemble("California housing", NAMES, part(known), part(test), values=RANGE)


def _ranks(
    measures: npt.NDArray[np.float64], known: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """Of each measure the share of the known ones that are less."""
    columns = zip(measures.T, np.sort(known, axis=0).T, strict=True)
    ranks = [np.searchsorted(inside, measure) / len(inside) for measure, inside in columns]
    return np.stack(ranks, axis=1)
