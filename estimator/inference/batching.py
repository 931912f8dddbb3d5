"""How do requests share an engine: batches, their throughput and their latencies.

Continuous batching: every step advances all sequences in flight by a token; a sequence that ends
makes room for the next, whose input is read between or within steps. At `sequences` in flight and
`output_tokens` each, `sequences / output_tokens` requests begin per step.

Static batching, as of `generate` in research code: all sequences begin and end together, their
inputs are read in one pass, which yields their first tokens.
"""

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from estimator.inference.step import Number


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Pace of one replica.

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
    sequences: Number, output_tokens: Number, decode_s: Number, prefill_s: Number, first_s: Number
) -> Pace:
    """Pace at which sequences advance while others begin and end.

    Parameters
    ----------
    sequences, output_tokens : float or array
        Sequences in flight; tokens that each writes. [1]
    decode_s, prefill_s, first_s : float or array
        Time of a step without new inputs; time that one input adds; of a step that reads one. [s]

    >>> pace = steady_pace(8.0, 100.0, 0.01, 0.05, 0.06)
    >>> round(float(pace.output_tokens_per_s)), round(float(pace.inter_token_s), 4)
    (571, 0.0103)
    """
    begun = sequences / output_tokens
    reading_s = begun * prefill_s
    mean_s = decode_s + reading_s
    median_s = decode_s + reading_s * -np.expm1(-begun)
    return Pace(
        mean_step_s=mean_s,
        inter_token_s=median_s,
        time_to_first_token_s=first_s + 0.5 * begun * prefill_s,
        output_tokens_per_s=sequences / mean_s,
        requests_per_s=sequences / (output_tokens * mean_s),
        prefill_share=reading_s / mean_s,
    )


def static_pace(sequences: Number, output_tokens: Number, decode_s: Number, read_s: Number) -> Pace:
    """Pace of sequences that begin and end together, batch after batch.

    Parameters
    ----------
    sequences, output_tokens : float or array
        Sequences of a batch; tokens that each writes. [1]
    decode_s, read_s : float or array
        Time of a step; time in which the inputs of the whole batch are read. [s]

    >>> pace = static_pace(8.0, 101.0, 0.01, 0.05)
    >>> round(float(pace.output_tokens_per_s)), round(float(pace.requests_per_s), 2)
    (770, 7.62)
    """
    batch_s = read_s + (output_tokens - 1.0) * decode_s
    requests_per_s = sequences / batch_s
    return Pace(
        mean_step_s=decode_s,
        inter_token_s=decode_s,
        time_to_first_token_s=read_s,
        output_tokens_per_s=requests_per_s * output_tokens,
        requests_per_s=requests_per_s,
        prefill_share=read_s / batch_s,
    )


def chosen_pace(static: npt.NDArray[np.bool_], one: Pace, other: Pace) -> Pace:
    """The first pace where `static` holds, else the other."""
    return Pace(
        **{
            item.name: np.where(static, getattr(one, item.name), getattr(other, item.name))
            for item in fields(Pace)
        }
    )
