"""Exercises, with answers computed by the product's own functions.

The seed of a sheet draws its numbers, so that each student has other ones; seed 0 is the sheet of
the lecture.
"""

import random
from dataclasses import dataclass
from typing import Protocol, TypeVar
from urllib.parse import urlencode

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.core.brain import energy_of_years_kwh, landauer_j
from estimator.core.phrase import Phrase, say
from estimator.core.units import H_PER_YEAR, S_PER_DAY, digits, human, human_count
from estimator.question.scenario import Scenario, link
from estimator.studies.depth.activations import checkpoints
from estimator.studies.depth.paths import PlainNetwork
from estimator.studies.levers.break_even import paying_rank
from estimator.studies.levers.inference import StoredDecoder
from estimator.studies.scaling.coefficients import scaling_law

GPT3_FLOP = 3.14e23
WORLD_TWH = 29_471.0
CHINCHILLA_FLOP = 5.88e23

Value = TypeVar("Value")


class Given(Protocol):
    """Number of a sheet: the usual one on the sheet of the lecture, else one of all."""

    def __call__(self, usual: Value, *others: Value) -> Value:
        """Return one of the values."""


@dataclass(frozen=True)
class Exercise:
    """Question with its answer.

    Parameters
    ----------
    question, steps : Phrase
        Text of the question, and the steps to the answer.
    answer, unit : float, str
        Answer as computed by the product, and its unit.
    link : str
        Page and query that show the same case in the app.
    """

    question: Phrase
    steps: Phrase
    answer: float
    unit: str
    link: str


def exercises(catalog: Catalog, seed: int = 0) -> tuple[Exercise, ...]:
    """Return the exercises with their answers, from arithmetic to scaling laws.

    >>> [one.answer for one in exercises(Catalog.open(), 7)][5:7]
    [10.0, 34488326655.0]
    """
    draw = random.Random(seed)

    def pick(usual: Value, *others: Value) -> Value:
        return draw.choice((usual, *others)) if seed else usual

    return (
        *_arithmetic(catalog, pick),
        *_networks(catalog, pick),
        *_laws(catalog, pick),
    )


def _arithmetic(catalog: Catalog, given: Given) -> tuple[Exercise, ...]:
    rate = given(28e12, 25e12, 35e12, 40e12, 50e12)
    price = given(1.5, 0.9, 1.2, 2.0, 2.5, 3.0)
    run = Scenario(
        flop=GPT3_FLOP,
        hardware="v100",
        precision="fp16",
        devices=1.0,
        utilization=rate / catalog.device("v100").peaks["fp16"].value,
        price=price,
    )
    found = answer_scenario(run, catalog).estimate
    years = float(found["wall_hours"].mid) / H_PER_YEAR
    thinking = given(20.0, 5.0, 10.0, 30.0, 50.0, 80.0)
    frames = given(200e6, 50e6, 100e6, 300e6, 400e6)
    per_s = given(60.0, 15.0, 25.0, 30.0, 50.0)
    twh = given(WORLD_TWH, 95.0, 240.0, 510.0, 980.0, 4200.0)
    return (
        Exercise(
            say(
                "GPT-3 took 3.14 × 10^23 FLOP. How long would one V100 take at {rate}?",
                rate=human(rate, "FLOP/s"),
            ),
            say(
                "(3.14 × 10^23 FLOP) / ({rate} × 10^12 FLOP/s), and 31,557,600 seconds in a year.",
                rate=digits(rate / 1e12),
            ),
            years,
            "year",
            f"estimate{link(run)}",
        ),
        Exercise(
            say("What does that cost at {price} an hour?", price=human(price, "$")),
            say(
                "Hours times price: {years} years × 8,766 h × {price}.",
                years=f"{years:.1f}",
                price=human(price, "$"),
            ),
            float(found["cost_usd"].mid),
            "USD",
            f"estimate{link(run)}",
        ),
        Exercise(
            say(
                "How much energy does a brain at 20 W take in {years} years?",
                years=digits(thinking),
            ),
            say("20 W × {years} × 8,766 h.", years=digits(thinking)),
            energy_of_years_kwh(thinking),
            "kWh",
            _page("brain", years=thinking),
        ),
        Exercise(
            say(
                "DQN plays {frames} frames at {rate} frames a second. How many days?",
                frames=human_count(frames),
                rate=digits(per_s),
            ),
            say("{frames} / {rate} / 86,400.", frames=f"{frames:,.0f}", rate=digits(per_s)),
            frames / per_s / S_PER_DAY,
            "day",
            _page("claims", claim="dqn-atari"),
        ),
        Exercise(
            say(
                "The world generated {energy} TWh in 2023. What average power is that?"
                if twh == WORLD_TWH
                else "A country generates {energy} TWh in a year. What average power is that?",
                energy=digits(twh) if twh < WORLD_TWH else f"{twh:,.0f}",
            ),
            say("{energy}e12 Wh / 8,766 h.", energy=f"{twh:,.0f}"),
            twh * 1e12 / H_PER_YEAR,
            "W",
            _page("claims", claim="world-electricity"),
        ),
    )


def _networks(catalog: Catalog, given: Given) -> tuple[Exercise, ...]:
    layers, width = given(10.0, 8.0, 9.0, 12.0, 15.0, 20.0), given(100.0, 10.0, 1000.0)
    network = PlainNetwork(layers=layers, width=width)
    preset, bits = given("llama-2-7b", "llama-2-13b", "llama-2-70b"), given(4.0, 8.0, 16.0)
    stored = catalog.preset(preset)
    llama = StoredDecoder(params=stored.records["params"].value, weight_bits=bits)
    rows, columns = given(4096.0, 2048.0, 5120.0, 8192.0), given(11008.0, 13824.0, 14336.0, 28672.0)
    deep = given(100.0, 36.0, 64.0, 144.0, 196.0)
    return (
        Exercise(
            say(
                "How many paths lead through {layers} layers of {width} neurons? Give the power "
                "of ten.",
                layers=digits(layers),
                width=digits(width),
            ),
            say(
                "n^L = {width}^{layers} = 10^{power}.",
                width=digits(width),
                layers=digits(layers),
                power=digits(float(network.log10_paths())),
            ),
            float(network.log10_paths()),
            "1",
            _page("depth", view="paths", layers=layers, width=width),
        ),
        Exercise(
            say(
                "How much memory do the weights of {model} take in {bits} bits?",
                model=stored.name,
                bits=digits(bits),
            ),
            say(
                "{params} parameters × {bits} / 8 bytes, nothing else counted.",
                params=human_count(stored.records["params"].value),
                bits=digits(bits),
            ),
            float(llama.weight_bytes()),
            "B",
            _page("models", model=preset, weights=WEIGHTS[bits]),
        ),
        Exercise(
            say(
                "A matrix of {rows} × {columns} is replaced by two factors. Up to which rank is "
                "that smaller?",
                rows=f"{rows:,.0f}",
                columns=f"{columns:,.0f}",
            ),
            say("r (m + n) < m n, so r < m n / (m + n)."),
            float(paying_rank(rows, columns)),
            "1",
            _page("claims", claim="low-rank"),
        ),
        Exercise(
            say(
                "Checkpoints store every √L-th of {layers} layers. How many layers are in memory "
                "at once?",
                layers=digits(deep),
            ),
            say("√L checkpoints, and the √L layers between two of them: 2 √L."),
            float(checkpoints(deep).layers_stored),
            "1",
            _page("depth", view="activations", layers=deep),
        ),
    )


WEIGHTS = {4.0: "int4", 8.0: "int8", 16.0: "bf16"}
"""Bits of a weight -> their format."""


def _laws(catalog: Catalog, given: Given) -> tuple[Exercise, ...]:
    flop = given(CHINCHILLA_FLOP, 1e22, 1e23, 3e23, 2e24)
    params, _ = scaling_law(catalog).optimum(flop)
    size, tokens = given(7e9, 3e9, 8e9, 13e9, 30e9), given(2e12, 5e11, 3e12, 4e12)
    share = given(0.4, 0.3, 0.35, 0.45, 0.5)
    run = Scenario(
        params=size,
        tokens=tokens,
        hardware="h100",
        precision="bf16",
        devices=1.0,
        utilization=share,
    )
    hours = answer_scenario(run, catalog).estimate["device_hours"]
    device = catalog.device(given("h100", "v100", "a100", "h200", "b200"))
    rate = device.peaks["fp16"].value / device.records["tdp_w"].value
    return (
        Exercise(
            say("Which size is best for {flop} FLOP of training compute?", flop=f"{flop:.3g}"),
            say("The corrected law at its optimum: N = G (C/6)^(β/(α+β))."),
            float(params),
            "parameter",
            _page("scaling", amount=flop, unit="flop"),
        ),
        Exercise(
            say(
                "{params} parameters, {tokens} tokens, H100 at {share} of the peak: how many "
                "device-hours?",
                params=human_count(size),
                tokens=human_count(tokens),
                share=f"{share:.0%}",
            ),
            say("6 N D / ({share} × peak), in hours.", share=digits(share)),
            float(hours.mid),
            "h",
            f"estimate{link(run)}",
        ),
        Exercise(
            say(
                "How far is the peak of {device} from the Landauer limit, per operation?",
                device=device.name,
            ),
            say("Joule per FLOP at the peak over k T ln 2 at 37 °C, for a single bit."),
            1 / rate / landauer_j(),
            "1",
            _page("brain", hardware=device.id),
        ),
    )


def _page(path: str, **values: object) -> str:
    """Return a page's link with a query of its inputs."""
    said = {name: f"{one:g}" if isinstance(one, float) else one for name, one in values.items()}
    return f"{path}?{urlencode(said)}"
