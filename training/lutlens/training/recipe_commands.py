"""`lutlens recipes`: what can be trained."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from lutlens.host.commands import JsonOption
from lutlens.training import recipes as kept
from lutlens.training.recipes import Recipe
from rich.console import Console
from rich.table import Column, Table


def recipes(
    name: Annotated[
        str | None, typer.Argument(help="Print this one's file.", show_default=False)
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """List the recipes that networks are trained by, or print one to copy and change.

    A recipe is a TOML file: the data set, how pixels become bits, the stages with their nodes, and
    the schedule. `lutlens train` takes a name from this list, or a file of your own.

        lutlens recipes
        lutlens recipes digits > mine.toml
        lutlens train mine.toml
    """
    if name is not None:
        text = kept.source(name)
        print(json.dumps({"name": name, "toml": text}) if json_output else text, end="")
        return
    if json_output:
        print(json.dumps([_summary(recipe) for recipe in kept.RECIPES.values()]))
        return
    whole = (Column(name, no_wrap=True) for name in ("recipe", "data", "input", "nodes"))
    table = Table(*whole, "what it is", title="recipes")
    for recipe in kept.RECIPES.values():
        told = _summary(recipe)
        size = "x".join(str(length) for length in recipe.input_shape)
        nodes = f"{told['nodes']:,}"
        table.add_row(recipe.name, recipe.data, size, nodes, recipe.description)
    Console().print(table)


def _summary(recipe: Recipe) -> dict[str, str | int | list[int]]:
    stages = recipe.network(recipe.classes).stages
    return {
        "name": recipe.name,
        "description": recipe.description,
        "data": recipe.data,
        "input_shape": list(recipe.input_shape),
        "encoder_bits": recipe.encoder_bits,
        "nodes": sum(layer.nodes for stage in stages for layer in stage.layers),
    }
