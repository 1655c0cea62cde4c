"""The host room: from a lutnet to something that runs.

Reading and writing lutnets, netlists, code generation, simulation, overlays, the command line.
"""

from lutlens.host.lutnet import Layer, Lutnet, LutnetError, Stage
from lutlens.host.scores import answers

__all__ = ["Layer", "Lutnet", "LutnetError", "Stage", "answers"]
