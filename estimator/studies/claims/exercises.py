"""Exercises whose answers the product computes, by the functions that answer everything else."""

from dataclasses import dataclass

import numpy as np

from estimator.answer.scenario_estimate import answer_scenario
from estimator.catalog import Catalog
from estimator.core.brain import energy_of_years_kwh, landauer_j
from estimator.core.phrase import Phrase, say
from estimator.question.scenario import Scenario
from estimator.studies.claims.ledger import claim
from estimator.studies.depth.activations import checkpoints
from estimator.studies.depth.paths import PlainNetwork
from estimator.studies.levers.break_even import paying_rank
from estimator.studies.levers.inference import StoredDecoder
from estimator.studies.scaling.coefficients import scaling_law

CHINCHILLA_FLOP = 5.88e23


@dataclass(frozen=True)
class Exercise:
    """A question with its answer.

    Parameters
    ----------
    question, steps : Phrase
        What is asked, and how the answer is reached.
    answer, unit : float, str
        The answer as the product computes it, and its unit.
    """

    question: Phrase
    steps: Phrase
    answer: float
    unit: str


def exercises(catalog: Catalog) -> tuple[Exercise, ...]:
    """Return the exercises with their answers, from arithmetic to scaling laws."""
    return (*_arithmetic(catalog), *_networks(catalog), *_laws(catalog))


def _arithmetic(catalog: Catalog) -> tuple[Exercise, ...]:
    gpt3, dqn, world = (
        claim(name, catalog) for name in ("gpt3-v100", "dqn-atari", "world-electricity")
    )
    return (
        Exercise(
            say(
                "GPT-3 took 3.14 × 10^23 FLOP. How long would one V100 take at 28 TFLOP/s?",
            ),
            say("(3.14 × 10^23 FLOP) / (28 × 10^12 FLOP/s), and 31,557,600 seconds in a year."),
            gpt3.interval.mid,
            "year",
        ),
        Exercise(
            say("What does that cost at $1.50 an hour?"),
            say("Hours times price: 355.4 years × 8,766 h × $1.50."),
            gpt3.finding.figures[0].interval.mid,
            "USD",
        ),
        Exercise(
            say("How much energy does a brain at 20 W take in 20 years?"),
            say("20 W × 20 × 8,766 h."),
            energy_of_years_kwh(20.0),
            "kWh",
        ),
        Exercise(
            say("DQN plays 200 million frames at 60 frames a second. How many days?"),
            say("200e6 / 60 / 86,400."),
            dqn.interval.mid,
            "day",
        ),
        Exercise(
            say("The world generated 29,471 TWh in 2023. What average power is that?"),
            say("29,471e12 Wh / 8,766 h."),
            world.interval.mid,
            "W",
        ),
    )


def _networks(catalog: Catalog) -> tuple[Exercise, ...]:
    network = PlainNetwork(layers=10.0, width=100.0)
    llama = StoredDecoder(
        params=catalog.preset("llama-2-7b").records["params"].value, weight_bits=4.0
    )
    return (
        Exercise(
            say("How many paths lead through 10 layers of 100 neurons? Give the power of ten."),
            say("n^L = 100^10 = 10^20."),
            float(network.log10_paths()),
            "1",
        ),
        Exercise(
            say("How much memory do the weights of Llama 2 7B take in 4 bits?"),
            say("Parameters × 4 / 8 bytes, nothing else counted."),
            float(llama.weight_bytes()),
            "B",
        ),
        Exercise(
            say(
                "A matrix of 4,096 × 11,008 is replaced by two factors. Up to which rank is that "
                "smaller?"
            ),
            say("r (m + n) < m n, so r < m n / (m + n)."),
            float(paying_rank(4096.0, 11008.0)),
            "1",
        ),
        Exercise(
            say("Checkpoints store every √L-th of 100 layers. How much longer does a step take?"),
            say("One more forward pass, a third of a step: 4/3."),
            float(checkpoints(100.0).compute_factor()),
            "1",
        ),
    )


def _laws(catalog: Catalog) -> tuple[Exercise, ...]:
    params, _ = scaling_law(catalog).optimum(CHINCHILLA_FLOP)
    device = catalog.device("h100")
    rate = device.peaks["fp16"].value / device.records["tdp_w"].value
    run = answer_scenario(
        Scenario(params=7e9, tokens=2e12, hardware="h100", devices=1.0, utilization=0.4), catalog
    ).estimate
    return (
        Exercise(
            say("Which size is best for 5.88 × 10^23 FLOP, the compute of Chinchilla?"),
            say("The corrected law at its optimum: N = G (C/6)^(β/(α+β))."),
            float(params),
            "parameter",
        ),
        Exercise(
            say(
                "7 billion parameters, 2 trillion tokens, H100 at 40% of the peak: how many "
                "device-hours?"
            ),
            say("6 N D / (0.4 × peak), in hours."),
            float(np.asarray(run["device_hours"].mid)),
            "h",
        ),
        Exercise(
            say("How far is an H100 from the Landauer limit, per operation?"),
            say("Joule per FLOP at the peak over k T ln 2 at 37 °C, for a single bit."),
            1 / rate / landauer_j(),
            "1",
        ),
    )
