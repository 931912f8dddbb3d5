"""Batches, throughput and latencies of requests that share an engine.

Continuous batching: every step advances all sequences in flight by a token, and a finished sequence
makes room for the next, whose prompt is prefilled between or within steps. With `sequences` in
flight and `output_tokens` each, `sequences / output_tokens` requests begin per step.

Static batching, as in `generate` of research code: all sequences begin and end together, and one
prefill pass yields their first tokens.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from estimator.inference.step import Number


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Latency and throughput of one replica.

    Parameters
    ----------
    inter_token_s, median_gap_s, late_gap_s : float or array
        Time per output token of a request, including other prompts; median and 90th percentile of
        the gap between tokens [s].
    time_to_first_token_s, queue_s : float or array
        Median time from the start of a request to its first token, and the part spent waiting for
        other prompts, which varies between requests [s].
    output_tokens_per_s, requests_per_s : float or array
        Rates over all sequences in flight.
    prefill_share : float or array
        Share of the time spent on prefill [1].
    """

    inter_token_s: Number
    median_gap_s: Number
    late_gap_s: Number
    time_to_first_token_s: Number
    queue_s: Number
    output_tokens_per_s: Number
    requests_per_s: Number
    prefill_share: Number

    def first_token_s(self, quantile: float) -> Number:
        """Return a quantile of the time to first token [s].

        Queueing behind other prompts is exponentially distributed with the same median.
        """
        medians = math.log(1.0 - quantile) / math.log(0.5)
        return self.time_to_first_token_s + self.queue_s * (medians - 1.0)

    def request_s(self, output_tokens: Number, quantile: float) -> Number:
        """Return a quantile of the latency of a whole request [s]."""
        return self.first_token_s(quantile) + (output_tokens - 1.0) * self.inter_token_s


LATE = 0.9
"""Share of the gaps between tokens within `Pace.late_gap_s` [1]."""


def steady_pace(
    sequences: Number,
    output_tokens: Number,
    decode_s: Number,
    prefill_s: Number,
    first_s: Number,
    queue_s: Number = 0.0,
) -> Pace:
    """Return the pace with continuous batching, where other sequences start and end meanwhile.

    Parameters
    ----------
    sequences, output_tokens : float or array
        Sequences in flight, and output tokens of each [1].
    decode_s, prefill_s : float or array
        Time of a decode step without new prompts, and additional time per prompt [s].
    first_s, queue_s : float or array
        Time to first token without other prompts, and median wait for them [s].

    >>> pace = steady_pace(8.0, 100.0, 0.01, 0.05, 0.06)
    >>> round(float(pace.output_tokens_per_s)), round(float(pace.inter_token_s), 4)
    (573, 0.0135)
    """
    others = np.maximum(sequences - 1.0, 0.0) / output_tokens
    inter_token_s = decode_s + others * prefill_s
    read_late = others + NormalDist().inv_cdf(LATE) * np.sqrt(others)
    late = np.where(np.exp(-others) >= LATE, 0.0, np.maximum(read_late, 1.0))
    request_s = first_s + queue_s + (output_tokens - 1.0) * inter_token_s
    requests_per_s = sequences / request_s
    return Pace(
        inter_token_s=inter_token_s,
        median_gap_s=decode_s + others * prefill_s * -np.expm1(-others),
        late_gap_s=np.maximum(decode_s + late * prefill_s, inter_token_s),
        time_to_first_token_s=first_s + queue_s,
        queue_s=queue_s + np.zeros_like(request_s),
        output_tokens_per_s=requests_per_s * output_tokens,
        requests_per_s=requests_per_s,
        prefill_share=prefill_s * sequences / (decode_s * output_tokens + prefill_s * sequences),
    )


def static_pace(sequences: Number, output_tokens: Number, decode_s: Number, read_s: Number) -> Pace:
    """Return the pace with static batching.

    Parameters
    ----------
    sequences, output_tokens : float or array
        Sequences per batch, and output tokens of each [1].
    decode_s, read_s : float or array
        Time of a decode step, and prefill time of the whole batch [s].

    >>> pace = static_pace(8.0, 101.0, 0.01, 0.05)
    >>> round(float(pace.output_tokens_per_s)), round(float(pace.requests_per_s), 2)
    (770, 7.62)
    """
    batch_s = read_s + (output_tokens - 1.0) * decode_s
    requests_per_s = sequences / batch_s
    return Pace(
        inter_token_s=decode_s,
        median_gap_s=decode_s,
        late_gap_s=decode_s,
        time_to_first_token_s=read_s,
        queue_s=np.zeros_like(read_s),
        output_tokens_per_s=requests_per_s * output_tokens,
        requests_per_s=requests_per_s,
        prefill_share=read_s / batch_s,
    )
