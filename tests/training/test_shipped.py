"""The overlay that ships, on the real test images: what its model card promises, in every execution."""

from pathlib import Path

import numpy as np
import pytest
from lutlens.board.records import answers
from lutlens.host.lutnet import Lutnet
from lutlens.training import datasets, recipes
from lutlens.training.engines import EngineName, open_engine

SHIPPED = Path(__file__).parents[2] / "overlays" / "digits" / "digits.lutnet"
PROMISED = {1: 0.985, 15: 0.989}


@pytest.fixture(scope="module")
def net():
    return Lutnet.load(SHIPPED)


@pytest.fixture(scope="module")
def digits():
    found = datasets.load()
    if found.name != "MNIST":
        pytest.skip("the whole MNIST is not here")
    return found


@pytest.fixture(scope="module")
def expected(net, digits):
    """Scores of all test images by the generated C, for each K."""
    with open_engine(EngineName.c, net) as engine:
        return {k: engine.scores_of(digits.test.images, net.thresholds[k]) for k in net.thresholds}


def test_it_is_the_recipes_network_trained_on_this_data(net, digits):
    provenance = net.provenance
    assert recipes.Recipe.model_validate(provenance["recipe"]) == recipes.recipe("digits")
    assert provenance["data_sha256"] == digits.sha256
    assert provenance["finished"]
    assert provenance["source_commit"]
    assert "dirty" not in provenance["source_commit"]


def test_accuracy_is_what_it_says_and_what_was_promised(net, digits, expected):
    for k, scores in expected.items():
        accuracy = (answers(scores)[0] == digits.test.labels).mean()
        assert accuracy == pytest.approx(net.provenance["accuracy"][str(k)])
        assert accuracy >= PROMISED.get(k, 0.985)


@pytest.mark.parametrize(
    ("engine", "k", "images"),
    [
        ("torch", 1, 10_000),
        ("torch", 15, 2_000),
        ("model", 1, 10_000),
        ("model", 15, 10_000),
        pytest.param("rtl", 1, 300, marks=pytest.mark.rtl),
        pytest.param("rtl", 15, 40, marks=pytest.mark.rtl),
    ],
)
def test_every_execution_gives_the_same_scores(net, digits, expected, engine, k, images):
    with open_engine(EngineName(engine), net) as opened:
        for first in range(0, images, opened.batch_size):
            batch = slice(first, min(images, first + opened.batch_size))
            scores = opened.scores_of(digits.test.images[batch], net.thresholds[k])
            assert np.array_equal(scores, expected[k][batch])
