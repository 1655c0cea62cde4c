"""Every kind of source: what it shows, how fast, and how it fails."""

from __future__ import annotations

import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from lutlens.board import handwriting
from lutlens.board.mnist import SIDE, normalise
from lutlens.board.serve import offer
from lutlens.board.sources import SourceError, camera, parse
from lutlens.board.sources.base import Pace
from lutlens.board.sources.camera import CameraSpec
from lutlens.board.sources.folder import FolderSpec
from lutlens.board.sources.pattern import PatternSpec, draw
from lutlens.board.sources.synthetic import Scene, SyntheticSpec
from lutlens.board.sources.video import VideoSpec

# The scene


def test_the_scene_is_the_same_for_a_seed_and_another_for_another() -> None:
    first, again, other = (Scene(SyntheticSpec(seed=seed)) for seed in (1, 1, 2))
    for _ in range(3):
        frames = [scene.next() for scene in (first, again, other)]
    assert np.array_equal(frames[0].image, frames[1].image)
    assert frames[0].truth == frames[1].truth
    assert frames[0].truth != frames[2].truth


def test_digits_stay_inside_and_apart_and_become_others() -> None:
    spec = SyntheticSpec(fps=5, count=10, seed=3)
    scene = Scene(spec)
    seen = set()
    for _ in range(300):
        truth = scene.next().truth
        assert truth is not None
        assert len(truth) == spec.count
        seen |= {digit for _, digit in truth}
        boxes = np.array([box for box, _ in truth])
        low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
        assert low.min() >= 0
        assert (high <= [spec.width, spec.height]).all()
        apart = (low[:, None] >= high[None]).any(axis=2)
        assert (apart | apart.T | np.eye(spec.count, dtype=bool)).all()
    assert seen == set(range(10))


def test_the_truth_is_where_the_ink_is() -> None:
    """The box holds much darker pixels, up to its border, and the ring around it holds none."""
    frame = Scene(SyntheticSpec(seed=5)).next()
    grey = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY).astype(int)
    assert frame.truth is not None
    for (x, y, width, height), _ in frame.truth:
        around = grey[y - 3 : y + height + 3, x - 3 : x + width + 3]
        darker = np.percentile(around, 90) - around
        inside = darker[3:-3, 3:-3]
        for border in (inside[0], inside[-1], inside[:, 0], inside[:, -1]):
            assert border.max() > 35
        assert (darker > 80).sum() == (inside > 80).sum() > 0


def test_a_scene_of_own_digits_shows_them(tmp_path: Path) -> None:
    images, _ = handwriting.images(5, seed=1)
    np.savez(tmp_path / "own.npz", images=images, labels=np.full(5, 7))
    truth = Scene(SyntheticSpec(digits=tmp_path / "own.npz")).next().truth
    assert truth is not None
    assert {digit for _, digit in truth} == {7}


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"labels": np.zeros(2, int)}, "images"),
        ({"images": np.zeros((2, 28, 28)), "labels": np.zeros(2, int)}, "must be uint8"),
        ({"images": np.zeros((0, 28, 28), np.uint8), "labels": np.zeros(0, int)}, "must be uint8"),
        ({"images": np.zeros((2, 28, 28), np.uint8), "labels": np.zeros(3, int)}, "labels"),
        ({"images": np.array([{}]), "labels": np.zeros(1, int)}, "allow_pickle"),
    ],
)
def test_digits_that_are_none_are_refused(
    tmp_path: Path, arrays: dict[str, np.ndarray], words: str
) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(SourceError, match=rf"bad\.npz: .*{words}"):
        SyntheticSpec(digits=tmp_path / "bad.npz").open()


def test_a_missing_file_of_digits_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.npz: .*No such file"):
        SyntheticSpec(digits=tmp_path / "none.npz").open()


def test_a_scene_too_small_for_its_digits_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit 320x240 without overlapping"):
        SyntheticSpec(width=320, height=240, count=20)


# Pace


def test_the_pace_is_kept_and_lost_time_is_not_made_up_for() -> None:
    pace = Pace(50)
    started = time.monotonic()
    for _ in range(6):
        pace.wait()
    assert time.monotonic() - started >= 5 / 50 - 0.001
    time.sleep(0.2)
    resumed = time.monotonic()
    for _ in range(4):
        pace.wait()
    assert time.monotonic() - resumed >= 2 / 50 - 0.001


# Folder


def test_a_folder_is_shown_in_order_over_and_over(tmp_path: Path) -> None:
    for level in (10, 20, 30):
        cv2.imwrite(str(tmp_path / f"{level}.png"), np.full((30, 40, 3), level, np.uint8))
    (tmp_path / "15.png").write_bytes(b"no image")
    (tmp_path / "notes.txt").write_text("not looked at")
    source = FolderSpec(path=tmp_path, fps=1000).open()
    levels = [int(frame.image[0, 0, 0]) for frame in (source.read() for _ in range(5)) if frame]
    assert levels == [10, 20, 30, 10, 20]


def test_a_folder_may_end_and_large_images_are_scaled(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "large.png"), np.zeros((100, 400, 3), np.uint8))
    source = FolderSpec(path=tmp_path, fps=1000, loop=False, max_side=200).open()
    frame = source.read()
    assert frame is not None
    assert frame.image.shape == (50, 200, 3)
    assert source.read() is None


def test_a_folder_without_images_fails(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=f"{tmp_path}: holds no images"):
        FolderSpec(path=tmp_path).open().read()
    with pytest.raises(SourceError, match="No such file"):
        FolderSpec(path=tmp_path / "none").open()


# Video


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Five frames of rising grey at 50 frames a second."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 50, (64, 48))
    for i in range(5):
        writer.write(np.full((48, 64, 3), 40 * i, np.uint8))
    writer.release()
    return path


def test_a_video_plays_at_its_own_rate_and_begins_again(clip: Path) -> None:
    source = VideoSpec(path=clip).open()
    frames = [source.read() for _ in range(8)]
    levels = [round(float(frame.image.mean()) / 40) for frame in frames if frame]
    assert levels == [0, 1, 2, 3, 4, 0, 1, 2]
    assert frames[0]
    assert frames[7]
    assert frames[7].captured_at - frames[0].captured_at >= 7 / 50 - 0.005
    source.close()


def test_a_video_may_end(clip: Path) -> None:
    source = VideoSpec(path=clip, loop=False).open()
    assert [source.read() is None for _ in range(6)] == [False] * 5 + [True]


def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    with pytest.raises(SourceError, match=r"clip\.mp4: not a video"):
        VideoSpec(path=tmp_path / "clip.mp4").open()
    with pytest.raises(SourceError, match=r"none\.mp4: no such file"):
        VideoSpec(path=tmp_path / "none.mp4").open()


# Camera: no test machine has one, so OpenCV's is replaced


class FakeCapture:
    """A camera that is unplugged after some frames."""

    def __init__(self, frames: int) -> None:
        self.left, self.grabs, self.options = frames, 0, dict[int, float]()

    def isOpened(self) -> bool:
        return self.left > 0

    def set(self, option: int, value: float) -> bool:
        self.options[option] = value
        return True

    def grab(self) -> bool:
        self.grabs += 1
        self.left -= 1
        return self.left >= 0

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.zeros((36, 64, 3), np.uint8)

    def release(self) -> None:
        self.left = 0


def test_a_camera_is_asked_for_size_and_rate_and_fails_when_unplugged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake = FakeCapture(frames=2)
    monkeypatch.setattr(cv2, "VideoCapture", lambda device, api: fake)
    source = CameraSpec(device=3, width=1280, height=720, fps=60).open()
    assert fake.options[cv2.CAP_PROP_FRAME_WIDTH] == 1280
    assert fake.options[cv2.CAP_PROP_FPS] == 60
    before = time.monotonic()
    frames = [source.read(), source.read()]
    assert all(frame and before <= frame.captured_at <= time.monotonic() for frame in frames)
    with pytest.raises(SourceError, match=r"/dev/video3 gives no frames any more"):
        source.read()
    with pytest.raises(SourceError, match=r"/dev/video3 does not open"):
        CameraSpec(device=3).open()


def test_frames_that_waited_during_a_pause_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeCapture(frames=50)
    monkeypatch.setattr(cv2, "VideoCapture", lambda device, api: fake)
    monkeypatch.setattr(camera, "STALE_S", 0.0)
    CameraSpec().open().read()
    assert fake.grabs == camera.STALE_FRAMES + 1


# The command line's form


def test_sources_are_parsed() -> None:
    assert parse("camera:2") == CameraSpec(device=2)
    assert parse("camera") == CameraSpec()
    assert parse("video:a:b.mp4") == VideoSpec(path=Path("a:b.mp4"))
    assert parse("synthetic") == SyntheticSpec()
    assert parse("synthetic:d.npz") == SyntheticSpec(digits=Path("d.npz"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("webcam", "no such kind; there are camera, video, folder, synthetic"),
        ("camera:front", "device: .*integer"),
        ("camera:-1", "device"),
        ("video", "path: Field required"),
        ("folder:", "path: Field required"),
    ],
)
def test_a_source_that_cannot_be_meant_is_named(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=rf"source '{text}': {words}"):
        parse(text)


def test_scene_and_pattern_are_always_on_offer_and_names_differ() -> None:
    offered = offer(["video:a.mp4", "video:b.mp4", "camera:1"])
    assert list(offered) == ["video", "video-2", "camera", "synthetic", "pattern"]
    given = ["synthetic:d.npz", "pattern:2", "camera"]
    assert list(offer(given)) == ["synthetic", "pattern", "camera"]


# Handwriting


def test_handwriting_is_centred_like_mnist_and_varied() -> None:
    images, labels = handwriting.images(100, seed=4)
    assert np.unique(labels, return_counts=True)[1].tolist() == [10] * 10
    assert len({image.tobytes() for image in images}) == 100
    for image in images:
        _, _, width, height = cv2.boundingRect(image)
        assert max(width, height) == 20
        moments = cv2.moments(image)
        assert abs(moments["m10"] / moments["m00"] - (SIDE - 1) / 2) <= 0.6
        assert abs(moments["m01"] / moments["m00"] - (SIDE - 1) / 2) <= 0.6


@pytest.mark.parametrize("shape", [(1, 1), (5, 60), (60, 5), (28, 28), (300, 200)])
def test_ink_of_any_size_is_normalised(shape: tuple[int, int]) -> None:
    view = normalise(np.full(shape, 255, np.uint8))
    _, _, width, height = cv2.boundingRect(view)
    assert max(width, height) == 20
    assert abs(min(width, height) - 20 * min(shape) / max(shape)) <= 1
    assert (width > height) == (shape[1] > shape[0])
    assert not normalise(np.zeros(shape, np.uint8)).any()


# The pattern


def test_the_pattern_goes_round_without_a_seam() -> None:
    pattern = draw(PatternSpec(frames=64))
    again = draw(PatternSpec(frames=64))
    assert np.array_equal(pattern.images, again.images)
    assert pattern.truth == again.truth
    assert not np.array_equal(pattern.images, draw(PatternSpec(frames=64, seed=2)).images)
    change = np.abs(pattern.images.astype(int) - np.roll(pattern.images, 1, axis=0)).mean((1, 2))
    assert change[0] < 1.2 * np.median(change)  # from the last frame to the first
    assert change.min() > 0


def test_the_patterns_truth_is_where_the_ink_is() -> None:
    pattern = draw(PatternSpec(frames=16))
    labels = set()
    for image, truth in zip(pattern.images, pattern.truth, strict=True):
        assert truth
        for (x, y, width, height), label in truth:
            labels.add(label)
            assert 0 <= x < x + width <= image.shape[1]
            assert 0 <= y < y + height <= image.shape[0]
            part = image[y : y + height, x : x + width]
            assert min(part[0].min(), part[-1].min(), part[:, 0].min(), part[:, -1].min()) < 150
            around = image[max(0, y - 2) : y + height + 2, max(0, x - 2) : x + width + 2]
            assert (around < 110).sum() == (part < 110).sum() > 0
    assert labels == set(range(10))


def test_digits_fall_and_the_pattern_may_be_watched_as_any_source() -> None:
    source = parse("pattern:3").open()
    first, second = source.read(), source.read()
    assert first is not None
    assert second is not None
    assert first.image.shape == (132, 640, 3)
    assert first.truth is not None
    assert second.truth is not None
    fallen = [
        (a[1], b[1])
        for (a, label) in first.truth
        for (b, other) in second.truth
        if label == other and abs(a[0] - b[0]) < 2
    ]
    assert fallen
    assert all(before <= after <= before + 3 for before, after in fallen)
