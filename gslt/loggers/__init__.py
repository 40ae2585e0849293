"""Searches and trainings logged to TensorBoard or MLflow, for those who use them.

A logger is the ``on_epoch`` of a search or a training, and takes its result::

    import gslt
    from gslt.loggers import TensorBoardLogger

    dataset = gslt.load_dataset("debian")
    config = gslt.SearchConfig(epochs=5, hidden_channels=32, runs=2)
    with TensorBoardLogger("runs/board", config=config, dataset=dataset.name) as log:
        result = gslt.search(dataset, config, on_epoch=log)
        log.result(result)

Every seed is a run of its own, with these values:

- of each epoch, at its number: ``loss``, ``accuracy/train``, ``accuracy/val``, ``accuracy/test``
  (or the data set's metric, such as ``roc_auc/val``), ``lr``, and of a search ``sparsity``;
- of the run, at its best epoch: ``result/…``, see :func:`gslt.loggers.common.figures`;
- as hyper-parameters: the method, the data set, its metric and the fields of the config.

A search that goes on from a checkpoint reports the epochs after it once more, with the same values
unless it goes on elsewhere. Neither logger shows an epoch twice: TensorBoard shows what was
reported last, MLflow what was reported first.
"""

from gslt.loggers.common import Logger
from gslt.loggers.mlflow import MLflowLogger
from gslt.loggers.tensorboard import TensorBoardLogger

__all__ = ["Logger", "MLflowLogger", "TensorBoardLogger"]
