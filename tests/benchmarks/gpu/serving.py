"""Serving small language models with plain transformers: prefill, then token after token."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from estimator.measure.attribution import mean_power_w
from estimator.measure.recorder import Recording
from estimator.runs import open_store
from estimator.runs.record import ServedLoad
from tests.benchmarks.gpu.models import network

LOADS = (
    # model, sequences, input tokens, output tokens
    *(("llama-3.1-8b", batch, 512, 48) for batch in (1, 8, 32, 128)),
    *(("qwen3-4b", batch, 512, 48) for batch in (1, 32)),
    *(("llama-3.2-1b", batch, 512, 48) for batch in (1, 64)),
)


@dataclass(frozen=True, kw_only=True)
class Served:
    """One load as it was served.

    Parameters
    ----------
    model : str
    sequences, input_tokens, output_tokens : int
    prefill_s, token_s : float
        Time to the first token of all sequences, and of one step of decoding [s].
    begun_s, ended_s : float
        On the monotonic clock [s].
    """

    model: str
    sequences: int
    input_tokens: int
    output_tokens: int
    prefill_s: float
    token_s: float
    begun_s: float
    ended_s: float


def wait(place: str) -> None:
    """Until the device is done."""
    if place != "cpu":
        torch.cuda.synchronize()


@torch.inference_mode()
def generated(model: Any, load: tuple[str, int, int, int], place: str) -> Served:
    """Read all prompts at once and generate greedily, all sequences in step."""
    name, sequences, read, written = load
    words = torch.randint(1000, (sequences, read), device=place)
    wait(place)
    begun = time.monotonic()
    found = model(input_ids=words, use_cache=True, logits_to_keep=1)
    cache, words = found.past_key_values, found.logits[:, -1:].argmax(-1)
    wait(place)
    first = time.monotonic()
    for _ in range(written - 1):
        found = model(input_ids=words, past_key_values=cache, use_cache=True)
        words = found.logits[:, -1:].argmax(-1)
    wait(place)
    ended = time.monotonic()
    return Served(
        model=name,
        sequences=sequences,
        input_tokens=read,
        output_tokens=written,
        prefill_s=first - begun,
        token_s=(ended - first) / (written - 1),
        begun_s=begun,
        ended_s=ended,
    )


def serve(place: str, component: str, loads: Sequence[tuple[str, int, int, int]]) -> None:
    """Serve every load, twice, and store what the second took and drew."""
    with open_store() as store:
        recording = Recording(origin="script", label="serving with transformers", store=store)
        models: dict[str, Any] = {}
        recording.start()
        done = []
        for load in loads:
            if load[0] not in models:
                models.clear()
                models[load[0]] = network(load[0], place=place, dtype=torch.bfloat16).eval()
            try:
                generated(models[load[0]], (*load[:3], 4), place)
                done.append(generated(models[load[0]], load, place))
            except RuntimeError as error:
                print(load, str(error).partition("\n")[0], flush=True)
                continue
            print(done[-1], flush=True)
        meter = next((one for one in recording.meters if one.component == component), None)
        time.sleep(0.5)
        samples = recording.samples().get(component, [])
        served = [
            placed(
                one,
                component,
                None
                if meter is None
                else mean_power_w(meter, samples, [(one.begun_s, one.ended_s)]),
            )
            for one in done
        ]
        recording.end(state="finished", served=lambda run: served)


def placed(one: Served, component: str, power: tuple[float, Any] | None) -> ServedLoad:
    """A load as the store keeps it; the first token's time only of one sequence by itself."""
    whole_s = one.ended_s - one.begun_s
    rate = one.sequences * one.output_tokens / whole_s
    measured = {"inter_token_s": one.token_s, "output_tokens_per_s": rate}
    if one.sequences == 1:
        measured["time_to_first_token_s"] = one.prefill_s
    if power is not None:
        measured["device_power_w"] = power[0]
        measured["device_energy_per_output_token_j"] = power[0] / rate
    return ServedLoad(
        component=component,
        model=one.model,
        precision="bf16",
        kv_precision="bf16",
        program="transformers",
        concurrency=float(one.sequences),
        input_tokens=float(one.input_tokens),
        output_tokens=float(one.output_tokens),
        measured=measured,
        trust=None if power is None else power[1],
    )
