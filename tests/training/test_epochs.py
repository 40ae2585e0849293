"""Mini-batches: what an epoch of images is made of, what it measures, and that it goes on."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from images import stripes
from run_folders import Crash, contents, run

import gslt
from gslt.data.images import Variation
from gslt.diagnostics import SearchProbe
from gslt.errors import ConfigError
from gslt.masking.freeze import make_source
from gslt.masking.initialise import initialise_training
from gslt.masking.supermask import Supermask
from gslt.masking.trained import masked_weights
from gslt.nn.vision import vision_net
from gslt.random import Stream
from gslt.training.epochs import MiniBatches
from gslt.training.inputs import ImageInputs
from gslt.training.loop import Loop, identity
from gslt.training.memory_budget import estimated_bytes, kept_bytes

TINY: dict[str, Any] = {"architecture": "conv2", "width": 0.05, "epochs": 3, "batch_size": 12}
RESNET = {**TINY, "architecture": "resnet20", "width": 0.2}


@pytest.fixture(scope="module")
def images() -> gslt.ImageDataset:
    return stripes(60)


@pytest.mark.parametrize(
    "config",
    [
        gslt.SearchConfig(**TINY, freezing_ratio=0.4, seed=3),
        gslt.SearchConfig(**RESNET, sparsity_schedule="linear", runs=2),
        gslt.TrainConfig(**RESNET),
        gslt.TrainConfig(**RESNET, mask_sparsity=0.6, rewire_every=1),
        gslt.TrainConfig(**TINY, mask_sparsity=0.6, allocation="erk", runs=2),
    ],
)
def test_a_run_that_was_killed_goes_on_to_the_same_bytes(
    images: gslt.ImageDataset, tmp_path: Path, config: Any
) -> None:
    run(tmp_path / "whole", images, config)
    expected = contents(tmp_path / "whole")
    for crash in (1, 2):
        with pytest.raises(Crash):
            run(tmp_path / str(crash), images, config, crash=crash)
        run(tmp_path / str(crash), images, config)
        assert contents(tmp_path / str(crash)) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="forks a process to kill")
def test_kill_9_in_the_middle_of_an_epoch(images: gslt.ImageDataset, tmp_path: Path) -> None:
    config = gslt.SearchConfig(**RESNET, freezing_ratio=0.4)
    run(tmp_path / "whole", images, config)
    child = os.fork()
    if not child:
        usual, seen = Loop._update, [0]

        def update(self: Loop, *given: Any) -> None:
            seen[0] += 1
            if seen[0] == 5:  # Of three in an epoch.
                os.kill(os.getpid(), signal.SIGKILL)
            usual(self, *given)

        Loop._update = update  # type: ignore[method-assign]
        run(tmp_path / "killed", images, config)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    run(tmp_path / "killed", images, config)
    assert contents(tmp_path / "killed") == contents(tmp_path / "whole")


def made(images: gslt.ImageDataset, config: Any) -> Loop:
    model = vision_net(3, images.num_classes, config)
    if isinstance(config, gslt.SearchConfig):
        make_source(model, config)
    else:
        initialise_training(model, config, config.seed)
    return Loop(images, config, config.seed, model, ImageInputs(images))


def test_every_training_image_once_in_the_order_of_a_stream(
    images: gslt.ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = made(images, gslt.TrainConfig(**{**TINY, "batch_size": 8}, seed=5))
    assert isinstance(loop.kind, MiniBatches)
    seen: list[tuple[list[int], Variation | None]] = []
    usual = ImageInputs.batch

    def batch(self: ImageInputs, places: torch.Tensor, precision: Any, varied: Any = None) -> Any:
        seen.append((places.tolist(), varied))
        return usual(self, places, precision, varied)

    monkeypatch.setattr(ImageInputs, "batch", batch)
    for epoch in (1, 2):
        loop.kind.run(loop, epoch)
    assert [len(places) for places, _ in seen] == [8, 8, 8, 6] * 2
    assert (loop.kind.updates, loop.updates) == (4, 8)
    for epoch, batches in ((1, seen[:4]), (2, seen[4:])):
        order = Stream(5, f"epoch {epoch}", "order").permutation(30)
        assert [place for places, _ in batches for place in places] == order.tolist()
        how = Variation.drawn(30, seed=5, epoch=epoch)
        for number, (places, varied) in enumerate(batches):
            assert varied is not None
            own = order[8 * number : 8 * number + len(places)]
            assert varied.down.tolist() == how.down[torch.from_numpy(own)].tolist()


def test_one_update_by_hand(images: gslt.ImageDataset) -> None:
    """All 30 images at once: v = g + d w, w − lr v, the gradient by autograd."""
    config = gslt.TrainConfig(
        **{**TINY, "batch_size": 0}, augment=False, lr=0.1, weight_decay=0.01, momentum=0.9
    )
    loop, other = made(images, config), made(images, config)
    loop.kind.run(loop, 1)
    mean, deviation = images.constants
    x = images.x[:30].float() / 255
    x = (x - mean.view(1, 3, 1, 1)) / deviation.view(1, 3, 1, 1)
    F.cross_entropy(other.model(x), images.y[:30]).backward()
    for moved, weight in zip(loop.model.parameters(), other.model.parameters(), strict=True):
        assert weight.grad is not None
        torch.testing.assert_close(moved, weight - 0.1 * (weight.grad + 0.01 * weight))


def test_an_epoch_measures_its_batches_and_then_the_network(images: gslt.ImageDataset) -> None:
    config = gslt.TrainConfig(**{**RESNET, "batch_size": 20}, augment=False, lr=0.01)
    loop, other = made(images, config), made(images, config)
    loop.kind.run(loop, 1)
    loss, scores = loop.kind.measure(loop, 1)
    order = torch.from_numpy(Stream(0, "epoch 1", "order").permutation(30))
    other.model.train()
    losses, right = [], 0
    for places in (order[:20], order[20:]):
        logits = other.model(other.kind.inputs.batch(places, "float32"))  # type: ignore[attr-defined]
        losses.append(F.cross_entropy(logits, images.y[places]))
        right += int((logits.argmax(dim=1) == images.y[places]).sum())
        other._update(1, losses[-1])
    assert loss == pytest.approx((20 * losses[0] + 10 * losses[1]).item() / 30)
    assert scores["train"] == right / 30
    other.model.eval()
    logits = other.model(images.normalised(images.x))
    expected = images.accuracy(logits)
    assert (scores["val"], scores["test"]) == (expected["val"], expected["test"])


def test_the_threshold_is_found_once_an_update(
    images: gslt.ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = made(images, gslt.SearchConfig(**RESNET))
    found = []
    usual = Supermask._derive
    monkeypatch.setattr(Supermask, "_derive", lambda *given: found.append(1) or usual(*given))
    loop.kind.run(loop, 1)
    assert len(found) == loop.kind.updates == 3
    loop.kind.measure(loop, 1)
    # Once for each of validation and test, however many chunks there are.
    assert len(found) == 5


@pytest.mark.parametrize("architecture", ["conv2", "resnet20", "resnet18"])
def test_a_ticket_evaluates_to_the_last_image(
    images: gslt.ImageDataset, tmp_path: Path, architecture: str
) -> None:
    config = gslt.SearchConfig(
        **{**TINY, "architecture": architecture, "epochs": 2}, freezing_ratio=0.4
    )
    run = gslt.search(images, config, progress=False).best
    assert run.ticket is not None
    run.ticket.save(tmp_path / "t.gslt")
    ticket = gslt.load_ticket(tmp_path / "t.gslt")
    model = ticket.model()
    with torch.no_grad():
        x = images.normalised(images.x)
        assert torch.equal(model(x), run.model(x))
        assert torch.equal(ticket.model(baked=True)(x), run.model(x))
    scores = gslt.evaluate(model, images)
    assert scores == {n: getattr(run, f"{n}_accuracy") for n in ("train", "val", "test")}
    assert ticket.content_hash == images.content_hash
    # 32 N / (one bit a searched weight, and 32 for mean and variance of every channel).
    channels = sum(b.numel() for name, b in model.named_buffers() if "running" in name)
    size = ticket.size()
    assert (size.stored, size.stored_bytes) == (channels, 4 * channels)
    assert size.ratio == pytest.approx(32 * size.total / (size.searched + 32 * channels))
    assert (channels == 0) == (architecture == "conv2")


def test_a_mutated_ticket_is_refused(images: gslt.ImageDataset) -> None:
    config = gslt.SearchConfig(**{**RESNET, "epochs": 1})
    ticket = gslt.search(images, config, progress=False).best.ticket
    assert ticket is not None
    data = ticket.to_bytes()
    for place in range(9, len(data), len(data) // 40):
        mutated = bytearray(data)
        mutated[place] ^= 1
        with pytest.raises(gslt.TicketError):
            gslt.Ticket.from_bytes(bytes(mutated))
    name = next(iter(ticket.state))
    for state, message in (
        ({**ticket.state, "layers.0.late": torch.ones(2)}, "has no value 'layers.0.late'"),
        ({**ticket.state, name: torch.ones(2)}, f"has no value '{name}'"),
        ({"norm.running_var": torch.full((3,), -1.0)}, "a variance in .* is negative"),
    ):
        with pytest.raises(gslt.TicketError, match=message):
            dataclasses.replace(ticket, state=state).to_bytes()
    with pytest.raises(gslt.ConfigError, match="resnet20 is a network of images, which has no mes"):
        ticket.model("dgl")


def test_bfloat16_is_evaluated_in_float32(images: gslt.ImageDataset) -> None:
    config = gslt.SearchConfig(**RESNET, precision="bfloat16")
    run = gslt.search(images, config, progress=False).best
    assert all(p.dtype == torch.float32 for p in run.model.parameters())
    assert gslt.evaluate(run.model, images)["test"] == run.test_accuracy
    wide = gslt.search(images, dataclasses.replace(config, precision="float32"), progress=False)
    assert run.history[0].loss != wide.history[0].loss
    assert run.history[0].loss == pytest.approx(wide.history[0].loss, rel=0.1)


def test_a_search_learns_the_stripes() -> None:
    config = gslt.SearchConfig(
        architecture="conv2", width=0.1, epochs=5, batch_size=10, augment=False
    )
    result = gslt.search(stripes(160), config, progress=False)
    assert result.best.last_test_accuracy > 0.9


def test_graphs_and_images_are_kept_apart(
    images: gslt.ImageDataset, blocks: gslt.NodeDataset
) -> None:
    with pytest.raises(gslt.ConfigError, match=r"is a set of images, and gin is a network of grap"):
        gslt.search(images, gslt.SearchConfig(epochs=1), progress=False)
    with pytest.raises(gslt.ConfigError, match=r"is a graph, and conv2 is a network of images"):
        gslt.train(blocks, gslt.TrainConfig(**TINY), progress=False)
    with pytest.raises(gslt.ConfigError, match="over-smoothing is measured on a graph, and stri"):
        SearchProbe(images, 1)
    loop = made(images, gslt.TrainConfig(**TINY))
    with pytest.raises(gslt.ConfigError, match="the model takes 3 channels and gives 4 classes"):
        gslt.evaluate(loop.model, stripes(60, classes=5))
    assert identity(images) == {"images": [images.name, 0, 60, 3, 4]}


def test_a_probe_sees_images_that_the_model_can_be_called_with(images: gslt.ImageDataset) -> None:
    seen = []

    class Own:
        def begin(self, seed: int, done: int, epochs: int) -> None:
            seen.append("begin")

        def __call__(self, seed: int, epoch: int, epochs: int, model: Any, inputs: Any, best: int):
            with torch.no_grad():
                seen.append(tuple(model.eval()(*inputs).shape))

        def end(self, *_: Any) -> None:
            seen.append("end")

    gslt.search(images, gslt.SearchConfig(**{**TINY, "epochs": 1}), progress=False, probe=Own())
    assert seen == ["begin", (15, 4), (15, 4), "end"]


def test_memory_by_hand(images: gslt.ImageDataset) -> None:
    """Conv2 of width 0.05: 3 channels; numbers of 4 bytes, places of the pool of 8.

    Of an image the input is kept, 3 · 32², both outputs of ReLU, 3 · 32² each, pooled values and
    their places, 3 · 16² each, and the outputs of two linear layers, 13 each.
    """
    config = gslt.TrainConfig(**TINY)
    per_image = 4 * (3 * 1024 + 2 * 3 * 1024 + 3 * 256 + 2 * 13) + 8 * 3 * 256
    assert kept_bytes(images, config, 7) == 7 * per_image
    # Two times what is kept, less than the 60 images of a chunk take, of which half counts.
    halved = estimated_bytes(images, dataclasses.replace(config, batch_size=6))
    assert estimated_bytes(images, config) - halved == 6 * per_image
    chunk = 4 * 60 * 4 * 1024 * 3
    weights = 4 * 12 * sum(p.numel() for p in vision_net(3, 4, config).parameters())
    expected = 64_000_000 + weights + chunk + 12 * per_image
    assert estimated_bytes(images, config) == expected


@pytest.mark.parametrize("regrow", ["gradient", "random"])
def test_the_first_update_of_an_epoch_rewires(images: gslt.ImageDataset, regrow: str) -> None:
    config = gslt.TrainConfig(
        **TINY, mask_sparsity=0.5, rewire_every=2, rewire_until=1.0, regrow=regrow, lr=0.01
    )
    loop = made(images, config)
    masked = list(masked_weights(loop.model))
    moved: list[tuple[int, int]] = []
    came: list[torch.Tensor] = []
    usual = loop._update

    def update(epoch: int, loss: torch.Tensor) -> None:
        before = [(each.kept.clone(), each.weight.detach().clone()) for each in masked]
        usual(epoch, loss)
        pairs = list(zip(before, masked, strict=True))
        if not all(torch.equal(kept, each.kept) for (kept, _), each in pairs):
            moved.append((epoch, loop.updates))
            came[:] = [each.kept & ~kept for (kept, _), each in pairs]
            # No step of the optimizer: what stays is as it was, what is new is 0.
            for (kept, weight), each in pairs:
                stays = kept & each.kept
                assert torch.equal(each.weight[stays], weight[stays])
                assert not each.weight[each.kept & ~kept].any()
        for (kept, _), each in pairs:
            assert kept.sum() == each.kept.sum()
            assert not each.weight[~each.kept].any()

    loop._update = update  # type: ignore[method-assign]
    for epoch in (1, 2, 3):
        loop.kind.run(loop, epoch)
    # 30 images in batches of 12: three updates an epoch; the fourth rewires.
    assert moved == [(2, 4)]
    # What was regrown has been trained in the epoch's other updates.
    assert any(each.weight[new].any() for each, new in zip(masked, came, strict=True))


def test_every_epoch_of_mini_batches_may_rewire_but_not_every_update(
    images: gslt.ImageDataset,
) -> None:
    mask: dict[str, Any] = {"mask_sparsity": 0.5, "rewire_every": 1}
    assert list(gslt.TrainConfig(**TINY, **mask).rewirings) == [1, 2]
    with pytest.raises(ConfigError, match="rewire_every must be at least 2, got 1"):
        gslt.TrainConfig(**{**TINY, "batch_size": 0}, **mask)
    config = gslt.TrainConfig(**{**TINY, "batch_size": 30}, **mask)
    with pytest.raises(ConfigError, match="all 30 training images are one batch"):
        gslt.train(images, config, progress=False)


def test_memory_of_masks_on_images_by_hand(images: gslt.ImageDataset) -> None:
    config = gslt.TrainConfig(**TINY)
    masked = dataclasses.replace(config, mask_sparsity=0.5)
    rewired = dataclasses.replace(masked, rewire_every=1)
    sizes = [p.numel() for p in vision_net(3, 4, config).parameters()]
    usual = estimated_bytes(images, config)
    assert estimated_bytes(images, masked) - usual == sum(sizes) + 4 * max(sizes)
    assert estimated_bytes(images, rewired) - usual == sum(sizes) + 24 * max(sizes)
