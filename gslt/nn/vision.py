"""Classifiers of images: plain convolutions (Conv2, Conv4, Conv6), and ResNet-18 and ResNet-20.

They are the networks in which strong tickets were first looked for. No biases, and no affine part
in a norm: all their parameters are weights, which :func:`gslt.freeze` freezes as those of a graph's
layers. Images are 32 × 32.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gslt.config import Architecture, ModelConfig
from gslt.errors import ConfigError, DataError
from gslt.nn.hooks import observed
from gslt.settings import part

#: Pixels of an image's side.
SIDE = 32


class Conv(nn.Conv2d):
    """``torch.nn.Conv2d`` that keeps the size at stride 1, without bias, in the input's type.

    Args:
        in_channels: input channels.
        out_channels: output channels.
        kernel: side of the kernel, odd.
        stride: as in torch.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1):
        super().__init__(
            in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in, H, W)`` → ``(N, out, ⌈H / stride⌉, ⌈W / stride⌉)``."""
        out: Tensor = self._conv_forward(x, self.weight.to(x.dtype), None)
        return out


class Dense(nn.Linear):
    """``torch.nn.Linear`` without bias, in the input's type.

    Args:
        in_features: input width.
        out_features: output width.
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in)`` → ``(N, out)``."""
        return F.linear(x, self.weight.to(x.dtype))


class Norm(nn.BatchNorm2d):
    """Batch normalisation without affine part (Ioffe & Szegedy 2015, arXiv 1502.03167).

    In training it takes mean and variance of the batch, and afterwards the running ones, which
    forget a tenth at every batch. They are all its state: 2 numbers a channel, which a ticket
    stores.

    Args:
        channels: of the input ``(N, channels, H, W)``.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=False)
        # With a constant momentum nothing depends on how many batches there were.
        self.num_batches_tracked = None

    def reset_running_stats(self) -> None:
        """Mean 0 and variance 1, as torch has it; there is no count of batches to reset."""
        if self.running_mean is not None and self.running_var is not None:
            self.running_mean.zero_()
            self.running_var.fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, channels, H, W)`` → the same shape.

        Raises:
            ConfigError: without a momentum, as torch's ``update_bn`` takes it away: a mean over all
                batches needs their count, which is not kept.
        """
        if self.momentum is None:
            raise ConfigError(
                "these norms keep no count of batches, so that momentum=None (torch's update_bn) "
                "would leave their statistics as they are; set a momentum, and run the network in "
                "training mode over the images"
            )
        out: Tensor = super().forward(x)
        return out

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: dict[str, Any], *rest: Any
    ) -> None:
        # torch takes a state without this for one of its older norms, and adds a count of batches.
        now = {**local_metadata, "version": self._version}
        super()._load_from_state_dict(state_dict, prefix, now, *rest)


class Block(nn.Module):
    """Residual block: ReLU(s(x) + BN(W₂ ReLU(BN(W₁ x)))) (He et al. 2015, arXiv 1512.03385).

    s(x) is x where the shape stays. Where it changes, it is BN(W₃ x) with 1 × 1 kernels (option B,
    ResNet-18), or every second pixel of x with zeros for the new channels (option A, ResNet-20,
    which has no weight there).

    Args:
        in_channels: input channels.
        out_channels: output channels.
        stride: of the first convolution.
        projected: whether a change of shape has weights.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int, *, projected: bool):
        super().__init__()
        self.first, self.norm1 = Conv(in_channels, out_channels, 3, stride), Norm(out_channels)
        self.second, self.norm2 = Conv(out_channels, out_channels), Norm(out_channels)
        self.stride, self.more = stride, out_channels - in_channels
        changes = stride > 1 or in_channels != out_channels
        self.shortcut = (
            Conv(in_channels, out_channels, 1, stride) if changes and projected else None
        )
        self.norm3 = Norm(out_channels) if self.shortcut is not None else None

    def forward(self, x: Tensor) -> Tensor:
        """``(N, in, H, W)`` → ``(N, out, ⌈H / stride⌉, ⌈W / stride⌉)``."""
        out = F.relu(self.norm1(self.first(x)), inplace=True)
        return F.relu(self.norm2(self.second(out)) + self._skip(x), inplace=True)

    def _skip(self, x: Tensor) -> Tensor:
        if self.shortcut is not None and self.norm3 is not None:
            return self.norm3(self.shortcut(x))  # type: ignore[no-any-return]
        x = x[:, :, :: self.stride, :: self.stride]
        return F.pad(x, (0, 0, 0, 0, 0, self.more)) if self.more else x


class VisionNet(nn.Module):
    """Classifier of images of ``config``: what all have in common.

    A layer, ``layers.0`` first, is a convolution, a residual block or a linear layer; freezing
    names its weights by it. ReLU works in place: a forward hook that keeps a layer's output has to
    copy it, or it is rectified afterwards.

    Args:
        in_channels: of an image, 3 of a coloured one.
        out_channels: number of classes.
        config: architecture and width factor.
    """

    def __init__(self, in_channels: int, out_channels: int, config: ModelConfig) -> None:
        super().__init__()
        # A SearchConfig is a ModelConfig too; keep the model's own fields only.
        self.config = part(ModelConfig, config)
        self.in_channels, self.out_channels = in_channels, out_channels
        self.layers = nn.ModuleList()

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Logits ``(N, classes)``, in single precision at least.

        Activations and products have the type of ``x``.

        Args:
            x: images ``(N, in, 32, 32)``, normalised.
            generator: takes no part: nothing here is drawn.

        Raises:
            DataError: for pixels that are no floating-point numbers, or images of another shape.
        """
        self._check(x)
        logits = self.logits(x)
        return logits.to(torch.promote_types(logits.dtype, torch.float32))

    def _check(self, x: Tensor) -> None:
        if not x.is_floating_point():
            raise DataError(
                f"pixels are {str(x.dtype).removeprefix('torch.')}, and the network takes "
                "normalised ones: model(dataset.normalised(pixels)), or gslt.evaluate"
            )
        if x.dim() != 4 or tuple(x.shape[1:]) != (self.in_channels, SIDE, SIDE):
            raise DataError(
                f"images must be of shape (N, {self.in_channels}, {SIDE}, {SIDE}), got "
                f"{tuple(x.shape)}"
            )

    def logits(self, x: Tensor) -> Tensor:
        """Logits ``(N, classes)`` in the type of x ``(N, in, 32, 32)``."""
        raise NotImplementedError


class PlainNet(VisionNet):
    """Pairs of 3 × 3 convolutions with a pool of 2 × 2 behind each, then three linear layers.

    ReLU behind every layer but the last; no norm. Conv2, Conv4 and Conv6 of Frankle & Carbin 2019
    (arXiv 1803.03635, figure 2), without their biases.

    Args:
        in_channels: of an image.
        out_channels: number of classes.
        config: width factor.
        channels: of each pair.
    """

    def __init__(
        self, in_channels: int, out_channels: int, config: ModelConfig, channels: Sequence[int]
    ) -> None:
        super().__init__(in_channels, out_channels, config)
        widths = [_wide(each, config) for each in channels]
        convs = [in_channels, *(width for each in widths for width in (each, each))]
        side, hidden = SIDE // 2 ** len(widths), _wide(256, config)
        linears = [side * side * widths[-1], hidden, hidden, out_channels]
        self.layers.extend(Conv(i, o) for i, o in pairwise(convs))
        self.layers.extend(Dense(i, o) for i, o in pairwise(linears))

    def logits(self, x: Tensor) -> Tensor:
        """Logits ``(N, classes)`` in the type of x ``(N, in, 32, 32)``."""
        *convs, first, second, last = self.layers
        for number, conv in enumerate(convs):
            x = F.relu(conv(x), inplace=True)
            if number % 2:
                x = F.max_pool2d(x, 2)
            x = observed("layer", x)
        x = x.flatten(1)
        for linear in (first, second):
            x = observed("layer", F.relu(linear(x), inplace=True))
        return observed("layer", last(x))


class ResNet(VisionNet):
    """3 × 3 stem, stages of residual blocks, mean over the pixels, a linear layer.

    Every stage but the first halves the side. ResNet-18 has four stages of two blocks, 64 to 512
    wide, with projected shortcuts; ResNet-20 three of three blocks, 16 to 64 wide, without (He et
    al. 2015, arXiv 1512.03385, sections 3.3 and 4.2).

    Args:
        in_channels: of an image.
        out_channels: number of classes.
        config: width factor.
        channels: of each stage.
        blocks: of each stage.
        projected: whether shortcuts between different shapes have weights.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        config: ModelConfig,
        channels: Sequence[int],
        blocks: int,
        *,
        projected: bool,
    ) -> None:
        super().__init__(in_channels, out_channels, config)
        widths = [_wide(each, config) for each in channels]
        self.layers.append(Conv(in_channels, widths[0]))
        self.norm = Norm(widths[0])
        before = widths[0]
        for stage, width in enumerate(widths):
            for number in range(blocks):
                stride = 2 if stage and not number else 1
                self.layers.append(Block(before, width, stride, projected=projected))
                before = width
        self.layers.append(Dense(before, out_channels))

    def logits(self, x: Tensor) -> Tensor:
        """Logits ``(N, classes)`` in the type of x ``(N, in, 32, 32)``."""
        stem, *blocks, last = self.layers
        x = observed("layer", F.relu(self.norm(stem(x)), inplace=True))
        for block in blocks:
            x = observed("layer", block(x))
        return observed("layer", last(x.mean((2, 3))))


def _wide(channels: int, config: ModelConfig) -> int:
    return max(1, round(config.width * channels))


def norm_shapes(
    in_channels: int, out_channels: int, config: ModelConfig
) -> dict[str, tuple[int, ...]]:
    """Names and shapes of a network's running statistics, in their order; nothing is allocated.

    >>> norm_shapes(3, 10, ModelConfig(architecture="conv6"))
    {}

    Args:
        in_channels: of an image.
        out_channels: number of classes.
        config: architecture and width factor.
    """
    with torch.device("meta"):
        buffers = vision_net(in_channels, out_channels, config).named_buffers()
        return {name: tuple(value.shape) for name, value in buffers}


#: The network of each architecture, from channels, classes and config.
NETWORKS: dict[Architecture, Callable[[int, int, ModelConfig], VisionNet]] = {
    "conv2": lambda i, o, config: PlainNet(i, o, config, (64,)),
    "conv4": lambda i, o, config: PlainNet(i, o, config, (64, 128)),
    "conv6": lambda i, o, config: PlainNet(i, o, config, (64, 128, 256)),
    "resnet18": lambda i, o, config: ResNet(i, o, config, (64, 128, 256, 512), 2, projected=True),
    "resnet20": lambda i, o, config: ResNet(i, o, config, (16, 32, 64), 3, projected=False),
}


def vision_net(in_channels: int, out_channels: int, config: ModelConfig) -> VisionNet:
    """The network of images of a config, on the device that torch makes tensors on.

    Args:
        in_channels: of an image.
        out_channels: number of classes.
        config: architecture, a key of :data:`NETWORKS`, and width factor.

    >>> sum(p.numel() for p in vision_net(3, 10, ModelConfig(architecture="conv6")).parameters())
    2261184
    """
    # torch fills new layers from its global generator; every weight is replaced later.
    with torch.random.fork_rng(devices=[]):
        return NETWORKS[config.architecture](in_channels, out_channels, config)
