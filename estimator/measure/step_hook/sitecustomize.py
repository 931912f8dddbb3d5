"""Loaded at the start of every Python below `calibrate forecast`: it stamps optimizer steps.

It stands alone, for the Python of the program may lack Twenty Watts: once PyTorch is there, a hook
after each step of the first optimizer writes the time; the Trainer of Hugging Face, Lightning and
Accelerate step through the same optimizers. What the second step does is counted. Whatever goes
wrong here stays here.
"""

import contextlib
import importlib.util
import json
import os
import sys
import threading
import time
import weakref
from types import ModuleType
from typing import Any

STAMPS = "TWENTY_WATTS_STAMPS"
COUNTER = "TWENTY_WATTS_COUNTER"
POLL_S = 0.02
FIRST_STEPS, EVERY = (1, 2, 4, 8), 16
COUNTED_AFTER, TOTAL_AT = 1, 2
RESTS_AFTER = 100
MOST = 3


def _the_other_sitecustomize() -> None:
    """Run the one that this one hides."""
    here = os.path.dirname(os.path.abspath(__file__))
    for folder in sys.path:
        path = os.path.join(folder, "sitecustomize.py")
        if os.path.abspath(folder or ".") != here and os.path.isfile(path):
            _loaded("sitecustomize", path)
            return


def _loaded(name: str, path: str) -> ModuleType:
    """Run a module that lies anywhere."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Stamps:
    """Writes a line for each step of one optimizer, the first that steps."""

    def __init__(self, path: str) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.optimizer: weakref.ref[object] | None = None
        self.others = 0
        self.steps = 0
        self.counting: Any = None

    def stepped(self, optimizer: object, *_arguments: object) -> None:
        """Stamp a step; boards finish first at the ends of windows."""
        with contextlib.suppress(Exception):
            if not self._counts(optimizer):
                return
            self.steps += 1
            mark = "o"
            if self.steps in FIRST_STEPS or self.steps % EVERY == 0:
                torch = sys.modules["torch"]
                if torch.cuda.is_initialized():
                    torch.cuda.synchronize()
                    mark = "s"
            self._write(f"{mark} {time.monotonic()!r} {os.getpid()}")
            self._count()
            if self.steps == TOTAL_AT:
                total = _planned_steps()
                if total:
                    self._write(f"total {total}")

    def _write(self, line: str) -> None:
        os.write(self.file, f"{line}\n".encode())

    def _count(self) -> None:
        """Begin to count what the next step does, or end it, and write what was found."""
        if self.steps == COUNTED_AFTER and COUNTER in os.environ:
            counter = _loaded("twenty_watts_step_counter", os.environ[COUNTER])
            try:
                self.counting = counter.Counting()
            except counter.CannotCountError as error:
                self._write(f"counted {json.dumps({'missed': [str(error)]})}")
        elif self.counting is not None:
            counting = self.counting
            if counting.end():
                self.counting = None
            if self.steps == COUNTED_AFTER + 1 and (found := _found(counting.counts)):
                self._write(f"counted {json.dumps(found)}")

    def _counts(self, optimizer: object) -> bool:
        """Whether it is the one that counts; one that is gone or rests is followed by another."""
        known = None if self.optimizer is None else self.optimizer()
        if known is not optimizer and known is not None and self.others < RESTS_AFTER:
            self.others += 1
            return False
        if known is not optimizer:
            self.optimizer = weakref.ref(optimizer)
        self.others = 0
        return True


def _found(counts: Any) -> dict[str, Any]:
    """What was counted in all processes, or what hides it."""
    if counts.missed:
        return {"missed": sorted(set(counts.missed))[:MOST]}
    ranks = max(1, int(os.environ.get("WORLD_SIZE") or 1))
    found: dict[str, Any] = {"flop": counts.total_flop * ranks, "precision": counts.precision}
    if counts.operations is not None:
        found["operations"] = counts.operations.count * ranks
        found["traffic_bytes"] = counts.operations.traffic_bytes * ranks
    found |= {"products": counts.products, "seen": counts.seen}
    return {name: value for name, value in found.items() if value} if counts.total_flop else {}


def _planned_steps() -> int:
    """Steps that a Trainer of Hugging Face or Lightning plans; 0 where there is none."""
    import gc

    callback = sys.modules.get("transformers.trainer_callback")
    lightning = [sys.modules.get(one) for one in ("lightning.pytorch", "pytorch_lightning")]
    trainers = tuple(one.Trainer for one in lightning if one is not None)
    state = None if callback is None else callback.TrainerState
    for one in gc.get_objects() if state is not None or trainers else ():
        if state is not None and isinstance(one, state) and one.max_steps > 0:
            return int(one.max_steps)
        if trainers and isinstance(one, trainers):
            steps = one.estimated_stepping_batches
            return int(steps) if 0 < steps < float("inf") else 0
    return 0


def _watch(path: str) -> None:
    """Wait for PyTorch's optimizers, then hook into their steps."""
    while True:
        optimizers = sys.modules.get("torch.optim.optimizer")
        register = getattr(optimizers, "register_optimizer_step_post_hook", None)
        if register is not None:
            register(_Stamps(path).stepped)
            return
        time.sleep(POLL_S)


_path = os.environ.get(STAMPS)
if _path and os.environ.get("RANK", "0") in ("", "0"):
    with contextlib.suppress(Exception):
        threading.Thread(target=_watch, args=(_path,), daemon=True).start()
_the_other_sitecustomize()
