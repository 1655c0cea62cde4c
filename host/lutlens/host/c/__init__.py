"""A lutnet as a bit-sliced C program: generated, compiled, cached and loaded at run time."""

from lutlens.host.c.executor import Executor

__all__ = ["Executor"]
