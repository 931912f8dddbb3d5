"""Callbacks for training libraries to report their steps."""

from importlib import import_module
from typing import Any

from estimator.measure.session import Session


def trainer_callback(session: Session) -> Any:
    """Callback for the Hugging Face Trainer that reports each optimizer step to a session.

    >>> trainer.add_callback(trainer_callback(run))  # doctest: +SKIP
    """
    transformers: Any = import_module("transformers")

    class TrainerSteps(transformers.TrainerCallback):  # type: ignore[misc]
        """Callback that reports the end of a step."""

        def on_step_end(self, *arguments: Any, **more: Any) -> None:
            session.step()

    return TrainerSteps()


def lightning_callback(session: Session) -> Any:
    """Callback for the Lightning Trainer that reports each optimizer step to a session.

    Accumulated batches form one step, as with Hugging Face.

    >>> trainer = Trainer(callbacks=[lightning_callback(run)])  # doctest: +SKIP
    """
    try:
        lightning: Any = import_module("lightning.pytorch")
    except ModuleNotFoundError:  # its older package
        lightning = import_module("pytorch_lightning")

    class LightningSteps(lightning.Callback):  # type: ignore[misc]
        """Callback that reports the end of a step."""

        def __init__(self) -> None:
            self.seen = 0

        def on_train_start(self, trainer: Any, *arguments: Any) -> None:
            self.seen = trainer.global_step

        def on_train_batch_end(self, trainer: Any, *arguments: Any) -> None:
            if trainer.global_step != self.seen:
                self.seen = trainer.global_step
                session.step()

    return LightningSteps()
