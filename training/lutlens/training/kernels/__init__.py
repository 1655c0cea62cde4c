"""What a layer's forward and backward pass spend their time in."""

from lutlens.training.kernels import reference

__all__ = ["reference"]
