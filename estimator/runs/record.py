"""Record of a measured run: host, devices, energy, conditions and timings.

One schema for all origins: benchmarks, wrapped commands, self-measuring scripts, cluster telemetry.
JSON and TOML round trips are lossless; unknown values are omitted.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from datetime import UTC, datetime
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from estimator.core.units import J_PER_KWH

Trust = Literal["counter", "sampled", "modelled"]
"""Energy counter, integrated power samples, or a model of the load without measurement."""

HOW_METERED: Mapping[Trust, str] = MappingProxyType(
    {
        "counter": "energy counter",
        "sampled": "power sampled",
        "modelled": "modelled from the load, not measured",
    }
)
"""Trust in an energy -> description."""

State = Literal["running", "finished", "failed", "interrupted"]
"""State of a run: failed after a non-zero exit code, interrupted if cut off."""

Origin = Literal["bench", "run", "script", "prometheus", "slurm", "log"]

FORECAST = "forecast"
"""Label of a run watched for a forecast."""

Part = TypeVar("Part")


@dataclass(frozen=True, kw_only=True)
class Host:
    """Machine of the run, without names of people, machines or paths.

    Parameters
    ----------
    id : str
        Random-looking and stable: tells hosts apart, names none.
    cpu : str
        Processor as it names itself.
    cores : int, optional
        Processors that the run could use.
    system : str
        Operating system, its version and the instruction set.
    virtual : bool, optional
        Whether it is a virtual machine or a container; None where that is not known.
    software : mapping of str to str
        Name -> version: python, numpy, blas, torch, driver and so on.
    """

    id: str
    cpu: str
    cores: int | None = None
    system: str
    memory_bytes: float | None = None
    virtual: bool | None = None
    software: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class MeasuredDevice:
    """Device as its driver reports it.

    Parameters
    ----------
    key : str
        Within the run: "cpu", "gpu:0" (index of the driver), or "node/gpu:0" in a cluster.
    name : str
        As the driver names it.
    hardware : str, optional
        Id of its profile; None where no profile is known.
    memory_bytes, power_limit_w, default_limit_w : float, optional
        Memory [B], power limit in force and out of the box [W].
    shares_board : str, optional
        "MIG" or "vGPU": what it reads is the whole board's.
    """

    key: str
    kind: Literal["cpu", "gpu"]
    name: str
    hardware: str | None = None
    uuid: str | None = None
    memory_bytes: float | None = None
    power_limit_w: float | None = None
    default_limit_w: float | None = None
    shares_board: str | None = None


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Energy of one component over the run, by one meter.

    Parameters
    ----------
    component : str
        Key of a device, or "dram", "cpu", "host", "facility", with "node/" before it in a cluster;
        without, it is that of all nodes together, and "gpu" that of all their boards.
    meter : str
        Which meter: "nvml counter", "nvml power", "rapl", "codecarbon", "dcgm", "slurm" and so on.
    energy_j, duration_s : float
        Energy [J] and the time that it covers [s].
    peak_w : float, optional
        Highest power sampled [W].
    check_j : float, optional
        The same by an independent route, where there is one [J].
    coverage : float
        Share of the run that the readings cover [1].
    """

    component: str
    meter: str
    trust: Trust
    energy_j: float
    duration_s: float
    peak_w: float | None = None
    check_j: float | None = None
    coverage: float = 1.0
    note: str | None = None

    @property
    def energy_kwh(self) -> float:
        """Energy in the unit of the rest of the product [kWh]."""
        return self.energy_j / J_PER_KWH

    @property
    def mean_w(self) -> float:
        """Mean power over the time covered [W]."""
        return self.energy_j / self.duration_s


@dataclass(frozen=True, kw_only=True)
class Condition:
    """Condition of a device during the run.

    Parameters
    ----------
    component : str
        Key of the device.
    temperature_c, peak_temperature_c : float, optional
        Mean and highest [degC].
    clock_hz : float, optional
        Mean clock of the processors [Hz].
    busy : float, optional
        Share of time in which anything ran on it: no share of the peak [1].
    memory_busy : float, optional
        Share of time in which its memory was read or written [1].
    tensor_busy : float, optional
        Share of time in which its matrix units were at work [1].
    throttled : float, optional
        Share of time in which heat or power held the clock down [1].
    reasons : tuple of str
        What held it down.
    others : float, optional
        Share of the device, or of the time on it, that others used [1].
    """

    component: str
    temperature_c: float | None = None
    peak_temperature_c: float | None = None
    clock_hz: float | None = None
    busy: float | None = None
    memory_busy: float | None = None
    tensor_busy: float | None = None
    throttled: float | None = None
    reasons: tuple[str, ...] = ()
    others: float | None = None


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Time of one kind of work, and the power while it ran.

    Parameters
    ----------
    what : str
        "training" (steps of a real run), "matrix" (a product), "copy" (memory), "idle", or "load"
        (power at a part load).
    component : str
        Key of the device, the first of them where several share the work.
    devices : int
        How many share the work.
    kind, arch : str, optional
        Kind of work and architecture in words, as in `Scenario`.
    label : str, optional
        For people: "gpt, 12 layers, width 256".
    style : str, optional
        How the program is written; what tells programs of one kind apart.
    flop, moved_bytes : float, optional
        Work of one repetition over all devices [FLOP], and what it moves [B].
    operations, traffic_bytes : float, optional
        Operations of a step of training that are dispatched one by one [1], and what they read and
        write [B], over all devices; see `estimator.measure.step_counter`.
    time_s : float
        Median time of a repetition [s].
    log_sd : float, optional
        Spread of the repetitions: standard deviation of the logarithm of their time [1].
    repetitions, rejected : int
        How many count, and how many others disturbed.
    others : float, optional
        Share of the machine that others used meanwhile, where that was so in every repetition [1].
    power_w : float, optional
        Mean power of one device meanwhile [W].
    params, hidden, seq_len, tokens, samples : float, optional
        Of the network, and tokens or samples of one repetition.
    """

    what: Literal["training", "matrix", "copy", "idle", "load"]
    component: str
    devices: int = 1
    precision: str | None = None
    kind: str | None = None
    arch: str | None = None
    label: str | None = None
    style: str | None = None
    flop: float | None = None
    moved_bytes: float | None = None
    operations: float | None = None
    traffic_bytes: float | None = None
    time_s: float
    log_sd: float | None = None
    repetitions: int
    rejected: int = 0
    others: float | None = None
    power_w: float | None = None
    trust: Trust | None = None
    params: float | None = None
    hidden: float | None = None
    seq_len: float | None = None
    tokens: float | None = None
    samples: float | None = None


@dataclass(frozen=True, kw_only=True)
class ServedLoad:
    """Measured load of a server; None or empty means unknown.

    Parameters
    ----------
    component : str
        Key of the first device that served it.
    devices : int
        How many served it together.
    model : str
        Preset or hub name.
    params_total, params_active : float, optional
        Parameters, and those that a token uses of a mixture [1].
    precision, kv_precision : str
        Formats of weights and cache, as people write them.
    program : str
        That served it: vllm, sglang, llama.cpp and so on.
    concurrency : float, optional
        Sequences in flight, on the average [1].
    input_tokens, output_tokens : float, optional
        Mean of a request [token].
    tensor_parallel, expert_parallel, data_parallel : float, optional
        How the devices shared the model [1].
    requests : float, optional
        How many were served to the end.
    measured : mapping of str to float
        Quantity -> value, under the names of an answer: time_to_first_token_s, inter_token_s,
        output_tokens_per_s, device_power_w, device_energy_per_output_token_j.
    """

    component: str
    devices: int = 1
    model: str = ""
    params_total: float | None = None
    params_active: float | None = None
    precision: str = ""
    kv_precision: str = ""
    program: str = ""
    concurrency: float | None = None
    input_tokens: float | None = None
    output_tokens: float | None = None
    tensor_parallel: float | None = None
    expert_parallel: float | None = None
    data_parallel: float | None = None
    requests: float | None = None
    measured: Mapping[str, float]
    trust: Trust | None = None


@dataclass(frozen=True, kw_only=True)
class MeasuredRun:
    """Measured run.

    Parameters
    ----------
    started : str
        ISO 8601, UTC, to the second.
    wall_s : float
        From start to end on a monotonic clock [s].
    label : str, optional
        For people; never the command line, which may hold secrets.
    devices, energy, conditions, timings
        What ran, drew, suffered and took how long.
    served : tuple of ServedLoad
        Loads under which a server was measured.
    simulated : bool
        Made with a stub in the place of a device: proves nothing about one.
    notes : tuple of str
        What could not be measured, and what to know.
    """

    id: str
    origin: Origin
    started: str
    wall_s: float
    state: State
    exit_code: int | None = None
    label: str | None = None
    host: Host
    devices: tuple[MeasuredDevice, ...] = ()
    energy: tuple[Energy, ...] = ()
    conditions: tuple[Condition, ...] = ()
    timings: tuple[Timing, ...] = ()
    served: tuple[ServedLoad, ...] = ()
    simulated: bool = False
    notes: tuple[str, ...] = ()


def stamp(moment: datetime) -> str:
    """Format a time for a record: ISO 8601, UTC, to the second.

    >>> stamp(datetime(2024, 5, 1, 12, tzinfo=UTC))
    '2024-05-01T12:00:00Z'
    """
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def as_plain(run: MeasuredRun) -> dict[str, Any]:
    """Convert a run to plain values for JSON and TOML, without unknown ones."""
    plain: dict[str, Any] = without_unknown(asdict(run))
    return plain


def read_run(plain: object) -> MeasuredRun:
    """Read a run from plain values.

    Examples
    --------
    >>> read_run({"id": 7})
    Traceback (most recent call last):
    ...
    ValueError: run.id: must be str, got 7
    """
    return read_part(MeasuredRun, plain, "run")


def without_unknown(value: Any) -> Any:
    """Remove None at any depth."""
    if isinstance(value, Mapping):
        return {key: without_unknown(item) for key, item in value.items() if item is not None}
    if isinstance(value, tuple | list):
        return [without_unknown(item) for item in value]
    return value


def read_part(shape: type[Part], plain: object, where: str) -> Part:
    """Read one dataclass of this module, key by key; errors as for `read_run`."""
    hint: type = shape
    try:
        part: Part = _reader(hint)(plain)
    except _Misread as error:
        raise ValueError(f"{where}{error.place}: {error.why}") from None
    return part


class _Misread(Exception):
    """Unreadable value: reason and place."""

    def __init__(self, why: str, place: str = "") -> None:
        super().__init__(why)
        self.why, self.place = why, place


Reader = Callable[[Any], Any]
"""Callable that reads a value of one type, or raises `_Misread`."""


@cache
def _reader(hint: Any) -> Reader:
    """Return the reader of a type; cached, as a store has thousands of values of each."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return _reader(next(one for one in inner if one is not NoneType))
    if origin is Literal:
        return _checked(inner.__contains__, f"one of {', '.join(inner)}")
    if origin is tuple:
        return _list_reader(_reader(inner[0]))
    if origin is not None:
        return _table_reader(_reader(inner[1]))
    if hint is float:
        return _read_number
    if hint in (str, int, bool):
        return _checked(lambda plain: type(plain) is hint, hint.__name__)
    return _part_reader(hint)


def _part_reader(shape: type) -> Reader:
    hints = get_type_hints(shape)
    parts = [(one.name, _reader(hints[one.name]), one.default is MISSING) for one in fields(shape)]

    def convert(plain: Any) -> Any:
        if not isinstance(plain, Mapping):
            raise _Misread(f"must be a table, got {plain!r}")
        if not plain.keys() <= hints.keys():
            raise _Misread("unknown key", f".{min(plain.keys() - hints.keys())}")
        found: dict[str, Any] = {}
        for name, reader, needed in parts:
            if name in plain:
                try:
                    found[name] = reader(plain[name])
                except _Misread as error:
                    raise _Misread(error.why, f".{name}{error.place}") from None
            elif needed:
                raise _Misread("missing", f".{name}")
        return shape(**found)

    return convert


def _list_reader(reader: Reader) -> Reader:
    def convert(plain: Any) -> Any:
        if not isinstance(plain, list | tuple):
            raise _Misread(f"must be a list, got {plain!r}")
        return tuple(_read_items(reader, enumerate(plain), "[{}]").values())

    return convert


def _table_reader(reader: Reader) -> Reader:
    def convert(plain: Any) -> Any:
        if not isinstance(plain, Mapping):
            raise _Misread(f"must be a table, got {plain!r}")
        return _read_items(reader, ((str(key), one) for key, one in plain.items()), ".{}")

    return convert


def _read_items(reader: Reader, items: Iterable[tuple[Any, Any]], place: str) -> dict[Any, Any]:
    """Read the values of a list or table; `place` formats their positions."""
    found = {}
    for key, plain in items:
        try:
            found[key] = reader(plain)
        except _Misread as error:
            raise _Misread(error.why, place.format(key) + error.place) from None
    return found


def _read_number(plain: Any) -> float:
    number = isinstance(plain, int | float) and not isinstance(plain, bool)
    if not (number and abs(plain) <= sys.float_info.max):
        raise _Misread(f"must be a number, got {plain!r}")
    return float(plain)


def _checked(holds: Callable[[Any], bool], rule: str) -> Reader:
    def convert(plain: Any) -> Any:
        if not holds(plain):
            raise _Misread(f"must be {rule}, got {plain!r}")
        return plain

    return convert
