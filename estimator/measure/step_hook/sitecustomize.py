"""Hook loaded at the start of every Python below `calibrate forecast`; it stamps steps.

Standalone, as the program's Python may lack Twenty Watts. Once PyTorch is imported, a hook after
each step of the first optimizer writes the time; the Hugging Face Trainer, Lightning and Accelerate
use the same optimizers. The second step is counted. All errors are contained here.
"""

import contextlib
import importlib.util
import json
import os
import sys
import time
import weakref
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

STAMPS = "TWENTY_WATTS_STAMPS"
COUNTER = "TWENTY_WATTS_COUNTER"
OPTIMIZERS = "torch.optim.optimizer"
HOME = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
FIRST_STEPS, EVERY = (1, 2, 4, 8), 16
MEMORY_AT = (2, 8, 64)
MOST_OPTIMIZERS = 8
COUNTED_AFTER, TOTAL_AT = 1, 2
RESTS_AFTER = 100
MOST = 3


def _the_other_sitecustomize() -> None:
    """Run the sitecustomize that this one hides."""
    here = os.path.dirname(os.path.abspath(__file__))
    for folder in sys.path:
        path = os.path.join(folder, "sitecustomize.py")
        if os.path.abspath(folder or ".") != here and os.path.isfile(path):
            _loaded("sitecustomize", path)
            return


def _loaded(name: str, path: str) -> ModuleType:
    """Run a module from any path."""
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Stamps:
    """Writer of a line per step of the first optimizer that steps."""

    def __init__(self, path: str) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self.optimizer: weakref.ref[object] | None = None
        self.others = 0
        self.steps = 0
        self.counting: Any = None
        self.started_bytes = _resident_bytes()
        self.named: dict[int, list[Any]] = {}

    def stepped(self, optimizer: object, *_arguments: object) -> None:
        """Stamp a step; boards are synchronised first at the ends of windows."""
        with contextlib.suppress(Exception):
            self._name(optimizer)
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
            if self.steps in FIRST_STEPS or self.steps % EVERY == 0:
                others = [one for key, one in self.named.items() if key != id(optimizer)]
                known = [self.named[id(optimizer)], *others]
                self._write(f"optimizers {json.dumps(known)}")
            if self.steps in MEMORY_AT:
                self._write(f"memory {json.dumps(self._memory(optimizer))}")
            if self.steps == TOTAL_AT:
                total = _planned_steps()
                if total:
                    self._write(f"total {total}")

    def _name(self, optimizer: object) -> None:
        """Count the steps of each optimizer separately."""
        if id(optimizer) in self.named or len(self.named) < MOST_OPTIMIZERS:
            name = type(optimizer).__name__
            self.named.setdefault(id(optimizer), [name, 0])[1] += 1

    def _memory(self, optimizer: Any) -> dict[str, float]:
        """Peak memory so far, and its part independent of the batch [B]."""
        torch = sys.modules["torch"]
        tensors = []
        for one in (one for group in optimizer.param_groups for one in group["params"]):
            states = optimizer.state.get(one, {}).values()
            tensors += [one, one.grad, *states]
        held = sum(
            one.numel() * one.element_size() for one in tensors if isinstance(one, torch.Tensor)
        )
        if torch.cuda.is_initialized():
            return {
                "peak": torch.cuda.max_memory_allocated(),
                "held": held,
                "limit": torch.cuda.mem_get_info()[1],
            }
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        return {"peak": peak, "held": held + self.started_bytes}

    def _write(self, line: str) -> None:
        os.write(self.file, f"{line}\n".encode())

    def _count(self) -> None:
        """Start counting the next step, or stop and write the counts."""
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
            if self.steps == COUNTED_AFTER + 1 and (found := _counts_or_reason(counting.counts)):
                self._write(f"counted {json.dumps(found)}")

    def _counts(self, optimizer: object) -> bool:
        """Return whether this optimizer counts; another follows a finished one."""
        known = None if self.optimizer is None else self.optimizer()
        if known is not optimizer and known is not None and self.others < RESTS_AFTER:
            self.others += 1
            return False
        if known is not optimizer:
            self.optimizer = weakref.ref(optimizer)
        self.others = 0
        return True


def _resident_bytes() -> float:
    """Memory of this process, where Linux reports it [B]."""
    with contextlib.suppress(Exception), open("/proc/self/statm", encoding="ascii") as file:
        return float(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0.0


def _counts_or_reason(counts: Any) -> dict[str, Any]:
    """Return the counts of all processes, or the reason why there are none."""
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
    """Steps planned by a Hugging Face or Lightning Trainer, 0 if there is none."""
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


class _OnImport(MetaPathFinder):
    """Import hook that registers for the steps of PyTorch's optimizers."""

    def __init__(self, path: str) -> None:
        self.path = path

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the optimizer module as others do, and register once it has run."""
        if name != OPTIMIZERS:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.loader is not None:
            run = spec.loader.exec_module

            def run_and_register(module: ModuleType) -> None:
                run(module)
                with contextlib.suppress(Exception):
                    module.register_optimizer_step_post_hook(_Stamps(self.path).stepped)

            spec.loader.exec_module = run_and_register  # type: ignore[method-assign]
        return spec


class _Home(MetaPathFinder):
    """Importer of Twenty Watts for scripts whose Python does not have it installed."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Find the package where this file is part of it."""
        return PathFinder.find_spec(name, [HOME]) if name == "estimator" else None


_path = os.environ.get(STAMPS)
if _path and os.environ.get("RANK", "0") in ("", "0"):
    sys.meta_path.insert(0, _OnImport(_path))
sys.meta_path.append(_Home())
_the_other_sitecustomize()
