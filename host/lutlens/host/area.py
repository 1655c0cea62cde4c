"""What a lutnet takes on the chip: the core and the whole programmable logic, synthesised."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from lutlens.board import manifest
from lutlens.host.lutnet import Lutnet
from lutlens.host.rtl import Build, core_sources, network_sources, pl_sources
from lutlens.host.synthesis import Resources, synthesise


def synthesise_all(lutnet: Lutnet, build: Build) -> dict[str, Resources]:
    """Resources by name: `core` is encoder, network and scorer; `pl` all of the logic.

    Raises GenerationError or SynthesisError.
    """
    network = network_sources(lutnet, build)
    tops = {
        "core": (network | core_sources(build), build.core),
        "pl": (network | pl_sources(build), "lutlens_pl"),
    }
    with ThreadPoolExecutor() as pool:  # each is a process of its own
        runs = {name: pool.submit(synthesise, *design) for name, design in tops.items()}
        return {name: run.result() for name, run in runs.items()}


def for_manifest(resources: dict[str, Resources]) -> manifest.Resources:
    """The same as the manifest has it."""
    cells = {
        name: manifest.Cells(lut=found.lut, ff=found.ff, bram36=found.bram36, carry4=found.carry4)
        for name, found in resources.items()
    }
    return manifest.Resources(**cells)
