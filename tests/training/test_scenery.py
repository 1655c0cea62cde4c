"""Windows of composed scenes: what they show is what their label says, and mistakes are learned from."""

import dataclasses
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from lutlens.board import contrast
from lutlens.board.manifest import MANIFEST_NAME, Manifest
from lutlens.board.scanning import BACKGROUND_LABEL, cell_class, cell_margin
from lutlens.board.windows import overlaps
from lutlens.host.c import Executor
from lutlens.host.cli import main
from lutlens.host.lutnet import Lutnet, LutnetError
from lutlens.host.paths import REPOSITORY
from lutlens.training import backgrounds, crops, recipes, scene_evaluation, scenery
from lutlens.training.crops import Mixture, Pool
from lutlens.training.detect import frames
from lutlens.training.evaluate import rank_thresholds, torch_scores
from lutlens.training.loop import Run, Trainer
from lutlens.training.precision import tally
from lutlens.training.publish import SINGLE_PASS_CANDIDATES, publish
from lutlens.training.scene_evaluation import evaluate_scenes, finder, scan
from lutlens.training.scenes import Scene
from support.networks import digits_lutnet
from support.scenery import SMALL, drawn_data, drawn_digits, write_photographs

LABEL = 10


@pytest.fixture(autouse=True)
def _few_held_out_scenes(monkeypatch):
    monkeypatch.setattr(scenery, "HELD_OUT_SCENES", 8)
    monkeypatch.setattr(scenery, "HELD_OUT_WINDOWS", 200)
    monkeypatch.setattr("lutlens.training.publish.VALIDATION_SCENES", 1)


@pytest.fixture(scope="module")
def digits():
    return drawn_data()


def noise_scene(seed, *places):
    """A scene of noise, so that every window is one of a kind, and digits (y, x, side, label) as its truth."""
    image = np.random.default_rng(seed).integers(0, 256, (90, 100), dtype=np.uint8)
    boxes = [(x - side / 2, y - side / 2, side, side) for y, x, side, _ in places]
    labels = np.array([label for *_, label in places])
    return Scene(image, np.array(boxes, np.float32), np.array(boxes, np.float32), labels)


def test_windows_show_what_their_labels_say(monkeypatch):
    monkeypatch.setattr(contrast, "normalise", lambda image: image)
    truth = [(30, 40, 20, 3), (60, 40, 23, 5), (30, 75, 40, 8), (62, 75, 11, 1)]
    pool = Pool([noise_scene(1, *truth), noise_scene(2, (50, 50, 17.5, 7))])
    drawn = pool.draw(300, Mixture(0.4, 0.3), LABEL, np.random.default_rng(0))
    assert len(drawn) == 300
    places = {
        pool.windows[i].tobytes(): i for i in np.ndindex(*pool.windows.shape[:3])
    }  # every window is one of a kind
    fitting = {(0, 3): (30, 40), (0, 5): (60, 40), (1, 7): (50, 50)}
    seen = set()
    for window, label in zip(drawn.images, drawn.labels.tolist(), strict=True):
        scene, top, left = places[window.tobytes()]
        middle = np.array([top + 14, left + 14])
        if label == LABEL:
            for (n, _), place in fitting.items():
                off = np.abs(middle - place).max()
                assert n != scene or off >= crops.OFF_CENTRE - 0.5
            seen.add((scene, top, left))
        else:
            off = np.abs(middle - fitting[scene, label]).max()
            assert off <= crops.CENTRED + 0.5
    assert sorted(set(drawn.labels[:120])) == [3, 5, 7]
    assert (drawn.labels[120:] == LABEL).all()
    assert len(seen) > 120, "background comes from many places"


def test_batches_are_a_function_of_seed_and_step_and_change_from_epoch_to_epoch(digits):
    def make(seed=1):
        data = SMALL.prepare(digits)
        return SMALL.batches(data, seed)

    batches, again = make(), make()
    steps = [0, 5, 6, 17]
    first = [batches[step] for step in steps]
    for step, batch in reversed(list(zip(steps, first, strict=True))):
        other = again[step]
        assert np.array_equal(batch.pixels, other.pixels)
        assert np.array_equal(batch.labels, other.labels)
    assert batch.pixels.shape == (24, 28, 28)
    assert 0 < (first[0].labels == LABEL).sum() < 24
    assert not np.array_equal(make(seed=2)[0].pixels, first[0].pixels)


def test_validation_and_test_windows_show_held_out_digits_only(digits, monkeypatch):
    used = []

    def record(self, part, background, seed):
        used.append((seed, part))
        return compose(self, part, background, seed)

    compose = scenery.Composition.scene
    monkeypatch.setattr(scenery.Composition, "scene", record)
    data = SMALL.prepare(digits)
    parts = {part.images.tobytes() for _, part in used}
    assert parts == {digits.validation.images.tobytes(), digits.test.images.tobytes()}
    assert len({seed for seed, _ in used}) == len(used) == 16
    assert data.train is digits.train
    assert data.classes == (*"0123456789", BACKGROUND_LABEL)
    assert len(data.validation) == len(data.test) == 200
    again = SMALL.prepare(digits)
    assert np.array_equal(again.test.images, data.test.images)
    assert np.array_equal(again.validation.labels, data.validation.labels)


def test_a_review_learns_from_background_taken_for_digits(digits):
    batches = SMALL.batches(SMALL.prepare(digits), 1)
    asked = []

    def sees_threes(frame):
        """A 3 wherever the window's middle is 50 or more: 5 for each, and of equals the lower class."""
        asked.append(frame.shape)
        rows, columns = ((length - 28) // 4 + 1 for length in frame.shape)
        scores = np.zeros((rows, columns, 11), np.int64)
        scores[..., LABEL] = 5
        middles = frame[14::4, 14::4][:rows, :columns].astype(int)
        scores[..., 3] = middles // 10
        return scores

    assert not batches.review(1, 0.5, lambda: sees_threes), "every second epoch"
    assert not batches.review(2, 0.95, lambda: sees_threes), "not at the end"
    assert asked == []
    before = batches[0]
    assert batches.review(2, 0.5, lambda: sees_threes)
    assert len(batches.mistaken) == SMALL.scenery.keep
    assert (batches.mistaken[:, 14, 14] >= 50).all()
    assert {(132, 640), (92, 456)} < set(asked)
    after = batches[0]
    assert (after.labels == LABEL).sum() > (before.labels == LABEL).sum()
    last = after.pixels[-3:]
    assert all((batches.mistaken == one).all(axis=(1, 2)).any() for one in last)
    copy = SMALL.batches(SMALL.prepare(digits), 1)
    copy.restore(batches.state())
    assert np.array_equal(copy[3].pixels, batches[3].pixels)


def test_no_mistake_is_a_digit_that_fits(monkeypatch):
    monkeypatch.setattr(contrast, "normalise", lambda image: image)

    def everything_is_a_two(frame):
        """Most of all where the large digit is."""
        rows, columns = ((length - 28) // 4 + 1 for length in frame.shape)
        y, x = np.ogrid[:rows, :columns]
        scores = np.zeros((rows, columns, 11), np.int64)
        scores[..., 2] = 400 - abs(4 * y + 14 - 60) - abs(4 * x + 14 - 70)
        return scores

    scene = noise_scene(3, (30, 40, 20, 3), (60, 70, 40, 8))
    scanner = scenery.Scan(everything_is_a_two, (28, 28), (4, 4), LABEL)
    sizes = scanner.pyramid(scene.image)
    found = list(scanner.mistakes(scene))
    assert len(found) == len(sizes) >= 3
    for (width, _), mistakes in zip(sizes, found, strict=True):
        copy = scenery.Pool([scene]).windows[0] if width == 100 else None
        assert mistakes.shape[1:] == (28, 28)
        if copy is None:
            continue
        places = {copy[i].tobytes(): np.array(i) + 14 for i in np.ndindex(*copy.shape[:2])}
        middles = np.array([places[one.tobytes()] for one in mistakes])
        assert len(middles) == 40, "the most there may be"
        assert (np.abs(middles - (30, 40)).max(axis=1) >= crops.OFF_CENTRE).all()
        assert (np.abs(middles - (60, 70)).max(axis=1) < crops.OFF_CENTRE).any(), "too large to fit"
        assert ((middles - 14) % 4 == 0).all()


def run_of(data, epochs=3.0):
    return Run(recipe=SMALL, seed=1, data_sha256=data.sha256, epochs=epochs, minutes=None)


def ignore(_):
    pass


def test_a_resumed_training_gives_the_same_network(digits, tmp_path):
    whole = Trainer(run_of(digits), digits, tmp_path / "whole")
    assert whole.train(ignore)
    assert len(whole.batches.mistaken) > 0
    for limit in (13, None):
        part = Trainer(run_of(digits), digits, tmp_path / "part")
        if limit is None:
            part.resume()
        assert part.train(ignore, lambda: part.step == limit) == (limit is None)  # noqa: B023
    for name, tensor in whole.network.state_dict().items():
        assert (part.network.state_dict()[name] == tensor).all(), name
    net = publish(whole, tmp_path / "small.lutnet")
    assert Lutnet.load(tmp_path / "small.lutnet").to_bytes() == net.to_bytes()
    assert net.classes == (*"0123456789", BACKGROUND_LABEL)
    assert set(net.provenance["min_support"]) == set(net.provenance["accuracy"]) == {"1", "2"}
    assert net.provenance["recipe"] == SMALL.model_dump(mode="json")


def test_thresholds_of_a_single_pass_are_those_that_find_most_in_scenes(
    digits, tmp_path, monkeypatch
):
    """In scenes that find most where the thresholds are high."""

    def found(name, levels, *_, **settings):
        assert settings["seed"] == scene_evaluation.VALIDATION
        score = float(levels.mean())
        return SimpleNamespace(tally=SimpleNamespace(mean_average_precision=score), least=3.0)

    monkeypatch.setattr("lutlens.training.publish.scan", lambda net, k: net.thresholds_for(k))
    monkeypatch.setattr("lutlens.training.publish.evaluate_scenes", found)
    trainer = Trainer(run_of(digits), digits, tmp_path)
    net = publish(trainer, tmp_path / "small.lutnet", measure=False)
    scores_of = torch_scores(trainer.best_network())
    ranked = rank_thresholds(scores_of, trainer.data.validation, 2, (1, 2))
    highest = max(levels.mean() for levels, _ in ranked[1][:SINGLE_PASS_CANDIDATES])
    assert net.thresholds[1].mean() == highest
    assert np.array_equal(net.thresholds[2], ranked[2][0][0])


def untrained():
    data = drawn_data()
    trainer = Trainer(run_of(data), data, None)
    thresholds = {1: np.array([[60, 120]], np.uint8), 2: np.array([[60, 120], [90, 160]], np.uint8)}
    return trainer.network.to_lutnet(thresholds, trainer.data.classes, {"min_support": {"1": 7}})


def test_a_scan_is_what_the_executor_says_and_knows_its_step():
    net = untrained()
    scanner = scan(net, 2)
    assert (scanner.window, scanner.step, scanner.background) == ((28, 28), (4, 4), LABEL)
    (scene,) = frames(drawn_digits(20, 9), scenery.generated, (3,), 1)
    levelled = contrast.normalise(scene.image)
    expected = Executor(net).scores(levelled[None], k=2)[0]
    cells = scanner._class_map(scene.image)
    assert np.array_equal(cell_class(cells), expected.argmax(axis=-1))
    best = np.sort(expected.astype(int), axis=-1)
    assert np.array_equal(cell_margin(cells), best[..., -1] - best[..., -2])
    with pytest.raises(LutnetError, match="the last is 9; a network that scans scenes needs"):
        scan(dataclasses.replace(net, classes=(BACKGROUND_LABEL, *"0123456789")), 1)


def test_evaluation_counts_what_the_scan_finds():
    digits = drawn_digits(30, 9)
    scanner = scan(untrained(), 1)
    told = []
    one = evaluate_scenes(
        "even", scanner, digits, scenery.generated, seed=(8,), count=3, report=told.append
    )
    assert told == [1, 2, 3]
    scenes = frames(digits, scenery.generated, (8,), 3)
    seen = [scanner.detect(scene.image) for scene in scenes]
    again = tally(seen, [s.boxes for s in scenes], [s.labels for s in scenes], 10)
    summary = one.summary("0123456789")
    assert summary["mean_average_precision"] == again.mean_average_precision
    assert summary["digits"] == sum(len(s.labels) for s in scenes)
    assert summary["precision"] == again.precision(again.best_confidence())


def run_main(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return end.value.code or 0, captured.out, captured.err


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with an untrained network, digits, and photographs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LUTLENS_DATA", str(tmp_path))
    write_photographs(tmp_path / "cifar10" / "cifar10-jpeg.tar.xz")
    train, test = drawn_digits(60, 1), drawn_digits(20, 2)
    np.savez(
        "drawn.npz",
        images=train.images,
        labels=train.labels,
        test_images=test.images,
        test_labels=test.labels,
    )
    untrained().save(tmp_path / "small.lutnet")
    return tmp_path


def test_eval_of_scenes(folder, capsys):
    arguments = ["eval", "small.lutnet", "--data", "drawn.npz", "--scenes", "--limit", "1"]
    status, stdout, stderr = run_main([*arguments, "--json"], capsys)
    assert status == 0, stderr
    told = json.loads(stdout)
    assert (told["k"], told["scenes"]) == (1, 1)
    assert set(told["backgrounds"]) == {"generated", "photographs", "plain"}
    for one in told["backgrounds"].values():
        assert 0 <= one["mean_average_precision"] <= 1
        assert one["min_support"] == 7
        assert set(one["average_precision"]) == set("0123456789")
        assert one["digits"] > 2
    assert (folder / told["png"]).read_bytes().startswith(b"\x89PNG")
    status, stdout, _ = run_main([*arguments, "--k", "2", "--png", "scenes.png"], capsys)
    assert status == 0
    assert "mAP" in stdout
    assert "1 scenes of each kind" in re.sub(r"\s+", " ", stdout)
    assert (folder / "scenes.png").exists()


def test_eval_without_scenes_measures_windows(folder, capsys):
    status, stdout, stderr = run_main(
        ["eval", "small.lutnet", "--data", "drawn.npz", "--engine", "c", "--json"], capsys
    )
    assert status == 0, stderr
    told = json.loads(stdout)
    assert told["images"] == scenery.HELD_OUT_WINDOWS
    assert len(told["confusion"]) == 11


def test_a_network_for_single_images_finds_what_stands_out(folder, capsys):
    net = dataclasses.replace(digits_lutnet(2), classes=tuple("0123456789"))
    net.save(folder / "single.lutnet")
    arguments = ["eval", "single.lutnet", "--data", "drawn.npz", "--scenes", "--limit", "2"]
    status, stdout, stderr = run_main([*arguments, "--json"], capsys)
    assert status == 0, stderr
    told = json.loads(stdout)["backgrounds"]
    assert all(0 <= one["mean_average_precision"] <= 1 for one in told.values())
    assert all(one["milliseconds"] > 0 for one in told.values())


def test_regions_are_boxes_as_scenes_have_them():
    digits = drawn_digits(30, 9)
    scenes = frames(digits, backgrounds.plain, (4,), 4)
    with finder(digits_lutnet(2), 1) as regions:
        found = [regions.detect(scene.image) for scene in scenes]
    for one, scene in zip(found, scenes, strict=True):
        assert np.allclose(one["box"][:, 2], one["box"][:, 3])
        shares = overlaps(scene.boxes[:, None], one["box"][None].astype(np.float32)).max(axis=1)
        assert (shares > 0.6).mean() > 0.8, "on plain paper nearly every digit stands out"


def test_a_network_of_other_classes_is_refused_in_one_line(folder, capsys):
    net = Lutnet.load(folder / "small.lutnet")
    dataclasses.replace(net, classes=tuple("0123456789X")).save(folder / "other.lutnet")
    status, _, stderr = run_main(
        ["eval", "other.lutnet", "--data", "drawn.npz", "--scenes"], capsys
    )
    assert status == 2
    assert "tells apart" in re.sub(r"[\s│]+", " ", stderr)


def test_the_recipe_fits_the_core_and_its_budget():
    recipe = recipes.recipe("digits-scan")
    spec = recipe.network(11)
    assert recipe.step == (4, 4)
    overlay = REPOSITORY / "overlays" / "digits-scan"
    shipped = Manifest.model_validate_json((overlay / MANIFEST_NAME).read_bytes())
    trained = Lutnet.load(overlay / "digits-scan.lutnet")
    for stage, built in zip(spec.stages, trained.stages, strict=True):
        assert [layer.nodes for layer in stage.layers] == [layer.nodes for layer in built.layers]
    assert shipped.resources is not None
    assert shipped.resources.pl.lut <= 8000
    assert shipped.resources.pl.bram36 <= 45
    assert recipe.bits_per_class * 16 <= 4095
    assert recipe.passes == (1, 3, 7, 15)
    assert scene_evaluation.VALIDATION != scene_evaluation.TEST
