"""Parameters, priors and fit of inference engines.

An engine is a type of program on a type of device: a server with continuous batching (vLLM, TGI,
SGLang), a vendor build (TensorRT-LLM, MLPerf submissions), or eager research code; or llama.cpp and
similar on CUDA, Metal, other GPUs (Vulkan, ROCm), CPUs, Intel GPUs (whose Windows and Linux drivers
differ several-fold), and GPUs behind a single PCIe lane of a single-board computer. Servers run
similar kernels: they differ in overhead per layer, sequence and request and share the rest, which
predicts unseen models better [1]_. Shares in (0, 1) are fitted as logits, other parameters as
logarithms.

References
----------
.. [1] Held out by line of models, 2026-11-24: time per token of 1,470 rows of vLLM, SGLang and
   TensorRT-LLM 12.4% off with shared parameters and 14.9% with all of each engine's own, time to
   first token 30 and 36%.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from estimator.catalog import Catalog, Record
from estimator.core.uncertainty import z_score
from estimator.core.units import CENTRAL
from estimator.inference.power import Draw
from estimator.inference.step import SERVER_PASS_TOKENS, Engine, Number

Floats = npt.NDArray[np.float64]

ENGINES = (
    "server",
    "vendor",
    "local-cuda",
    "local-metal",
    "local-gpu",
    "local-cpu",
    "eager",
    "local-intel",
    "local-board",
    "sglang",
)
SERVER, VENDOR, CUDA, METAL, OTHER_GPU, CPU, EAGER, INTEL_GPU, BOARD_GPU, SGLANG = range(
    len(ENGINES)
)
"""Engine codes."""

SERVERS = (SERVER, VENDOR, SGLANG)
"""Engines that serve many requests at once on data-center devices."""

LOCAL = (CUDA, METAL, OTHER_GPU, CPU, INTEL_GPU, BOARD_GPU)
"""Engines for a single user's machine, which split layers rather than matrices across devices."""

BETWEEN_LAUNCHES = 0.1
"""Share of the range from idle to limit that a GPU draws while its host launches kernels one by one
[1]: an H100 draws 122 to 157 W on 256 x 256 products, with 74 W idle and a 700 W limit
(`profiles/runs/measured_h100.toml`). Engines with graphs do not wait.
"""

LOCAL_PASS_TOKENS = 512.0
"""Prompt tokens per pass of llama.cpp, its default `--ubatch-size` [token]."""

OF_ENGINE = (
    "read_share",
    "cache_share",
    "ceiling_bytes_per_s",
    "matrix_share",
    "half_rows",
    "layer_s",
    "step_s",
    "sequence_s",
)
"""Parameters of each engine; servers share all but `OF_SERVER`."""

OF_SERVER = {
    SERVER: OF_ENGINE,
    VENDOR: ("layer_s", "sequence_s"),
    SGLANG: ("layer_s",),
}
"""Parameters specific to a server besides `request_s`; SGLang schedules in Python like vLLM."""

SHARED = (
    "expert_share",
    "expert_8_bit_share",
    "expert_4_bit_share",
    "expert_layer_s",
    "tile_rows",
    "unpack_rows",
    "pair_share",
    "latent_layer_s",
    "queue_s",
    "waiting_steps",
    "wave_share",
    "stage_s",
    "collective_s",
    "link_share",
    "input_tokens",
    "saturated_sequences",
    "awake",
    "reading",
    "computing",
)
"""Parameters that all engines share."""


def holder(code: int, name: str) -> str:
    """Name of the parameter that an engine uses, possibly shared by all servers."""
    own = name in OF_SERVER.get(code, OF_ENGINE)
    return f"{ENGINES[code if own else SERVER]}.{name}"


NAMES = (
    *dict.fromkeys(holder(code, name) for code in range(len(ENGINES)) for name in OF_ENGINE),
    *(f"{ENGINES[code]}.request_s" for code in SERVERS),
    *SHARED,
)
"""All parameters, in fit order."""

_PLACE = {name: place for place, name in enumerate(NAMES)}

IS_LOCAL = np.array([code in LOCAL for code in range(len(ENGINES))])
IS_SERVER = np.array([code in SERVERS for code in range(len(ENGINES))])
"""Mask of the engines that are servers, by code."""

SHARES = frozenset(
    name for name in NAMES if name.rpartition(".")[2].endswith("_share") or name == "awake"
)
"""Parameters in (0, 1)."""


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """Values of `NAMES`, as an array of that length."""

    values: Floats

    def of(self, name: str) -> float:
        """Return the value of one parameter."""
        return float(self.values[_PLACE[name]])

    def with_values(self, fixed: Mapping[str, float]) -> "Parameters":
        """Return the parameters with some values replaced."""
        values = np.array(self.values)
        for name, value in fixed.items():
            values[_PLACE[name]] = value
        return Parameters(values=values)

    def by_engine(self, name: str, codes: npt.NDArray[np.int64]) -> Floats:
        """Return parameter values for each row, from its engine code."""
        return self._own[name][codes]

    @cached_property
    def _own(self) -> dict[str, Floats]:
        """Per-engine parameters, by name and code."""
        return {
            name: np.array([self.of(holder(code, name)) for code in range(len(ENGINES))])
            for name in OF_ENGINE
        }

    @cached_property
    def _request_s(self) -> Floats:
        """Time per request outside all steps, by engine code [s]."""
        return np.array(
            [
                self.of(f"{engine}.request_s") if code in SERVERS else 0.0
                for code, engine in enumerate(ENGINES)
            ]
        )

    def engine(
        self,
        codes: npt.NDArray[np.int64],
        *,
        sparse: npt.NDArray[np.bool_],
        expert_bits: Number,
        nested: npt.NDArray[np.bool_],
        stages: Number,
    ) -> Engine:
        """Return the efficiency figures of each row's engine.

        Parameters
        ----------
        codes : array of int
            Engine code of each row.
        sparse : array of bool
            Whether the model has routed experts.
        expert_bits : float or array
            Bits of expert weights; kernels for packed experts reach other rates [bit].
        nested : array of bool
            Whether the weights are in a llama.cpp format that takes longer to unpack.
        stages : float or array
            Pipeline stages, with one transfer each [1].
        """
        local, serves = IS_LOCAL[codes], IS_SERVER[codes]
        packed = np.where(
            np.asarray(expert_bits) < 6.0,
            self.of("expert_4_bit_share"),
            np.where(
                np.asarray(expert_bits) <= 8.0,
                self.of("expert_8_bit_share"),
                self.of("expert_share"),
            ),
        )
        own = {name: self.by_engine(name, codes) for name in OF_ENGINE}
        own["layer_s"] = own["layer_s"] + self.of("expert_layer_s") * sparse
        own["half_rows"] = own["half_rows"] * np.where(
            nested & (codes != CPU), self.of("unpack_rows"), 1.0
        )
        own["step_s"] = own["step_s"] + self.of("stage_s") * (np.asarray(stages) - 1.0)
        return Engine(
            expert_share=np.where(local, self.of("expert_4_bit_share"), packed),
            collective_s=np.where(local, 0.0, self.of("collective_s")),
            link_share=self.of("link_share"),
            tile_rows=self.of("tile_rows"),
            pass_tokens=np.where(local, LOCAL_PASS_TOKENS, SERVER_PASS_TOKENS),
            launches_ahead=codes == EAGER,
            pair_share=np.where(serves, self.of("pair_share"), own["matrix_share"]),
            latent_layer_s=np.where(serves, self.of("latent_layer_s"), 0.0),
            request_s=self._request_s[codes],
            queue_s=np.where(serves, self.of("queue_s"), 0.0),
            waiting_steps=np.where(serves, self.of("waiting_steps"), 0.0),
            wave_share=np.where(serves, self.of("wave_share"), 0.0),
            reserved_share=np.where(codes == VENDOR, 1.0, 0.5),
            **own,
        )

    def draw_of(self, codes: npt.NDArray[np.int64]) -> Draw:
        """Return the power parameters of devices under the engines of some rows."""
        between = np.where(codes == EAGER, BETWEEN_LAUNCHES, self.of("awake"))
        return replace(self.draw, between=between)

    @property
    def draw(self) -> Draw:
        """Return the power parameters of a device."""
        return Draw(
            awake=self.of("awake"), reading=self.of("reading"), computing=self.of("computing")
        )


def to_line(values: Sequence[float] | Floats) -> Floats:
    """Convert parameters to the fit's scale: logits of shares, logarithms of the rest."""
    numbers = np.asarray(values, dtype=np.float64)
    share = np.array([name in SHARES for name in NAMES])
    inside = np.where(share, numbers, 0.5)
    return np.where(share, np.log(inside / (1.0 - inside)), np.log(numbers))


def from_line(line: Floats) -> Parameters:
    """Convert values on the fit's scale to parameters."""
    share = np.array([name in SHARES for name in NAMES])
    return Parameters(values=np.where(share, 1.0 / (1.0 + np.exp(-line)), np.exp(line)))


def prior(catalog: Catalog) -> tuple[Floats, Floats]:
    """Return the prior mean and standard deviation of every parameter, on the scale of the fit."""
    records = [catalog.prior(f"serving.prior.{name}") for name in NAMES]
    centre = to_line([record.value for record in records])
    low = to_line([_bound(record, record.low) for record in records])
    high = to_line([_bound(record, record.high) for record in records])
    return centre, (high - low) / (2.0 * z_score(CENTRAL))


def fitted(catalog: Catalog) -> Parameters:
    """Return the parameters fitted to measured rows, as stored in the profiles."""
    return catalog.once("serving parameters", lambda: _fitted(catalog.priors()))


def _fitted(records: Mapping[str, Record]) -> Parameters:
    return Parameters(values=np.array([records[f"serving.fitted.{name}"].value for name in NAMES]))


def _bound(record: Record, bound: float | None) -> float:
    if bound is None:
        raise ValueError("an inference prior needs low and high")
    return bound
