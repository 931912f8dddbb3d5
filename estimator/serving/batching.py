"""How do requests share an engine: continuous batching, its throughput and its latencies.

Every step advances all sequences in flight by a token; a sequence that ends makes room for the
next, whose input is read between or within steps. At `sequences` in flight and `output_tokens`
each, `sequences / output_tokens` requests begin per step.
"""

from dataclasses import dataclass

import numpy as np

from estimator.serving.step import Number


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Steady state of one replica.

    Parameters
    ----------
    mean_step_s, inter_token_s : float or array
        Mean time between tokens of a sequence, inputs of others included; its median [s].
    time_to_first_token_s : float or array
        From the admission of a request to its first token, median [s].
    output_tokens_per_s, requests_per_s : float or array
        Of all sequences in flight.
    prefill_share : float or array
        Share of the time that goes into reading inputs [1].
    """

    mean_step_s: Number
    inter_token_s: Number
    time_to_first_token_s: Number
    output_tokens_per_s: Number
    requests_per_s: Number
    prefill_share: Number


def steady_pace(
    sequences: Number, output_tokens: Number, decode_s: Number, prefill_s: Number
) -> Pace:
    """Pace at which sequences advance while others begin and end.

    Parameters
    ----------
    sequences, output_tokens : float or array
        Sequences in flight; tokens that each writes. [1]
    decode_s, prefill_s : float or array
        Time of a step without new inputs; time that one input takes. [s]

    >>> pace = steady_pace(8.0, 100.0, 0.01, 0.05)
    >>> round(float(pace.output_tokens_per_s)), round(float(pace.inter_token_s), 4)
    (571, 0.0103)
    """
    begun = sequences / output_tokens
    reading_s = begun * prefill_s
    mean_s = mean_step_s(begun, decode_s, prefill_s)
    median_s = decode_s + reading_s * -np.expm1(-begun)
    return Pace(
        mean_step_s=mean_s,
        inter_token_s=median_s,
        time_to_first_token_s=prefill_s * (1.0 + 0.5 * begun) + decode_s,
        output_tokens_per_s=sequences / mean_s,
        requests_per_s=sequences / (output_tokens * mean_s),
        prefill_share=reading_s / mean_s,
    )


def mean_step_s(begun: Number, decode_s: Number, prefill_s: Number) -> Number:
    """Mean time between tokens where so many requests begin per step [s]."""
    return decode_s + begun * prefill_s
