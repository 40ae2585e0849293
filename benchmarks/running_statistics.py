"""Running statistics of a ticket's norms: stored, or measured anew from the training images.

    python benchmarks/running_statistics.py --dataset PATH [--json FILE]

A ResNet-18 is searched, and its ticket evaluated as it is stored; with the statistics of one pass
over the training images, which whoever has the ticket would need; and over a tenth of them.
"""

import common
import torch
from common import Values
from torch import nn

import gslt
from gslt.data import ImageDataset
from gslt.nn.vision import Norm
from gslt.training.inputs import ImageInputs

BATCH = 128


def measure_anew(model: nn.Module, data: ImageDataset, images: int) -> None:
    """Give the norms of a model the mean statistics of batches of training images, in place."""
    places = data.train_mask.nonzero().flatten()[:images]
    norms = [module for module in model.modules() if isinstance(module, Norm)]
    batches = list(torch.split(places, BATCH))
    model.train()
    with torch.no_grad():
        for number, some in enumerate(batches, 1):
            for norm in norms:
                norm.momentum = 1.0 / number
            model(ImageInputs(data).batch(some, "float32"))
    model.eval()


def main() -> None:
    """Search, evaluate three times, print, save."""
    parser = common.options(__doc__, plot=False)
    parser.add_argument("--dataset", default="cifar10", help="name or path of a set of images")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--width", type=float, default=0.125)
    args = parser.parse_args()
    data = gslt.load_dataset(args.dataset)
    print(data)
    config = gslt.SearchConfig(architecture="resnet18", width=args.width, epochs=args.epochs)
    ticket = gslt.search(data, config).ticket
    assert ticket is not None
    train = int(data.train_mask.sum())
    rows: list[Values] = []
    for name, images in (("stored", 0), ("measured anew", train), ("from a tenth", train // 10)):
        model = ticket.model()
        if images:
            measure_anew(model, data, images)
        rows.append({"name": name, "images": images, **gslt.evaluate(model, data)})
        scores = ", ".join(f"{split} {100 * rows[-1][split]:.2f}" for split in ("val", "test"))
        print(f"{name:<14} {scores}")
    size = ticket.size()
    share = 8 * size.stored_bytes / size.bits
    print(f"{size.stored_bytes:,} bytes, {100 * share:.1f} % of one bit a searched weight")
    common.save(
        args.json,
        rows=rows,
        size=size.as_dict(),
        data={"name": data.name, **data.counts, "train": train},
        config={"architecture": "resnet18", "width": args.width, "epochs": args.epochs},
    )


if __name__ == "__main__":
    main()
