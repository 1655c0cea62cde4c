"""Recipes as TOML files: the fields of `Recipe`, whose name is the file's.

With a table `scenery` they are those of `ScanRecipe`, with `code` of `AutoencoderRecipe`, and where the data set has
numbers of `RegressionRecipe`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lutlens.training import datasets
from lutlens.training.network import Network
from lutlens.training.recipes.numbers import AutoencoderRecipe, RegressionRecipe
from lutlens.training.recipes.recipe import Recipe, RecipeError, ScanRecipe
from pydantic import ValidationError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SUFFIX = ".toml"


def load(path: Path) -> Recipe:
    """A recipe's file. Raises RecipeError that names the file and the field."""
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RecipeError(f"{path}: not readable as TOML ({error})") from error
    if "name" in fields:
        raise RecipeError(f"{path}: name: not a field, a recipe is called as its file is")
    try:
        return _kind(fields).model_validate({"name": path.stem, **fields})
    except ValidationError as error:
        raise RecipeError("\n".join(f"{path}: {line}" for line in _lines(error))) from error


def _kind(fields: dict[str, Any]) -> type[Recipe]:
    if "scenery" in fields:
        return ScanRecipe
    if "code" in fields:
        return AutoencoderRecipe
    return RegressionRecipe if fields.get("data") in datasets.OF_NUMBERS else Recipe


def recipe(name: str) -> Recipe:
    """A recipe that ships, by its name, or one's own, by the path of its file. Raises RecipeError."""
    if name.endswith(SUFFIX):
        return _checked(load(Path(name)), name)
    try:
        return RECIPES[name]
    except KeyError:
        raise RecipeError(
            f"{name}: no such recipe; there is {', '.join(RECIPES)}, or give a file NAME{SUFFIX}"
        ) from None


def changed(recipe: Recipe, changes: Sequence[str]) -> Recipe:
    """The recipe with fields of another value.

    changes: `FIELD=VALUE` each, the field with dots between its parts (`schedule.epochs`,
        `stages.0.layers`), the value as TOML.

    Raises RecipeError that names the change.
    """
    if not changes:
        return recipe
    fields = recipe.model_dump()
    for change in changes:
        field, equals, value = change.partition("=")
        try:
            if not equals:
                raise ValueError("must be FIELD=VALUE")
            _put(fields, field.strip().split("."), tomllib.loads(f"value = {value}")["value"])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise RecipeError(f"{recipe.name}: {change}: {error}") from error
    try:
        made = type(recipe).model_validate(fields)
    except ValidationError as error:
        raise RecipeError("\n".join(f"{recipe.name}: {line}" for line in _lines(error))) from error
    return _checked(made, recipe.name)


def _put(fields: Any, path: Sequence[str], value: Any) -> None:
    for part in path[:-1]:
        if isinstance(fields, dict) and fields[part] is None:
            fields[part] = {}
        fields = fields[int(part) if isinstance(fields, tuple) else part]
    fields[path[-1]] = value


def _checked(recipe: Recipe, origin: str) -> Recipe:
    """The recipe, if its network can be made."""
    try:
        Network(recipe.network(recipe.classes))
    except ValueError as error:
        raise RecipeError(f"{origin}: {error}") from error
    return recipe


def source(name: str) -> str:
    """The text of a recipe that ships. Raises RecipeError."""
    recipe(name)
    return _path(name).read_text(encoding="utf-8")


def _path(name: str) -> Path:
    return Path(__file__).with_name(f"{name}{SUFFIX}")


def _lines(error: ValidationError) -> list[str]:
    return [f"{_field(one['loc'])}: {one['msg']}" for one in error.errors()]


def _field(location: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in location) or "recipe"


RECIPES = {
    path.stem: load(path)
    for path in sorted(Path(__file__).parent.glob(f"*{SUFFIX}"), key=lambda path: path.stem)
}
