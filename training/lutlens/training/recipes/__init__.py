"""Recipes: what network to train, and how. Those that ship are the TOML files beside this one, named by their files."""

from lutlens.training.recipes.files import RECIPES, changed, load, recipe, source
from lutlens.training.recipes.numbers import AutoencoderRecipe, RegressionRecipe
from lutlens.training.recipes.recipe import Recipe, RecipeError, ScanRecipe, Schedule

__all__ = [
    "RECIPES",
    "AutoencoderRecipe",
    "Recipe",
    "RecipeError",
    "RegressionRecipe",
    "ScanRecipe",
    "Schedule",
    "changed",
    "load",
    "recipe",
    "source",
]
