"""Sets of images: their rules, their constants, and the variation of a batch by hand."""

from __future__ import annotations

import dataclasses
import hashlib
from typing import Any

import pytest
import torch
from images import stripes

import gslt
from gslt.data.content import content_facts
from gslt.data.images import Variation, train_and_val
from gslt.data.labelled import LabelledData
from gslt.data.profile import profile
from gslt.errors import DataError
from gslt.random import Stream


def test_facts_by_hand() -> None:
    data = stripes(16)
    assert isinstance(data, LabelledData)
    assert data.num_features == data.counts["channels"]
    assert data.counts == {"images": 16, "channels": 3, "classes": 4}
    assert content_facts(data) == {
        "content_hash": data.content_hash,
        **data.counts,
        "train": 8,
        "val": 4,
        "test": 4,
    }
    assert content_facts(data).items() <= data.info().items()
    assert data.majority_rate() == {"train": 0.25, "val": 0.25, "test": 0.25}
    assert "16 images, 3 channels, 4 classes; train 8, val 4, test 4" in repr(data)
    facts = profile(data)
    assert facts["split_counts"]["val"] == {"0": 1, "1": 1, "2": 1, "3": 1}
    assert "in_degree" not in facts


def test_content_hash_by_hand_and_what_it_sees() -> None:
    data = stripes(16)
    digest = hashlib.sha256(b"4|torch.uint8 (16, 3, 32, 32)|" + data.x.numpy().tobytes())
    digest.update(b"|torch.int64 (16,)|" + data.y.numpy().tobytes())
    for mask in data.splits.values():
        digest.update(b"|torch.bool (16,)|" + mask.numpy().tobytes())
    assert data.content_hash == digest.hexdigest()
    assert dataclasses.replace(data, name="other", split=3).content_hash == data.content_hash
    before = data.content_hash
    data.x[0, 0, 0, 0] += 1
    assert data.content_hash != before


def test_constants_are_those_of_the_training_images_alone() -> None:
    data = stripes(16)
    data.x[:8] = 0
    data.x[:8, 0, :, :16] = 255
    data.x[:8, 1] = 51
    mean, deviation = data.constants
    # Half of the first channel is white; the second is a fifth throughout, and left as it is.
    assert mean.tolist() == pytest.approx([0.5, 0.2, 0.0])
    assert deviation.tolist() == pytest.approx([0.5, 1.0, 1.0])
    assert data.normalised(data.x[:1])[0, :, 0, 0].tolist() == pytest.approx([1.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": torch.zeros(16, 3, 32, 32)}, "x must be torch.uint8, got torch.float32"),
        ({"x": torch.zeros(16, 3, 28, 28, dtype=torch.uint8)}, "32 × 32 pixels and one channel"),
        ({"y": torch.full((16,), 4)}, r"y\[0\] is 4, but labels are 0 … 3"),
        ({"y": torch.full((16,), -1)}, r"y\[0\] is -1"),
        ({"y": torch.zeros(15, dtype=torch.int64)}, "y holds 15 labels for 16 images"),
        ({"val_mask": torch.zeros(16, dtype=torch.bool)}, "put at least one labelled image"),
        ({"val_mask": torch.ones(16, dtype=torch.bool)}, "an image may be in one split only"),
        ({"class_names": ("a",)}, "class_names holds 1 names for 4 classes"),
        ({"task": "multilabel"}, "task must be 'multiclass' for images"),
        ({"num_classes": 1}, "num_classes must be an integer of at least 2"),
    ],
)
def test_rules(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        dataclasses.replace(stripes(16), **change)


def test_logits_and_graphs_are_refused_in_words_of_images() -> None:
    data = stripes(16)
    with pytest.raises(DataError, match=r"\(images, classes\).*score every image at once"):
        data.score(torch.zeros(3, 4))
    with pytest.raises(DataError, match="is a set of images, and this needs a graph"):
        gslt.as_dataset(data)


def test_four_fifths_train_by_a_named_stream() -> None:
    train, val = train_and_val(50, seed=3)
    order = Stream(3, "images", "split").permutation(50)
    assert sorted(order[:10].tolist()) == val.tolist()
    assert sorted([*train.tolist(), *val.tolist()]) == list(range(50))
    assert train_and_val(50, seed=4)[1].tolist() != val.tolist()
    assert [len(places) for places in train_and_val(2, seed=0)] == [1, 1]


def test_variation_of_one_row_by_hand() -> None:
    x = torch.arange(1.0, 4.0).view(1, 1, 1, 3).expand(4, 1, 1, 3)
    # Stay; one to the right; mirrored; one to the left and then mirrored.
    how = Variation(
        torch.full((4,), 4), torch.tensor([4, 5, 4, 3]), torch.tensor([False, False, True, True])
    )
    assert how.apply(x).flatten(1).tolist() == [[1, 2, 3], [0, 1, 2], [3, 2, 1], [0, 3, 2]]
    down = Variation(torch.tensor([5]), torch.tensor([4]), torch.tensor([False]))
    assert down.apply(torch.tensor([[[[1], [2]]]])).flatten().tolist() == [0, 1]


def test_variation_is_drawn_from_the_words_of_a_stream() -> None:
    words = Stream(2, "epoch 7", "augment").raw(2000).tolist()
    how = Variation.drawn(2000, seed=2, epoch=7)
    expected = [(w % 9, w // 9 % 9, w // 81 % 2 == 1) for w in words]
    rows = (how.down.tolist(), how.right.tolist(), how.mirrored.tolist())
    assert list(zip(*rows, strict=True)) == expected
    # Every shift and both sides about equally often.
    assert torch.bincount(how.down, minlength=9).min() > 160
    assert 900 < int(how.mirrored.sum()) < 1100
    some = how.of(torch.tensor([5, 3]))
    assert some.right.tolist() == [how.right[5].item(), how.right[3].item()]
