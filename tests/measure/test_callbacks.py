"""Callbacks of training libraries: the real ones where installed, else stubs that call as they do.

The stubs hold the loop as the documentation of the libraries tells it, for machines without them;
`test_real_*` runs the libraries themselves.
"""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from estimator import lightning_callback, trainer_callback
from estimator.measure.session import Session


def stub(monkeypatch, name, **content):
    module = ModuleType(name)
    vars(module).update(content)
    for part in (name.partition(".")[0], name):
        monkeypatch.setitem(sys.modules, part, module if part == name else ModuleType(part))


class Callback:
    """Base of both libraries' callbacks."""


def test_a_step_of_hugging_face_is_one_of_the_session(monkeypatch):
    stub(monkeypatch, "transformers", TrainerCallback=Callback)
    session = Session()
    callback = trainer_callback(session)
    assert isinstance(callback, Callback)
    for _ in range(3):
        callback.on_step_end("arguments", "state", "control", model=None)
    assert session.steps == 3


@pytest.mark.parametrize("name", ["lightning.pytorch", "pytorch_lightning"])
def test_batches_that_only_add_up_gradients_are_one_step_of_lightning(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "lightning", None)
    monkeypatch.setitem(sys.modules, "lightning.pytorch", None)
    stub(monkeypatch, name, Callback=Callback)
    session, trainer = Session(), SimpleNamespace(global_step=7)
    callback = lightning_callback(session)
    assert isinstance(callback, Callback)
    callback.on_train_start(trainer, "module")
    for batch in range(6):
        trainer.global_step += batch % 2
        callback.on_train_batch_end(trainer, "module", "outputs", "batch", batch)
    assert session.steps == 3


def test_without_lightning_that_is_an_import_error(monkeypatch):
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError):
        lightning_callback(Session())


def line(torch):
    """Points on a line, and a network that learns it."""
    given = torch.arange(24.0).reshape(24, 1)
    return [(one, 2 * one) for one in given], torch.nn.Linear(1, 1)


@pytest.mark.filterwarnings("ignore")
def test_real_lightning_tells_of_optimizer_steps(tmp_path):
    torch = pytest.importorskip("torch")
    lightning = pytest.importorskip("lightning.pytorch")
    points, network = line(torch)

    class Learner(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = network

        def training_step(self, batch, _):
            return ((self.network(batch[0]) - batch[1]) ** 2).mean()

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=1e-6)

    session = Session(flop=1.0)
    quiet = dict.fromkeys(
        ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False
    )
    trainer = lightning.Trainer(
        accelerator="cpu",
        max_epochs=2,
        accumulate_grad_batches=2,
        callbacks=[lightning_callback(session)],
        default_root_dir=tmp_path,
        **quiet,
    )
    trainer.fit(Learner(), torch.utils.data.DataLoader(points, batch_size=2))
    assert session.steps == trainer.global_step == 2 * 12 // 2
    assert 3 <= session.timing().repetitions <= 10


@pytest.mark.filterwarnings("ignore")
def test_real_hugging_face_tells_of_optimizer_steps(tmp_path):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("accelerate")
    points, network = line(torch)

    class Learner(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.network = network

        def forward(self, given, wanted):
            return {"loss": ((self.network(given) - wanted) ** 2).mean()}

    session = Session(flop=1.0)
    trainer = transformers.Trainer(
        model=Learner(),
        args=transformers.TrainingArguments(
            output_dir=str(tmp_path),
            per_device_train_batch_size=2,
            gradient_accumulation_steps=2,
            num_train_epochs=2,
            report_to=[],
            save_strategy="no",
            disable_tqdm=True,
            use_cpu=True,
        ),
        train_dataset=[{"given": one, "wanted": two} for one, two in points],
        callbacks=[trainer_callback(session)],
    )
    trainer.train()
    assert session.steps == trainer.state.global_step == 2 * 12 // 2
