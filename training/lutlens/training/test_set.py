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
from lutlens.board.values import Values
from lutlens.host.lutnet import Lutnet
from lutlens.training import datasets
from lutlens.training.data import DataError, DataSet, pixels
from lutlens.training.reconstruction import in_pixels
from lutlens.training.scenery import in_scenes


def load_for(net: Lutnet, path: Path, data: Path | None = None) -> DataSet:
    """The data at `data`, brought to the network's input; without it the data set that the network was trained on.

    path: of the network, for messages. Raises DataError.
    """
    if data is None:
        # Networks from before there were several data sets know MNIST.
        name = net.provenance.get("data_set", "mnist")
        if name is None:
            raise DataError(
                f"{path}: trained on images of its user's own, {net.provenance['data']}; name them by --data"
            )
        return datasets.load(name=name)
    return datasets.load(data, net.input_shape)


def of_network(net: Lutnet, path: Path, images: DataSet) -> DataSet:
    """The data set as the network knows it: windows of composed scenes where it has a class for background, its own
    pixels where these are the outputs.

    path: of the network, for messages. Raises DataError if images or classes are not the network's.
    """
    if net.classes == (*images.classes, BACKGROUND_LABEL):
        images = in_scenes(images)
    if net.values and net.values.shape and images.values is None:
        images = in_pixels(images)
    check_fit(net, path, images)
    return images


def check_fit(net: Lutnet, path: Path, images: DataSet) -> None:
    """Raises DataError if images or classes are not the network's."""
    if net.input_shape != images.image_shape:
        raise DataError(
            f"{images.name}: images of {pixels(images.image_shape)}; {path} takes "
            f"{pixels(net.input_shape)}"
        )
    if _kind(net.values) != _kind(images.values):
        raise DataError(
            f"{images.name}: its labels are {_kind(images.values)}; those of {path} are {_kind(net.values)}"
        )
    if net.classes != images.classes:
        raise DataError(
            f"{images.name}: its classes are {', '.join(images.classes)}; {path} tells apart "
            f"{', '.join(net.classes)}"
        )


def _kind(values: Values | None) -> str:
    if values is None:
        return "classes"
    return "pixels" if values.shape else f"numbers from {values.low:g} to {values.high:g}"


def main(arguments: list[str] | None = None) -> int:
    """Exit status 2 for data or a network that cannot be used."""
    parser = argparse.ArgumentParser(prog="python -m lutlens.training.test_set")
    parser.add_argument("lutnet", type=Path, metavar="F.lutnet")
    parser.add_argument("out", type=Path, metavar="OUT.npz")
    parser.add_argument(
        "--data", type=Path, help="a folder or an .npz file, instead of what it was trained on"
    )
    options = parser.parse_args(arguments)
    try:
        net = Lutnet.load(options.lutnet)
        found = of_network(net, options.lutnet, load_for(net, options.lutnet, options.data))
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
