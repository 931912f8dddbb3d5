"""Processor time of our code when a control moves: `python -m tests.benchmarks.pages [PAGE ...]`.

Each page is opened as a visitor without a browser sees it, and its main control is moved ten times,
each time to a value not seen before, so that nothing can be taken from a cache of answers. The time
of the script's thread is divided by whose code runs: the rooms below the pages (the core), the
pages themselves, and Streamlit. It is taken where calls go from one to the other.

The pages Claims and Exercises, and the choices of Calibrate, How right are we? and Hardware, have
no more values than those shown; what does not depend on them is worked out once per server, as in
the app.
"""

import inspect
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, wraps
from types import ModuleType
from typing import Any

CORE, PAGE, STREAMLIT = "core", "page", "streamlit"
GOAL_MS = 5.0
NUMBERS = range(1, 11)
TIMEOUT_S = 120.0
ABOVE = ("estimator.web", "estimator.cli")
"""Packages that call the core; all others of ours are it."""


@dataclass(frozen=True, kw_only=True)
class Control:
    """Main control of a page.

    Parameters
    ----------
    kind, key : str
        What Streamlit calls the widget, and its key.
    values : sequence
        What it is moved to.
    query : mapping of str to str
        What the link that opens the page says.
    """

    kind: str
    key: str
    values: Sequence[Any]
    query: dict[str, str] = field(default_factory=dict)


LINK = "params=7e9&tokens=2e12&hardware=h100-sxm&devices={}&site=us"
CONTROLS = {
    "estimate": Control(kind="number_input", key="devices", values=[100 + n for n in NUMBERS]),
    "compare": Control(
        kind="text_input", key="compare_a", values=[LINK.format(64 + n) for n in NUMBERS]
    ),
    "explore": Control(
        kind="text_input", key="explore_params", values=[f"7.{n:02}B" for n in NUMBERS]
    ),
    "plan": Control(kind="text_input", key="plan_params", values=[f"7.{n:02}B" for n in NUMBERS]),
    "models": Control(
        kind="text_input", key="models_length", values=[f"{4000 + n}" for n in NUMBERS]
    ),
    "serve": Control(kind="number_input", key="serve_input", values=[500 + n for n in NUMBERS]),
    "capacity": Control(
        kind="text_input", key="capacity_rate", values=[f"{20 + n / 10:g}" for n in NUMBERS]
    ),
    "claims": Control(kind="selectbox", key="claims_claim", values=NUMBERS),
    "brain": Control(kind="slider", key="brain_years", values=[20 + n for n in NUMBERS]),
    "levers": Control(
        kind="number_input", key="levers_context", values=[1024 + n for n in NUMBERS]
    ),
    "scaling": Control(
        kind="text_input", key="scaling_amount", values=[f"{1_000_000 + n}" for n in NUMBERS]
    ),
    "trends": Control(
        kind="text_input",
        key="trends_budget",
        values=[f"{100_000 + n}" for n in NUMBERS],
        query={"view": "budget"},
    ),
    "depth": Control(
        kind="slider",
        key="depth_layers",
        values=[10 + n for n in NUMBERS],
        query={"view": "activations"},
    ),
    "exercises": Control(
        kind="number_input", key="exercises_number", values=[1 + n for n in NUMBERS]
    ),
    "accuracy": Control(
        kind="slider", key="accuracy_years", values=[(2012 + n, 2025) for n in NUMBERS]
    ),
    "calibrate": Control(kind="selectbox", key="calibrate_device", values=NUMBERS),
    "hardware": Control(kind="selectbox", key="hardware_kind", values=NUMBERS),
}
"""Page -> its main control; of a menu, the places of the options."""


class Clock:
    """Time of the thread by whose code runs [ns]."""

    def __init__(self) -> None:
        self.owner = PAGE
        self.spent = dict.fromkeys((CORE, PAGE, STREAMLIT), 0)
        self.running = False
        self._since = 0

    @contextmanager
    def rerun(self) -> Iterator[None]:
        """Count what runs inside, from zero."""
        self.owner, self.spent = PAGE, dict.fromkeys(self.spent, 0)
        self._since, self.running = time.thread_time_ns(), True
        try:
            yield
        finally:
            self.to(PAGE)
            self.running = False

    def to(self, owner: str) -> str:
        """From now on another's code runs; returns whose it was."""
        now = time.thread_time_ns()
        self.spent[self.owner] += now - self._since
        self._since, before, self.owner = now, self.owner, owner
        return before

    def timed(self, owner: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Count a function as its owner's."""

        @wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            if self.owner == owner or not self.running:
                return function(*args, **kwargs)
            before = self.to(owner)
            try:
                return function(*args, **kwargs)
            finally:
                self.to(before)

        return called


def main(names: Sequence[str]) -> None:
    """Print each page's times."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TWENTY_WATTS_DATA"] = folder
        clock = Clock()
        pages = watched_pages(clock)
        head = "rooms below the pages, the pages, Streamlit: median (worst) of 10 changes [ms]"
        print(f"{'':10} {head}")
        for name in names or CONTROLS:
            times = list(changes(pages[name], CONTROLS[name], clock))
            shown = [quantiles([spent[owner] for spent in times]) for owner in times[0]]
            goal = statistics.median(spent[CORE] for spent in times) / 1e6 < GOAL_MS
            print(f"{name:10} {'  '.join(shown)}  {'' if goal else f'above {GOAL_MS:g}'}".rstrip())


def quantiles(times_ns: Sequence[int]) -> str:
    """Median and worst of some times [ms]."""
    middle, worst = statistics.median(times_ns) / 1e6, max(times_ns) / 1e6
    return f"{middle:6.1f} ({worst:6.1f})"


def opened(page: "Any", clock: "Clock") -> None:
    """Draw a page; Streamlit runs this text as the script of its app."""
    from estimator.web.shared import site

    with clock.rerun():
        site.draw(page)


def changes(page: Any, control: Control, clock: Clock) -> Iterator[dict[str, int]]:
    """Time of each change of the main control of a page [ns]."""
    from streamlit.testing.v1 import AppTest

    test = AppTest.from_function(opened, default_timeout=TIMEOUT_S, args=(page, clock))
    for name, text in control.query.items():
        test.query_params[name] = text
    healthy(test.run())
    for value in control.values:
        widget = getattr(test, control.kind)(key=control.key)
        if control.kind == "selectbox":
            widget.select_index(value)
        else:
            widget.set_value(value)
        healthy(test.run())
        yield dict(clock.spent)


def healthy(test: Any) -> None:
    """Refuse to measure a page that failed."""
    if test.exception:
        raise RuntimeError(test.exception[0].message)


def watched_pages(clock: Clock) -> dict[str, Any]:
    """Pages by path, every call from one part of the app into another counted by a clock."""
    import streamlit

    from estimator.web.site_map import PAGES

    for name, called in inspect.getmembers(streamlit, inspect.isroutine):
        setattr(streamlit, name, clock.timed(STREAMLIT, called))
    ours = [module for name, module in sys.modules.items() if name.startswith("estimator.")]
    for module in ours:
        if is_core(module.__name__):
            for one in owned(module, inspect.isclass):
                watch_methods(one, clock)
    for module in ours:
        if not is_core(module.__name__):
            watch_functions(module, clock)
    return {
        page.path: replace(
            page,
            draw=clock.timed(PAGE, page.draw),
            parts={name: clock.timed(PAGE, part) for name, part in page.parts.items()},
        )
        for page in PAGES
    }


def is_core(module: str) -> bool:
    """Whether a module is of a room below the pages."""
    return module.startswith("estimator.") and not module.startswith(ABOVE)


def owned(module: ModuleType, kind: Callable[[Any], bool]) -> Iterator[Any]:
    """What of a kind a module defines itself."""
    for _name, one in inspect.getmembers(module, kind):
        if one.__module__ == module.__name__:
            yield one


def watch_functions(module: ModuleType, clock: Clock) -> None:
    """Count the functions that a page imports from the core."""
    for name, one in list(vars(module).items()):
        if callable(one) and not inspect.isclass(one) and is_core(getattr(one, "__module__", "")):
            setattr(module, name, clock.timed(CORE, one))


def watch_methods(kind: type, clock: Clock) -> None:
    """Count the methods and properties of a class of the core, those that Python calls left out."""
    for name, member in list(vars(kind).items()):
        if name.startswith("__") and name not in ("__getitem__", "__call__"):
            continue
        if inspect.isfunction(member):
            setattr(kind, name, clock.timed(CORE, member))
        elif isinstance(member, property) and member.fget is not None:
            setattr(kind, name, property(clock.timed(CORE, member.fget)))
        elif isinstance(member, cached_property):
            member.func = clock.timed(CORE, member.func)
        elif isinstance(member, classmethod):
            setattr(kind, name, classmethod(clock.timed(CORE, member.__func__)))


if __name__ == "__main__":
    main(sys.argv[1:])
