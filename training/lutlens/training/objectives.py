"""What a training minimises: recognition of classes, or the error of outputs that are numbers."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import torch
from lutlens.board.values import Values
from lutlens.training.network import Network
from torch import Tensor, nn
from torch.nn import functional


class Objective(nn.Module):
    """May have parameters of its own, which are of no use but to train."""

    @abstractmethod
    def forward(self, network: Network, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The loss, a mean over the batch; and how well its images were done, a sum over them: 1 for each that
        was recognised, or what it adds to R2.

        pixels: uint8 `[batch, height, width(, channels)]`. labels: of the data set, `[batch(, outputs)]`.
        """


class Recognition(Objective):
    """Cross-entropy of classes."""

    def forward(self, network: Network, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = network(pixels)
        right = (logits.detach().argmax(dim=1) == labels).sum()
        return functional.cross_entropy(logits, labels), right


class Regression(Objective):
    """Squared error of numbers, as a share of the variance that they have.

    values: their range.
    variance: of the training set's, in the square of their unit, the mean over outputs.
    passes: under so many thresholds every image is run; their outputs are averaged before they are compared.
    """

    def __init__(self, values: Values, variance: float, passes: int = 1) -> None:
        super().__init__()
        self.values, self.passes = values, passes
        self.variance = variance / (values.high - values.low) ** 2

    def forward(self, network: Network, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        rows, _ = network.rows(network.encoder(pixels, passes=self.passes))
        return self.error(rows, self.shares(labels))

    def shares(self, labels: Tensor) -> Tensor:
        """float32 `[outputs, batch]`, 0 to 1 over the range."""
        low, high = self.values.low, self.values.high
        return (labels.t().float() - low) / (high - low)

    def error(self, rows: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Loss and explained variance, as `forward` returns them.

        rows: the last layer's bits, `[outputs * n, passes * batch]`; targets: `[outputs, batch]`.
        """
        squared: Tensor = _SquaredError.apply(rows, targets, self.passes)  # type: ignore[no-untyped-call]
        squared = squared / self.variance
        return squared.mean(), (1 - squared.detach()).sum()


class _SquaredError(torch.autograd.Function):
    """Of every image, the mean over outputs, `[batch]`.

    With N = n * passes bits y_i an output, it is `(sum y_i / N - t)^2 + sum y_i (1 - y_i) / N^2`: the squared error
    that is expected if bits are independent with probabilities y_i. Where they are 0 or 1 the second term is nothing,
    but its gradient turns that of the first into what flipping one bit does to the error. Without it a bit
    that is an output alone finds no rest: a 1 is always too much, a 0 too little.

    By hand, because there are many bits: autograd would make and read them several times more.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, targets: Tensor, passes: int) -> Tensor:
        outputs, batch = targets.shape
        bits = rows.view(outputs, -1, passes, batch)
        ctx.count = bits.shape[1] * passes
        total = bits.sum(dim=(1, 2))
        error = total / ctx.count - targets
        spread = total - bits.square().sum(dim=(1, 2))
        ctx.save_for_backward(bits, error)
        squared: Tensor = (error.square() + spread / ctx.count**2).mean(dim=0)
        return squared

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        bits, error = ctx.saved_tensors
        share = gradient / (len(error) * ctx.count)
        same = (2 * error + 1 / ctx.count) * share
        own = (-2 / ctx.count) * share
        to_bits = torch.addcmul(same[:, None, None], bits, own)
        return to_bits.view(-1, bits.shape[2] * bits.shape[3]), None, None


class Reconstruction(Regression):
    """An encoder to a code and a decoder from it, which learn at once, but not from each other.

    Through a decoder of tables, which begin as noise and of which most are near a constant soon, an encoder learns
    next to nothing. So it learns from a linear reader of its code, logistic regression of every pixel, which is left
    behind; the decoder learns to decode what code there is.

    code: bits. encoder: the number of stages up to it.
    prior: float32 `[pixels]`, mean shares of the training images.
    """

    def __init__(
        self,
        values: Values,
        variance: float,
        passes: int,
        *,
        code: int,
        encoder: int,
        prior: Tensor,
    ) -> None:
        super().__init__(values, variance, passes)
        self.encoder = encoder
        self.reader = nn.Linear(code, len(prior))
        with torch.no_grad():
            self.reader.weight.zero_()
            self.reader.bias.copy_(torch.logit(prior, eps=0.01))

    def forward(self, network: Network, pixels: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        targets = self.shares(labels)
        bits = network.encoder(pixels, passes=self.passes)
        code, _ = network.rows(bits, slice(0, self.encoder))
        read = self.reader(2 * code.t() - 1)
        reading = functional.binary_cross_entropy_with_logits(
            read, targets.t().repeat(self.passes, 1)
        )
        rows, _ = network.rows(code.detach()[None, None], slice(self.encoder, None))
        loss, explained = self.error(rows, targets)
        return loss + reading, explained
