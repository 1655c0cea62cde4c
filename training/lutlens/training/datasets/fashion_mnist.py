"""Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017): photographs of clothes, in the format and size of MNIST."""

from __future__ import annotations

from pathlib import Path

from lutlens.training.data import DataError, DataSet
from lutlens.training.datasets.idx import IdxFiles
from rich.console import Console

FILES = IdxFiles(
    title="Fashion-MNIST",
    folders=("fashion-mnist",),
    sha256={
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    mirrors=(
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    # Debian's package dataset-fashion-mnist.
    elsewhere=(Path("/usr/share/datasets/fashion-mnist"),),
)
CLASSES = (
    "t-shirt",
    "trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "boot",
)


def load(console: Console) -> DataSet:
    """Fashion-MNIST: 55,000 training, 5,000 validation and 10,000 test images of 28x28.

    Raises DataError where it is not here and cannot be downloaded, or files are not its own.
    """
    try:
        return FILES.load(CLASSES, console)
    except OSError as error:
        raise DataError(
            f"Fashion-MNIST: not here, and {error}; install Debian's package dataset-fashion-mnist, or put its four "
            "files into a folder `fashion-mnist` and name the folder above in LUTLENS_DATA"
        ) from error
