"""Learning from a float CNN: what the network is told, and that it helps where labels do not say all."""

import pytest
import torch
from lutlens.training import Network, recipes
from lutlens.training.distillation import Distillation, Teaching
from lutlens.training.objectives import Recognition
from lutlens.training.recipes import RecipeError
from torch.nn import functional

RECIPE = recipes.changed(
    recipes.recipe("digits"),
    ["input_shape=[8, 9, 1]", "stages=[]", "bits_per_class=4", "schedule.teaching.weight=0.25"],
)


def batch(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(0, 256, (6, *shape), dtype=torch.uint8, generator=generator)
    return pixels, torch.arange(6) % 3


def network(*shape: int) -> Network:
    recipe = recipes.changed(RECIPE, [f"input_shape={[*shape, 1][:3]}"])
    return Network(recipe.network(3), seed=3).eval()


@pytest.mark.parametrize("shape", [(8, 9), (8, 9, 3), (5, 4)])
def test_the_loss_is_the_sum_of_its_parts(shape):
    pixels, labels = batch(*shape)
    learner = network(*shape)
    teaching = Teaching(weight=0.25, temperature=2)
    objective = Distillation(learner.spec.input_shape, 3, teaching)
    loss, right = objective(learner, pixels, labels)
    logits = learner(pixels).double()
    images = (pixels.float() / 255).reshape(*pixels.shape[:3], -1).permute(0, 3, 1, 2)
    known = objective.teacher(images).double()
    soft, answer = (torch.softmax(x / 2, dim=1) for x in (known, logits))
    divergence = (soft * (soft.log() - answer.log())).sum(dim=1).mean()
    expected = 0.75 * functional.cross_entropy(logits, labels) + 0.25 * 4 * divergence
    expected += functional.cross_entropy(known, labels)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    assert int(right) == int((logits.argmax(dim=1) == labels).sum())


def test_the_teacher_learns_from_labels_and_not_from_the_network():
    pixels, labels = batch(8, 9)
    learner = network(8, 9)
    gradients = []
    for weight in (0.0, 1.0):
        objective = Distillation((8, 9, 1), 3, Teaching(weight=weight))
        objective(learner, pixels, labels)[0].backward()
        gradients.append([p.grad.clone() for p in objective.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*gradients, strict=True))
    assert any(float(g.abs().max()) > 0 for g in gradients[0])


def test_a_weight_of_nothing_teaches_nothing():
    pixels, labels = batch(8, 9)
    gradients = []
    for objective in (Recognition(), Distillation((8, 9, 1), 3, Teaching(weight=0))):
        learner = network(8, 9)
        objective(learner, pixels, labels)[0].backward()
        gradients.append([p.grad for p in learner.parameters() if p.grad is not None])
    assert gradients[0]
    assert all(torch.allclose(a, b) for a, b in zip(*gradients, strict=True))


def test_equal_objectives_have_equal_teachers():
    one, other = (Distillation((8, 9, 1), 3, Teaching()) for _ in range(2))
    for a, b in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_recipe_says_it():
    assert RECIPE.schedule.teaching == Teaching(weight=0.25)
    assert recipes.recipe("digits").schedule.teaching is None
    with pytest.raises(RecipeError, match=r"digits: schedule\.teaching\.weight: .*less than"):
        recipes.changed(RECIPE, ["schedule.teaching.weight=2"])
