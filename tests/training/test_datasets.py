"""Data sets by name: Fashion-MNIST and CIFAR-10 from where they may be, colours, and a lutnet's own data."""

import gzip
import hashlib
import io
import struct
import tarfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from lutlens.training import augment, datasets, recipes
from lutlens.training.data import DataError, Labelled
from lutlens.training.datasets import cifar10, fashion_mnist, mnist
from lutlens.training.feeding import Resident
from lutlens.training.parallel import ALONE
from lutlens.training.test_set import load_for
from pydantic import ValidationError
from support.networks import random_lutnet

NOWHERE = "http://127.0.0.1:9/"
SHAPE = (cifar10.SIDE, cifar10.SIDE, 3)


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch, tmp_path):
    """LUTLENS_DATA names an empty folder, the cache is empty, and mirrors refuse connections."""
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("LUTLENS_DATA", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for module in (mnist, fashion_mnist):
        files = replace(module.FILES, mirrors=(NOWHERE,), elsewhere=())
        monkeypatch.setattr(module, "FILES", files)
    monkeypatch.setattr(cifar10, "MIRRORS", (NOWHERE,))
    return folder


def idx_files(folder, monkeypatch):
    """Four small files in the place of Fashion-MNIST's; the test images."""
    rng = np.random.default_rng(1)
    images = [rng.integers(0, 256, (n, 28, 28), dtype=np.uint8) for n in (60, 30)]
    arrays = (images[0], np.arange(60) % 10, images[1], np.arange(30) % 10)
    folder.mkdir()
    sums = {}
    for name, array in zip(fashion_mnist.FILES.sha256, arrays, strict=True):
        shape = struct.pack(f">{array.ndim}I", *array.shape)
        content = bytes((0, 0, 8, array.ndim)) + shape + array.astype(np.uint8).tobytes()
        sums[name] = hashlib.sha256(content).hexdigest()
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    monkeypatch.setattr(fashion_mnist, "FILES", replace(fashion_mnist.FILES, sha256=sums))
    return images[1]


def test_fashion_mnist_from_where_a_system_puts_it(monkeypatch, tmp_path):
    test = idx_files(tmp_path / "share", monkeypatch)
    files = replace(fashion_mnist.FILES, elsewhere=(tmp_path / "share",))
    monkeypatch.setattr(fashion_mnist, "FILES", files)
    found = datasets.load(name="fashion-mnist")
    assert (found.name, found.key) == ("Fashion-MNIST", "fashion-mnist")
    assert found.classes[5] == "sandal"
    assert np.array_equal(found.test.images, test)


def test_fashion_mnist_is_below_lutlens_data_in_its_own_folder_only(elsewhere, monkeypatch):
    """A folder of four files is MNIST's: both sets' files have the same names."""
    idx_files(elsewhere / "loose", monkeypatch)
    monkeypatch.setenv("LUTLENS_DATA", str(elsewhere / "loose"))
    with pytest.raises(DataError, match=r"Fashion-MNIST: not here.*dataset-fashion-mnist"):
        datasets.load(name="fashion-mnist")
    (elsewhere / "loose").rename(elsewhere / "fashion-mnist")
    monkeypatch.setenv("LUTLENS_DATA", str(elsewhere))
    assert len(datasets.load(name="fashion-mnist").test) == 30


def flat(label, i):
    """A picture of one colour: mostly red, the more blue the higher its class."""
    return np.full(SHAPE, (200, 8 * i, 20 * label), np.uint8)


def add(archive, name, content):
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))


def write_copy(path, names=cifar10.CLASSES):
    """Three training pictures and two test pictures of each class, as JPEG."""
    path.parent.mkdir()
    with tarfile.open(path, "w:xz") as archive:
        for part, count in (("test", 2), ("train", 3)):
            for label, name in enumerate(names):
                for i in range(count):
                    _, jpeg = cv2.imencode(".jpg", flat(label, i)[:, :, ::-1])
                    add(archive, f"{part}/{name}/{i:04}.jpg", jpeg.tobytes())


def write_original(path, monkeypatch):
    """Ten pictures in each of the six files of the original."""
    with tarfile.open(path, "w:gz") as archive:
        for i, name in enumerate((*(f"data_batch_{n}" for n in range(1, 6)), "test_batch")):
            records = [bytes([c]) + flat(c, i).transpose(2, 0, 1).tobytes() for c in range(10)]
            add(archive, f"cifar-10-batches-bin/{name}.bin", b"".join(records))
        add(archive, "cifar-10-batches-bin/batches.meta.txt", b"airplane")
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    monkeypatch.setattr(cifar10, "SHA256", sha256)


def test_cifar10_from_jpeg_says_that_it_is_a_copy(elsewhere):
    write_copy(elsewhere / "cifar10" / cifar10.COPY)
    found = datasets.load(name="cifar10")
    assert (found.name, found.key) == ("CIFAR-10 (JPEG copy)", "cifar10")
    assert found.image_shape == SHAPE
    assert len(found.train) + len(found.validation) == 30
    assert found.test.labels.tolist() == sorted(2 * list(range(10)))
    for image, label, i in zip(found.test.images, found.test.labels, 10 * [0, 1], strict=True):
        assert np.abs(image.astype(int) - flat(label, i)).max() <= 4


def test_the_original_cifar10_comes_first(elsewhere, monkeypatch):
    write_copy(elsewhere / "cifar10" / cifar10.COPY)
    write_original(elsewhere / "cifar10" / cifar10.ORIGINAL, monkeypatch)
    found = datasets.load(name="cifar10")
    assert found.name == "CIFAR-10"
    for image, label in zip(found.test.images, found.test.labels, strict=True):
        assert np.array_equal(image, flat(label, 5))
    everything = np.concatenate([found.train.images, found.validation.images])
    assert sorted(everything[:, 0, 0, 1]) == sorted(8 * np.repeat(np.arange(5), 10))


def test_a_cifar10_that_is_none_is_refused_by_name(elsewhere, monkeypatch):
    with pytest.raises(DataError, match=r"CIFAR-10: not here, and cifar-10-binary.*LUTLENS_DATA"):
        datasets.load(name="cifar10")
    write_copy(elsewhere / "cifar10" / cifar10.COPY, (*cifar10.CLASSES[:9], "lorry"))
    with pytest.raises(DataError, match=r"cifar10-jpeg.tar.xz: test/lorry/0000.jpg is not below"):
        datasets.load(name="cifar10")
    (elsewhere / "cifar10" / cifar10.ORIGINAL).write_bytes(b"something else")
    with pytest.raises(DataError, match=r"cifar-10-binary.tar.gz: not CIFAR-10's file"):
        datasets.load(name="cifar10")


def test_a_data_set_that_does_not_exist_is_named_with_those_that_do():
    with pytest.raises(DataError, match="fashion: no such data set; there is mnist, fashion-mnist"):
        datasets.load(name="fashion")
    with pytest.raises(ValidationError, match=r"data\n.*letters: no such data set"):
        recipes.Recipe(
            name="mine", description="", data="letters", input_shape=(8, 8, 1), bits_per_class=4
        )


def test_own_images_are_grey_or_coloured_as_the_network_takes_them(tmp_path):
    colours = np.array([(220, 30, 60), (10, 200, 90)], np.uint8)
    for name, colour in zip(("red", "teal"), colours, strict=True):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for i in range(10):
            image = np.full((10 + i, 12, 3), colour, np.uint8)
            assert cv2.imwrite(str(tmp_path / "mine" / name / f"{i}.png"), image[:, :, ::-1])
    whole = np.repeat(colours, 10, axis=0)[:, None, None] * np.ones((9, 7, 1), np.uint8)
    np.savez(tmp_path / "mine.npz", images=whole, labels=np.repeat([0, 1], 10))
    for path in (tmp_path / "mine", tmp_path / "mine.npz"):
        found = datasets.load(path, (8, 8, 3))
        assert (found.image_shape, found.key) == ((8, 8, 3), None)
        for image, label in zip(found.train.images, found.train.labels, strict=True):
            assert (image == colours[label]).all()
        grey = datasets.load(path, (8, 8, 1))
        assert grey.image_shape == (8, 8, 1)
        luma = (colours @ (0.299, 0.587, 0.114))[grey.train.labels][:, None, None]
        assert np.abs(grey.train.images - luma).max() < 1
    np.savez(tmp_path / "grey.npz", images=whole[..., 0], labels=np.repeat([0, 1], 10))
    found = datasets.load(tmp_path / "grey.npz", (8, 8, 3))
    assert (found.train.images == colours[found.train.labels, 0][:, None, None, None]).all()
    with pytest.raises(DataError, match="1 channel or 3, not 2"):
        datasets.load(tmp_path / "mine", (8, 8, 2))


@pytest.mark.parametrize("mirror", [False, True])
def test_colour_batches_are_shifted_and_mirrored_in_space_alone(mirror):
    rng = np.random.default_rng(5)
    whole = Labelled(rng.integers(1, 256, (32, 6, 5, 3), dtype=np.uint8), np.arange(32))
    batches = augment.Batches(whole, 32, seed=3, shift=1, mirror=mirror)
    pixels, labels = vars(batches[0]).values()
    padded = np.pad(whole.images, ((0, 0), (1, 1), (1, 1), (0, 0)))
    turned = 0
    for image, label in zip(pixels, labels, strict=True):
        windows = [padded[label, y : y + 6, x : x + 5] for y, x in np.ndindex(3, 3)]
        plain, mirrored = (
            sum(np.array_equal(window, one) for window in windows)
            for one in (image, image[:, ::-1])
        )
        assert plain + mirrored == 1
        turned += mirrored
    assert 8 < turned < 24 if mirror else turned == 0
    # The same on a device that keeps the training set.
    resident = Resident(batches, torch.device("cpu"), ALONE)
    again, again_labels = resident.images(*resident[0])
    assert np.array_equal(again, pixels)
    assert np.array_equal(again_labels, labels)


def test_a_network_finds_the_data_that_it_was_trained_on(elsewhere, tmp_path):
    write_copy(elsewhere / "cifar10" / cifar10.COPY)
    net = random_lutnet(1)
    path = Path("some.lutnet")
    trained = replace(net, provenance={"data": "CIFAR-10 (JPEG copy)", "data_set": "cifar10"})
    assert load_for(trained, path).key == "cifar10"
    own = replace(net, provenance={"data": "shells", "data_set": None})
    with pytest.raises(DataError, match=r"some\.lutnet: .*its user's own, shells; .* --data"):
        load_for(own, path)
    mine = tmp_path / "mine.npz"
    np.savez(mine, images=np.zeros((20, 9, 9), np.uint8), labels=np.arange(20) % 2)
    assert load_for(own, path, mine).image_shape == net.input_shape
