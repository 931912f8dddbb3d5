"""Memory need of a question, the device it fits, and the device count."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from estimator.catalog import Catalog, Device
from estimator.catalog.device_names import part_of_slice
from estimator.core.limits import within_limits
from estimator.core.messages import refuse
from estimator.core.notice import Notice
from estimator.core.rows import Floats, in_order
from estimator.core.uncertainty import Uncertain, uncertain, z_score
from estimator.core.units import CENTRAL
from estimator.memory.network import (
    CACHE,
    CACHE_GROWTH,
    GATHERING_STAGE,
    INFERENCE,
    HeldNetwork,
    find_network,
    find_overhead,
    inference_model,
    training_model,
)
from estimator.memory.plan import Plan, Serving, check_plan
from estimator.memory.request import MemoryQuestion
from estimator.memory.training_state import TRAINING, memory_of, states_of
from estimator.memory.usage import Memory, inference_memory, training_memory, with_overhead
from estimator.networks.blocks import LatentAttention
from estimator.networks.network import DEFAULT_TOKENS
from estimator.question.provenance import Found, SourcedNumber, noted, of_all, prior, recorded
from estimator.question.table import check_question

MOST_RANKS = 65_536
"""Most data-parallel or tensor-parallel ranks searched [1]."""

COARSE_RANKS = in_order(np.round(np.geomspace(1.0, MOST_RANKS, 257)))
"""Coarse search grid for the least number of ranks [1]."""

WAYS_TO_FIT: Mapping[str, Mapping[str, Any]] = {
    "recompute_assumed": {"recomputation": "full"},
    "states_offloaded": {"recomputation": "full", "zero": 2.0, "offload": True},
    "weights_offloaded": {"recomputation": "full", "offload": True},
}
"""Notice -> changes that make training fit, fastest first."""

OTHER_CHOICES: Mapping[str, Any] = {
    "recomputation": "full",
    "loss": "chunked",
    "lora_targets": "qv",
}
"""Common alternatives for settings often left open, which the interval includes."""

MOST_REACH = math.log(2.0)
"""Most that an unspecified setting widens the interval, in the logarithm [1]: assumed."""

MACHINES = ("server", "supercomputer")
"""Device types that consist of many devices."""


@dataclass(frozen=True, kw_only=True)
class MemoryAnswer:
    """Memory need of a question, and the device it is compared with.

    Parameters
    ----------
    question : MemoryQuestion
        Question as asked.
    network : HeldNetwork
        Resolved model.
    plan : Plan
        Layout of the model over devices.
    memory : Memory
        Memory per device, by component.
    device : Device or None
        The device, if one was named.
    capacity_bytes : float or None
        Memory of one device, None if unknown [byte].
    least_devices : float or None
        Least device count that fits in this layout, None if there is none, or if it fits and was
        not searched [1].
    inputs, notices
        See `Answer`.
    """

    question: MemoryQuestion
    network: HeldNetwork
    plan: Plan
    memory: Memory
    device: Device | None
    capacity_bytes: float | None
    least_devices: float | None
    inputs: Mapping[str, SourcedNumber]
    notices: tuple[Notice, ...]

    @property
    def fits(self) -> bool | None:
        """Return whether the median need fits on a device, or None if unknown."""
        if self.capacity_bytes is None:
            return None
        return bool(self.memory.total_bytes.mid <= self.capacity_bytes)

    @property
    def without_activations(self) -> bool:
        """Return whether the network's activations are not modelled and thus left out."""
        return self.network.decoder is None


def answer_memory(
    question: MemoryQuestion,
    catalog: Catalog,
    *,
    least: bool = True,
    network: HeldNetwork | None = None,
) -> MemoryAnswer:
    """Answer one question.

    Searches for the smallest device count if it does not fit, or if `least` is set. `network` is
    the model of the question if it is known.

    Raises
    ------
    ValueError
        With what is missing or invalid, in one line.

    >>> found = answer_memory(MemoryQuestion(model="llama-2-7b", hardware="h100"), Catalog.open())
    >>> found.fits, found.least_devices
    (False, 2.0)
    """
    _check(question)
    model = find_network(question, catalog) if network is None else Found(value=network)
    device = None if question.hardware is None else catalog.device(question.hardware)
    held = _capacity(device)
    capacity = held.value
    settled = Found(value=_usual(question))
    if capacity is not None:
        ways = list(_ways_to_run(question, model.value, catalog))
        settled = _settled(question, ways, capacity)
    asked, question = question, settled.value
    plan = _plan(question, model.value, catalog)
    memory = _memory(question, model.value, plan.value, catalog)
    covered = _covering(memory.value, asked, question, model.value, catalog, capacity)
    found = of_all(covered, model, plan, memory, held, settled)
    fewest = None
    if capacity is not None and (least or found.value.total_bytes.mid > capacity):
        (fewest,) = _least_devices(question, model.value, plan.value, catalog, [capacity])
    return MemoryAnswer(
        question=question,
        network=model.value,
        plan=plan.value,
        memory=found.value,
        device=device,
        capacity_bytes=capacity,
        least_devices=fewest,
        inputs=found.inputs,
        notices=tuple(dict.fromkeys(found.notices)),
    )


_Way = tuple[Found[MemoryQuestion], float, float]
"""Setting that may be assumed, with its total memory and the memory of its tensors [byte]."""


def _settled(
    question: MemoryQuestion, ways: Sequence[_Way], capacity: float
) -> Found[MemoryQuestion]:
    """Return the first of several settings that fits in this capacity [B] without offloading.

    If none does, tensors decide: allocator overhead is released under pressure. If no tensors fit
    either, or nothing is unspecified, the defaults apply.
    """
    here = [way for way in ways if not way[0].value.offload]
    whole = (way for way, total_bytes, _ in here if total_bytes <= capacity)
    tensors = (way for way, _, tensor_bytes in ways if tensor_bytes <= capacity)
    return next(whole, next(tensors, Found(value=_usual(question))))


def _ways_to_run(
    question: MemoryQuestion, network: HeldNetwork, catalog: Catalog
) -> Iterator[_Way]:
    """Yield the settings that may be assumed, each with its needs.

    Recomputation is assumed only if training fits no other way. For fine-tuning, optimizer state
    and then weights may also move to the host.
    """
    usual = _usual(question)
    if usual is question:  # it leaves nothing open
        return
    yield Found(value=usual), *_needs(usual, network, catalog)
    for code, changes in WAYS_TO_FIT.items():
        left_open = all(getattr(question, name) in (None, False) for name in changes)
        if left_open and (question.finetune is not None or "offload" not in changes):
            way = replace(question, **changes)
            yield noted(way, Notice(code, list(changes)[-1])), *_needs(way, network, catalog)


def _usual(question: MemoryQuestion) -> MemoryQuestion:
    """Return the question with recomputation set to none if unspecified."""
    if question.inference or question.recomputation is not None:
        return question
    return replace(question, recomputation="none")


def _needs(question: MemoryQuestion, network: HeldNetwork, catalog: Catalog) -> tuple[float, float]:
    """Return the memory needed with and without allocator overhead [byte]."""
    question = replace(question, counted=None)
    memory = _memory(question, network, _plan(question, network, catalog).value, catalog).value
    total_bytes = float(memory.total_bytes.mid)
    return total_bytes, total_bytes - float(uncertain(memory.fragmentation_bytes).mid)


def _covering(
    memory: Memory,
    asked: MemoryQuestion,
    settled: MemoryQuestion,
    network: HeldNetwork,
    catalog: Catalog,
    capacity_bytes: float | None,
) -> Memory:
    """Widen the memory interval to include the alternatives for unspecified settings.

    If a setting was assumed for the run to fit, the interval ends at the device's capacity.
    """
    if asked.inference:
        return memory
    reached = {}
    assumed = asked.recomputation is None and settled.recomputation != "none"
    if assumed and capacity_bytes is not None:
        over = max(float(memory.total_bytes.mid) - capacity_bytes, 0.0)
        slack = uncertain(memory.fragmentation_bytes)
        left = Uncertain(max(slack.mid - over, 0.0), slack.loadings)
        memory = replace(memory, fragmentation_bytes=left)
        reached["recomputation"] = capacity_bytes / float(memory.total_bytes.mid)
    _, tensors = _needs(settled, network, catalog)
    for name, word in _other_choices(asked, network).items():
        _, other = _needs(replace(settled, **{name: word}), network, catalog)
        reached.setdefault(name, tensors / other)
    loadings = {
        f"unspecified {name}": min(abs(math.log(reach)), MOST_REACH) / z_score(CENTRAL)
        for name, reach in reached.items()
    }
    return replace(memory, framework=memory.framework * Uncertain(1.0, loadings))


def _other_choices(asked: MemoryQuestion, network: HeldNetwork) -> dict[str, Any]:
    """Return the common alternatives of each unspecified setting."""
    decoder = network.decoder
    if decoder is None:
        return {}
    latent = any(isinstance(layer.attention, LatentAttention) for layer in decoder.layers)
    return {
        name: word
        for name, word in OTHER_CHOICES.items()
        if getattr(asked, name) is None
        and (name != "lora_targets" or (_adapts(asked) and not latent))
    }


def _capacity(device: Device | None) -> Found[float | None]:
    """Return the memory of a device, or None if it is unknown or there is no device [byte]."""
    if device is None:
        return Found(value=None)
    if "memory_bytes" not in device.records:
        return noted(None, Notice("memory_unknown", "hardware", {"device": device.name}))
    held = recorded("memory_bytes", device.records["memory_bytes"], "")
    return of_all(float(held.value.mid), held)


@dataclass(frozen=True, kw_only=True)
class DeviceFit:
    """Memory need relative to one device.

    Parameters
    ----------
    device : Device
        The device.
    capacity_bytes : float
        Memory of the device [byte].
    needed_bytes : Uncertain
        Memory of the whole model on one device [byte].
    least_devices : float or None
        Least device count that fits, None if there is none [1].
    """

    device: Device
    capacity_bytes: float
    needed_bytes: Uncertain
    least_devices: float | None

    @cached_property
    def share(self) -> Uncertain:
        """Memory need over the capacity of the device [1]."""
        return self.needed_bytes * (1.0 / self.capacity_bytes)


def fit_across_devices(
    question: MemoryQuestion, catalog: Catalog
) -> tuple[MemoryAnswer, tuple[DeviceFit, ...]]:
    """Answer one question and compare it with every device of known memory.

    Raises
    ------
    ValueError
        As in `answer_memory`.

    >>> _answer, fits = fit_across_devices(MemoryQuestion(model="llama-2-7b"), Catalog.open())
    >>> {fit.device.id: fit.least_devices for fit in fits if fit.device.id.startswith("h100-sxm")}
    {'h100-sxm': 2.0, 'h100-sxm-64': 3.0, 'h100-sxm-96': 2.0}
    """
    answer = answer_memory(replace(question, hardware=None), catalog)
    network = answer.network
    devices, held = catalog.once("devices of known memory", lambda: _of_known_memory(catalog))
    ways = list(_ways_to_run(question, network, catalog))
    settings = {capacity: _settled(question, ways, capacity).value for capacity in set(held)}
    needed, least = dict[float, Uncertain](), dict[float, float | None]()
    for asked in dict.fromkeys(settings.values()):
        capacities = [capacity for capacity in settings if settings[capacity] == asked]
        plan = _plan(asked, network, catalog).value
        whole = _memory(asked, network, plan, catalog).value.total_bytes
        needed |= dict.fromkeys(capacities, whole)
        fewest = _least_devices(asked, network, plan, catalog, capacities)
        least |= dict(zip(capacities, fewest, strict=True))
    return answer, tuple(
        DeviceFit(
            device=device,
            capacity_bytes=capacity,
            needed_bytes=needed[capacity],
            least_devices=least[capacity],
        )
        for device, capacity in zip(devices, held, strict=True)
    )


def _of_known_memory(catalog: Catalog) -> tuple[list[Device], list[float]]:
    """Return all devices that are sold individually, and their memory [byte]."""
    devices = [
        device
        for device in catalog.devices()
        if device.kind not in MACHINES and not math.isinf(memory_of(device))
    ]
    return devices, [memory_of(device) for device in devices]


def _check(question: MemoryQuestion) -> None:
    check_question(question)
    formats = (*INFERENCE, "fp4") if question.inference else tuple(TRAINING)
    if question.precision not in formats:
        use = "serving" if question.inference else "training"
        raise refuse(
            "memory_format_unknown",
            "precision",
            known=tuple(formats),
            use=use,
            word=question.precision,
        )
    for name, (goes, code) in _MISPLACED.items():
        if getattr(question, name) not in (None, False) and not goes(question):
            raise refuse(code, name)
    check_plan(
        Plan(
            devices=question.devices,
            tensor_parallel=1.0 if question.tensor_parallel is None else question.tensor_parallel,
            pipeline_parallel=question.pipeline_parallel,
            zero=question.zero or 0.0,
            batch=question.micro_batch,
        )
    )
    if question.inference and question.finetune is not None:
        raise refuse("memory_of_training", "finetune")


def _adapts(question: MemoryQuestion) -> bool:
    return question.finetune in ("lora", "qlora")


def _serves(question: MemoryQuestion) -> bool:
    return question.inference


def _trains(question: MemoryQuestion) -> bool:
    return not question.inference


_MISPLACED: Mapping[str, tuple[Callable[[MemoryQuestion], bool], str]] = {
    **dict.fromkeys(
        ("lora_rank", "train_embeddings", "lora_targets", "adapter_precision"),
        (_adapts, "memory_of_adapters"),
    ),
    "weights": (
        lambda question: _serves(question) or _adapts(question),
        "memory_of_serving_or_adapters",
    ),
    "context": (_serves, "memory_of_context"),
    **dict.fromkeys(("kv_precision", "prefill_tokens"), (_serves, "memory_of_serving")),
    **dict.fromkeys(
        (
            *("states", "loss", "dropout", "accumulation"),
            *("offload_activations", "fused_backward"),
        ),
        (_trains, "memory_not_of_serving"),
    ),
}
"""Input that applies to some questions only -> condition, and refusal of others."""


def _plan(question: MemoryQuestion, network: HeldNetwork, catalog: Catalog) -> Found[Plan]:
    """Return the layout, by default fully sharded in training and tensor-parallel in inference."""
    notices = [*part_of_slice(question.hardware or "", question.devices)]
    length = question.seq_len
    if question.inference and question.context is not None:
        length = question.context
    if length is None:
        longest = network.decoder.max_positions if network.decoder is not None else DEFAULT_TOKENS
        length = float(min(longest, DEFAULT_TOKENS))
        if network.takes_length:
            field = "context" if question.inference else "seq_len"
            notices.append(Notice("seq_len_assumed", field, {"tokens": length}))
    within_limits("seq_len", length, "seq_len")
    tensor = question.tensor_parallel
    if tensor is None:
        tensor = question.devices / question.pipeline_parallel if question.inference else 1.0
    ranks = question.devices / (tensor * question.pipeline_parallel)
    if question.zero is None and ranks > 1 and not question.inference:
        notices.append(Notice("fully_sharded", "zero"))
    if question.attention == "fused" and question.recomputation == "selective":
        notices.append(Notice("selective_recompute_assumed", "recomputation"))
    gathered = prior(catalog, "memory.gathered_layers", "gathered")
    plan = Plan(
        devices=question.devices,
        tensor_parallel=tensor,
        pipeline_parallel=question.pipeline_parallel,
        zero=3.0 if question.zero is None else question.zero,
        batch=question.micro_batch,
        seq_len=length,
        recompute_layers=question.recomputation == "full",
        sequence_parallel=question.sequence_parallel,
        gathered_layers=float(gathered.value.mid),
        offload=question.offload and question.zero in (None, GATHERING_STAGE),
        fused_backward=question.fused_backward,
        accumulates=question.accumulation != "none",
        step_copies=bool(question.zero) and not question.fsdp and states_of(question) == "mixed",
    )
    return of_all(plan, noted(None, *notices), gathered)


def _memory(
    question: MemoryQuestion, network: HeldNetwork, plan: Plan, catalog: Catalog
) -> Found[Memory]:
    overhead = find_overhead(question, network, plan.devices, catalog)
    if question.inference:
        serving = _serving(question, network, plan, catalog)
        model = inference_model(question, network, catalog)
        memory = of_all(inference_memory(model.value, plan, serving.value), serving, model)
    else:
        model = training_model(question, network, catalog)
        memory = of_all(training_memory(model.value, plan), model)
    whole = with_overhead(memory.value, overhead.value, question.counted)
    return of_all(whole, overhead, memory)


def _serving(
    question: MemoryQuestion, network: HeldNetwork, plan: Plan, catalog: Catalog
) -> Found[Serving]:
    """Return inference memory other than weights: KV cache and prompts in prefill."""
    cache = 0.0
    if network.ledger is not None:
        size = CACHE[question.kv_precision or ("fp32" if question.precision == "fp32" else "bf16")]
        cache = network.ledger.kv_cache_bytes(plan.seq_len, plan.batch, size)
    prefill = prior(catalog, "memory.prefill_tokens", "working")
    logits = prior(catalog, "memory.inference.prompt_logit_bytes", "working")
    growth = prior(catalog, CACHE_GROWTH, "working")
    prompt = plan.batch * plan.seq_len
    usual = np.minimum(prefill.value.mid, prompt)
    given = question.prefill_tokens
    at_once = usual if given is None else np.minimum(given, prompt)
    serving = Serving(
        cache_bytes=cache,
        cache_splits=network.cache_splits,
        prefill_tokens=float(at_once),
        cache_growth=float(growth.value.mid),
        prompt_logit_bytes=float(logits.value.mid * np.minimum(usual / at_once, 1.0)),
    )
    return of_all(serving, prefill, logits, growth)


def _needed_by_count(
    question: MemoryQuestion, network: HeldNetwork, plan: Plan, catalog: Catalog, counts: Floats
) -> tuple[Floats, Floats]:
    """Return device counts, and the memory that each device needs at each count [byte].

    `counts` are data-parallel ranks in training, tensor-parallel ranks in inference.
    """
    if not question.inference:
        wanted = counts * plan.tensor_parallel * plan.pipeline_parallel
        wider = replace(plan, devices=wanted)
    elif question.tensor_parallel is None:
        wanted = counts * plan.pipeline_parallel
        wider = replace(plan, devices=wanted, tensor_parallel=counts)
    else:
        wanted = np.array([plan.tensor_parallel * plan.pipeline_parallel])
        wider = replace(plan, devices=wanted)
    needed = _memory(question, network, wider, catalog).value.total_bytes.mid
    return wanted, np.broadcast_to(needed, wanted.shape)


def _least_devices(
    question: MemoryQuestion,
    network: HeldNetwork,
    plan: Plan,
    catalog: Catalog,
    capacities_bytes: Sequence[float],
) -> list[float | None]:
    """Return the least device count for each capacity; memory per device falls with the count.

    Coarse search, then a fine search between the last failure and first success.
    """
    _, needed = _needed_by_count(question, network, plan, catalog, COARSE_RANKS)
    distinct = list(dict.fromkeys(capacities_bytes))
    enough = needed <= np.array(distinct)[:, np.newaxis]
    firsts = set(enough.argmax(axis=1)[enough.any(axis=1)].tolist()) - {0}
    between = [np.arange(COARSE_RANKS[one - 1] + 1.0, COARSE_RANKS[one] + 1.0) for one in firsts]
    counts = np.sort(np.concatenate([COARSE_RANKS[:1], *between]))
    wanted, needed = _needed_by_count(question, network, plan, catalog, counts)
    least = {capacity: _least(wanted, needed, capacity) for capacity in distinct}
    return [least[capacity] for capacity in capacities_bytes]


def _least(wanted: Floats, needed: Floats, capacity_bytes: float) -> float | None:
    """Return the least device count at which a device's share fits, or None."""
    fitting = wanted[needed <= capacity_bytes]
    return float(fitting[0]) if fitting.size else None
