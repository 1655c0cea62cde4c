"""Where the images come from, and that held-out images stay held out."""

import gzip
import hashlib
import io
import os
import struct
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import cv2
import numpy as np
import pytest
from lutlens.training import augment, data, datasets
from lutlens.training.data import DataError, Labelled
from lutlens.training.datasets import cifar10, fashion_mnist, mnist
from lutlens.training.datasets.download import DownloadError
from rich.console import Console

RANDOM = np.random.default_rng(7)


def images(n, height=28, width=28):
    return RANDOM.integers(0, 256, (n, height, width), dtype=np.uint8)


def labels(n, classes=10):
    return np.arange(n) % classes


def idx(array):
    head = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(np.uint8).tobytes()


@pytest.fixture
def tiny(monkeypatch):
    """A small data set in MNIST's format that takes MNIST's place; its four files."""
    arrays = (images(100), labels(100), images(30), labels(30))
    files = dict(zip(mnist.FILES.sha256, map(idx, arrays), strict=True))
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    for module in (mnist, fashion_mnist):
        monkeypatch.setattr(module, "FILES", replace(module.FILES, sha256=sums, elsewhere=()))
    return files


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """No LUTLENS_DATA, an empty cache, and mirrors that refuse connections."""
    monkeypatch.delenv("LUTLENS_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for module in (mnist, fashion_mnist):
        files = replace(module.FILES, mirrors=("http://127.0.0.1:9/",), elsewhere=())
        monkeypatch.setattr(module, "FILES", files)
    monkeypatch.setattr(cifar10, "MIRRORS", ("http://127.0.0.1:9/",))
    return tmp_path / "cache" / "lutlens" / "mnist"


@pytest.fixture
def mirror(monkeypatch, elsewhere, tmp_path):
    """A local HTTP server as the second mirror: the folder it serves, and what it was asked."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    asked = []

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/"
    files = replace(mnist.FILES, mirrors=(*mnist.FILES.mirrors, url))
    monkeypatch.setattr(mnist, "FILES", files)
    yield folder, asked
    server.shutdown()
    thread.join(10)
    server.server_close()


def quiet():
    return Console(file=io.StringIO(), width=200)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("below", ["", "mnist"])
def test_lutlens_data_names_the_folder_or_the_one_above(
    tiny, elsewhere, monkeypatch, tmp_path, compressed, below
):
    folder = tmp_path / "data" / below
    folder.mkdir(parents=True)
    for name, content in tiny.items():
        if compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content))
        else:
            (folder / name).write_bytes(content)
    monkeypatch.setenv("LUTLENS_DATA", str(tmp_path / "data"))
    found = datasets.load()
    assert (len(found.train), len(found.validation), len(found.test)) == (90, 10, 30)
    assert found.image_shape == (28, 28, 1)
    assert found.test.images.tobytes() == tiny["t10k-images-idx3-ubyte"][16:]
    assert not elsewhere.exists(), "nothing was to be downloaded"


def test_a_file_that_is_not_mnists_is_refused_by_name(tiny, elsewhere, monkeypatch, tmp_path):
    for name, content in tiny.items():
        (tmp_path / name).write_bytes(content)
    path = tmp_path / "train-labels-idx1-ubyte"
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    monkeypatch.setenv("LUTLENS_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"train-labels-idx1-ubyte: not MNIST's file.*must be"):
        datasets.load()


def test_download_tries_the_next_mirror_checks_and_caches(tiny, mirror, elsewhere):
    folder, asked = mirror
    for name, content in tiny.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    first = mnist.load(quiet())
    assert len(asked) == 4
    assert sorted(p.name for p in elsewhere.iterdir()) == sorted(f"{n}.gz" for n in tiny)
    again = mnist.load(quiet())
    assert len(asked) == 4, "the second time it comes from the cache"
    assert first.sha256 == again.sha256
    assert first.name == "MNIST"


def test_a_corrupt_download_leaves_no_file_and_says_so(tiny, mirror, elsewhere):
    folder, _ = mirror
    for name, content in tiny.items():
        (folder / f"{name}.gz").write_bytes(gzip.compress(content[:-1] + b"\x0b"))
    with pytest.raises(DownloadError, match=r"train-images-idx3-ubyte.*refused.*not MNIST"):
        mnist.FILES.download(elsewhere, quiet())
    assert list(elsewhere.iterdir()) == []


def test_offline_the_stand_in_is_announced_loudly(elsewhere):
    console = quiet()
    found = mnist.load(console)
    assert "NOT THE WHOLE MNIST" in console.file.getvalue()
    assert "LUTLENS_DATA" in console.file.getvalue()
    assert "5,000" in found.name
    assert len(found.train) + len(found.validation) + len(found.test) == 5000
    assert set(found.test.labels) == set(range(10))


def test_held_out_images_are_in_no_other_part():
    everything = np.arange(2000, dtype=np.uint32)
    # Every image tells its own number.
    numbered = np.zeros((2000, 4, 4), np.uint8)
    numbered[:, 0] = everything.view(np.uint8).reshape(-1, 4)
    whole = Labelled(numbered, labels(2000))
    for test in (None, Labelled(images(50, 4, 4), labels(50))):
        parts = data.assemble("numbers", "0123456789", whole, test)
        again = data.assemble("numbers", "0123456789", whole, test)
        own = [parts.train, parts.validation] + ([parts.test] if test is None else [])
        numbers = [p.images[:, 0].copy().view(np.uint32).ravel() for p in own]
        assert sorted(np.concatenate(numbers)) == list(everything)
        assert np.array_equal(parts.validation.images, again.validation.images)
        assert all(np.array_equal(n % 10, p.labels) for n, p in zip(numbers, own, strict=True))


def test_npz(tmp_path):
    path = tmp_path / "shapes.npz"
    np.savez(path, images=images(70, 8, 8), labels=labels(70, 3), classes=["disc", "ring", "bar"])
    found = datasets.load(path)
    assert found.name == "shapes"
    assert found.classes == ("disc", "ring", "bar")
    assert (len(found.train), len(found.validation), len(found.test)) == (54, 6, 10)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"images": images(30)}, "no array `labels`"),
        ({"images": images(30).astype(float), "labels": labels(30)}, r"uint8 \[n, height, width\]"),
        ({"images": images(30), "labels": labels(29)}, r"labels: \[29\] for 30 images"),
        ({"images": images(30), "labels": labels(30) - 1}, "labels: -1 to 8, must be 0 to"),
        ({"images": images(30), "labels": labels(30) * 1.0}, "must be integers"),
        ({"images": images(30), "labels": labels(30) * 0}, "1 class, at least 2"),
        ({"images": images(5), "labels": labels(5)}, "5 images, at least 20"),
        ({"images": np.array([object()]), "labels": labels(1)}, "not a readable .npz"),
    ],
)
def test_npz_errors_name_the_file_and_the_array(tmp_path, arrays, message):
    path = tmp_path / "mine.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=f"mine.*{message}"):
        datasets.load(path)


def write_images(folder, count, size=28):
    folder.mkdir(parents=True)
    for i, image in enumerate(images(count, size, size)):
        assert cv2.imwrite(str(folder / f"{i:02}.png"), image)


def test_a_folder_for_each_class(tmp_path):
    for name in ("cat", "dog"):
        write_images(tmp_path / "pets" / name, 20)
    found = datasets.load(tmp_path / "pets")
    assert (found.name, found.classes) == ("pets", ("cat", "dog"))
    assert len(found.train) + len(found.validation) + len(found.test) == 40
    image = cv2.imread(str(tmp_path / "pets" / "dog" / "03.png"), cv2.IMREAD_GRAYSCALE)
    everything = np.concatenate(
        [p.images[p.labels == 1] for p in (found.train, found.validation, found.test)]
    )
    assert (everything == image).all(axis=(1, 2)).sum() == 1


def test_folders_train_and_test(tmp_path):
    for name in ("cat", "dog"):
        write_images(tmp_path / "train" / name, 20)
        write_images(tmp_path / "test" / name, 3)
    found = datasets.load(tmp_path)
    assert (len(found.train), len(found.validation), len(found.test)) == (36, 4, 6)


def test_folder_errors_name_the_file(tmp_path):
    with pytest.raises(DataError, match=r"nowhere: neither a folder .* nor an \.npz"):
        datasets.load(tmp_path / "nowhere")
    with pytest.raises(DataError, match="one folder of images for each class"):
        datasets.load(tmp_path)
    write_images(tmp_path / "cat", 20)
    write_images(tmp_path / "dog", 20, size=30)
    with pytest.raises(DataError, match=r"dog.00.png: 30x30 pixels, the others have 28x28"):
        datasets.load(tmp_path)
    (tmp_path / "dog" / "00.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"dog.00.png: not a readable image"):
        datasets.load(tmp_path)


def test_images_of_any_size_are_resampled(tmp_path):
    """A wide bar on grey paper: in the middle, as wide as the input, its shape kept."""
    for name, value in (("dark", 20), ("light", 240)):
        (tmp_path / name).mkdir()
        for i in range(10):
            image = np.full((40 + i, 2 * (40 + i)), 120, np.uint8)
            image[10 + i // 2 : 30 + i // 2, 10 : 70 + 2 * i] = value
            assert cv2.imwrite(str(tmp_path / name / f"{i}.png"), image)
    found = datasets.load(tmp_path, (28, 28, 1))
    assert found.image_shape == (28, 28, 1)
    for labelled in (found.train, found.validation, found.test):
        for image, label in zip(labelled.images, labelled.labels, strict=True):
            assert (image[:7] == 120).all()
            assert (image[21:] == 120).all()
            assert (image[13:15, 5:23] == (20, 240)[label]).all()
    arrays = tmp_path / "mine.npz"
    np.savez(arrays, images=images(40, 14, 14), labels=labels(40, 2))
    assert datasets.load(arrays, (28, 28, 1)).image_shape == (28, 28, 1)
    assert datasets.load(arrays).image_shape == (14, 14, 1)


def test_batches_are_a_function_of_seed_and_step():
    whole = Labelled(images(70), labels(70))

    def make(seed=1):
        return augment.Batches(whole, 16, seed=seed, shift=1)

    batches = make()
    assert batches.per_epoch == 4
    in_order = [batches[step] for step in range(6)]
    again = make()[5]
    assert np.array_equal(again.pixels, in_order[5].pixels)
    assert not np.array_equal(make(seed=2)[5].pixels, in_order[5].pixels)
    ahead = augment.prefetch(make(), first=3)
    for step in (3, 4, 5):
        assert np.array_equal(next(ahead).pixels, in_order[step].pixels)
    ahead.close()


def test_an_epoch_shows_every_image_shifted_by_at_most_one_pixel():
    whole = Labelled(images(64), labels(64))
    batches = augment.Batches(whole, 16, seed=3, shift=1)
    padded = np.pad(whole.images, ((0, 0), (1, 1), (1, 1)))
    seen, shifts = [], set()
    for step in range(batches.per_epoch):
        batch = batches[step]
        for image, label in zip(batch.pixels, batch.labels, strict=True):
            found = [
                (n, dy, dx)
                for n, dy, dx in np.ndindex(64, 3, 3)
                if np.array_equal(padded[n, dy : dy + 28, dx : dx + 28], image)
            ]
            assert len(found) == 1
            n, *shift = found[0]
            assert label == whole.labels[n]
            seen.append(n)
            shifts.add(tuple(shift))
    assert sorted(seen) == list(range(64))
    assert len(shifts) == 9


def test_an_error_in_the_thread_appears_where_the_batches_are_used():
    class Broken(augment.Batches):
        def __getitem__(self, step):
            raise RuntimeError("no more")

    whole = Labelled(images(20), labels(20))
    ahead = augment.prefetch(Broken(whole, 4, seed=1, shift=0), first=0)
    with pytest.raises(RuntimeError, match="no more"):
        next(ahead)


@pytest.mark.skipif("LUTLENS_DATA" not in os.environ, reason="LUTLENS_DATA is not set")
def test_the_real_mnist():
    if mnist.FILES.find() is None:
        pytest.skip("LUTLENS_DATA has no MNIST")
    found = datasets.load()
    assert (len(found.train), len(found.validation), len(found.test)) == (55000, 5000, 10000)
    assert np.bincount(found.test.labels)[:3].tolist() == [980, 1135, 1032]
