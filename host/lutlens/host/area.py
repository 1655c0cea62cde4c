"""What a lutnet takes on the chip: the core and the whole programmable logic, synthesised."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from lutlens.board import manifest
from lutlens.host.lutnet import Lutnet
from lutlens.host.rtl import Build, core_sources, network_sources, pl_sources
from lutlens.host.synthesis import Resources, synthesise


def synthesise_core(lutnet: Lutnet, build: Build) -> Resources:
    """Encoder, network and scorer. Raises GenerationError or SynthesisError."""
    return synthesise(network_sources(lutnet, build) | core_sources(build), build.core)


def synthesise_all(lutnet: Lutnet, build: Build) -> dict[str, Resources]:
    """Resources by name: `core` is encoder, network and scorer; `pl` all of the logic.

    Raises GenerationError or SynthesisError.
    """
    with ThreadPoolExecutor() as pool:  # each is a process of its own
        core = pool.submit(synthesise_core, lutnet, build)
        everything = network_sources(lutnet, build) | pl_sources(build)
        pl = pool.submit(synthesise, everything, "lutlens_pl")
        return {"core": core.result(), "pl": pl.result()}


def for_manifest(resources: dict[str, Resources]) -> manifest.Resources:
    """The same as the manifest has it."""
    cells = {
        name: manifest.Cells(lut=found.lut, ff=found.ff, bram36=found.bram36, carry4=found.carry4)
        for name, found in resources.items()
    }
    return manifest.Resources(**cells)
