"""The test images that a network's accuracy is of.

`python -m lutlens.training.test_set F.lutnet OUT.npz` writes them for programs that do without PyTorch: images uint8
`[n, h, w]`, labels int64 `[n]`, the data set's name and sha256.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path

import numpy as np
from lutlens.board.files import write_atomically
from lutlens.board.scanning import BACKGROUND_LABEL
from lutlens.host.lutnet import Lutnet
from lutlens.training import data as data_sets
from lutlens.training.data import DataError, DataSet
from lutlens.training.scenery import in_scenes


def of_network(net: Lutnet, path: Path, images: DataSet) -> DataSet:
    """The data set as the network knows it: windows of composed scenes where it has a class for background.

    path: of the network, for messages. Raises DataError if images or classes are not the network's.
    """
    if net.classes == (*images.classes, BACKGROUND_LABEL):
        images = in_scenes(images)
    check_fit(net, path, images)
    return images


def check_fit(net: Lutnet, path: Path, images: DataSet) -> None:
    """Raises DataError if images or classes are not the network's."""
    height, width = images.image_size
    if net.input_shape != (height, width, 1):
        raise DataError(
            f"{images.name}: images of {width}x{height} pixels; {path} takes "
            f"{net.input_shape[1]}x{net.input_shape[0]} with {net.input_shape[2]} channels"
        )
    if net.classes != images.classes:
        raise DataError(
            f"{images.name}: its classes are {', '.join(images.classes)}; {path} tells apart "
            f"{', '.join(net.classes)}"
        )


def main(arguments: list[str] | None = None) -> int:
    """Exit status 2 for data or a network that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m lutlens.training.test_set")
    parser.add_argument("lutnet", type=Path, metavar="F.lutnet")
    parser.add_argument("out", type=Path, metavar="OUT.npz")
    parser.add_argument("--data", type=Path, help="a folder or an .npz file, instead of MNIST")
    options = parser.parse_args(arguments)
    try:
        net = Lutnet.load(options.lutnet)
        found = of_network(net, options.lutnet, data_sets.load(options.data, net.input_shape[:2]))
        file = io.BytesIO()
        about = {"name": np.array(found.name), "sha256": np.array(found.sha256)}
        np.savez(file, images=found.test.images, labels=found.test.labels, **about)
        write_atomically(options.out, file.getvalue())
    except (ValueError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
