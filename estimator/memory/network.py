"""Model, formats and overheads for the memory need, from a config or the profiles."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from estimator.catalog import Catalog
from estimator.core.bounds import FEW
from estimator.core.limits import within_limits
from estimator.core.messages import refuse
from estimator.core.notice import Notice
from estimator.core.rows import in_order
from estimator.core.uncertainty import EXACTLY_ONE, Number, Uncertain
from estimator.memory.activations import (
    FP32_BYTES,
    FUSED_VALUES,
    NOTHING_KEPT,
    OP_BY_OP_VALUES,
    Adapters,
    Style,
    adapter_params,
    decoder_kept,
    typical_decoder,
    widest_matrix,
)
from estimator.memory.plan import Model, ParameterGroup
from estimator.memory.request import LORA_RANK, MemoryQuestion
from estimator.memory.training_state import TRAINING, trained
from estimator.memory.usage import Overhead
from estimator.networks.blocks import Attention
from estimator.networks.config_file import config_name, config_of, is_config
from estimator.networks.ledger import Inputs, Ledger, takes
from estimator.networks.transformer import Decoder
from estimator.question.provenance import Found, given_value, noted, of_all, prior, recorded

QUANTIZED = {"nf4": "nf4", "nf4-dq": "nf4_dq", "int4": "int4", "int8": "int8"}
"""Format -> prior of the bytes per quantized weight, scales included."""

INFERENCE = {"bf16": 2.0, "fp16": 2.0, "fp32": 4.0, "fp8": 1.0, "int8": 1.0}
"""Format -> bytes per weight [byte]; fp4 with its scales is in the priors."""

CACHE = {"bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0, "fp32": 4.0}
"""Format -> bytes per value of the key-value cache [byte]."""

HOSTED = 0.1
"""Share of offloaded activations that stays on the device [1]."""

CHUNK = 1 / 8
"""Share of the logits that a chunked loss keeps at a time [1]; 8 chunks are torchtune's default."""

WRITTEN_OUT = ("gelu_new", "gelu_fast")
"""Activations that Transformers computes in elementary operations."""

WRITTEN_OUT_BY_DEFAULT = ("gpt2", "gptj", "gpt_neo", "codegen")
"""Families that use such an activation by default."""

OUTER_SHARE = 0.25
"""Largest share of the token table or the head in a model with only its size known [1]."""

EXACT = Found(value=EXACTLY_ONE)
"""Neutral factor."""

LOSS_BYTES = "memory.loss_bytes_per_token_and_word"
"""Prior of the bytes that the loss keeps per output during differentiation."""

CACHE_GROWTH = "memory.inference.cache_growth"
"""Prior of the number of cache copies while it grows."""


@dataclass(frozen=True, kw_only=True)
class HeldNetwork:
    """Resolved model: name, ledger, decoder if it is one, and parameters by place.

    `takes_length` is off if the sequence length has no effect, as for images.
    """

    name: str
    ledger: Ledger | None
    decoder: Decoder | None
    layers: float
    embedding: float
    head: float
    typical: bool = False
    plain_values: int = FUSED_VALUES
    takes_length: bool = True

    @property
    def params(self) -> float:
        """Total parameters [1]."""
        return self.layers + self.embedding + self.head

    @property
    def tied(self) -> bool:
        """Return whether the output head shares the token embedding."""
        return self.decoder is not None and self.decoder.head is not None and self.decoder.head.tied

    @property
    def cache_splits(self) -> float:
        """Most ranks that can share the key-value cache: the fewest key-value heads of a layer."""
        parts = [] if self.decoder is None else [layer.attention for layer in self.decoder.layers]
        return float(min((p.kv_heads if isinstance(p, Attention) else 1 for p in parts), default=1))


def find_network(question: MemoryQuestion, catalog: Catalog) -> Found[HeldNetwork]:
    """Find the model of a question.

    Raises
    ------
    ValueError
        If no model or two models are given.
    """
    if (question.model is None) == (question.params is None):
        raise refuse("memory_one_model", "model")
    if question.params is not None:
        return _typical("a decoder", question.params, catalog)
    name = str(question.model)
    if is_config(name):
        return _configured(config_name(name), config_of(name))
    preset = catalog.preset(name)
    if preset.config:
        return _configured(preset.name, preset.config)
    if "params" not in preset.records:
        raise refuse("memory_size_unknown", "params", preset=preset.name)
    params = preset.records["params"].value
    if preset.kind == "language":
        return _typical(preset.name, params, catalog)
    network = HeldNetwork(
        name=preset.name,
        ledger=None,
        decoder=None,
        layers=params,
        embedding=0.0,
        head=0.0,
        takes_length=preset.kind == "speech",
    )
    return of_all(network, recorded("params", preset.records["params"], ""))


def training_model(
    question: MemoryQuestion, network: HeldNetwork, catalog: Catalog
) -> Found[Model]:
    """Return the tensors of training, in the given formats and optimizer."""
    size = TRAINING[question.precision]
    loss = prior(catalog, LOSS_BYTES, "logits")
    eager = question.attention == "eager" and question.recomputation in (None, "none")
    style = Style(
        value_bytes=size,
        eager=eager,
        plain_values=network.plain_values,
        dropout=question.dropout,
    )
    decoder = network.decoder
    share = _selective_share(question, catalog, "activations")
    groups = _groups(question, network, catalog)
    held = HOSTED if question.offload_activations else 1.0
    at_once = CHUNK if question.loss == "chunked" else 1.0
    model = Model(
        parameters=groups.value,
        layers=1.0 if decoder is None else len(decoder.layers),
        kept=NOTHING_KEPT
        if decoder is None
        else decoder_kept(decoder, style, _adapters(question)) * float(share.value.mid),
        checkpoint_bytes=0.0 if decoder is None else decoder.hidden * size * held,
        vocab=_outputs(decoder) * at_once,
        tied=network.tied,
        loss_bytes=float(loss.value.mid),
        dequantized_bytes=_dequantized(question, network),
    )
    return of_all(model, loss, _left_out(network, "activations_not_modelled"), share, groups)


def _selective_share(
    question: MemoryQuestion, catalog: Catalog, uncertainty: str
) -> Found[Uncertain]:
    """Share of activations that selective recomputation with fused attention keeps [1]."""
    if question.recomputation == "selective" and question.attention == "fused":
        return prior(catalog, "memory.selective_share", uncertainty)
    return EXACT


def _left_out(network: HeldNetwork, code: str) -> Found[None]:
    """Return the notice on unmodelled parts of a network with unknown layers."""
    if network.decoder is not None:
        return Found(value=None)
    return noted(None, Notice(code, "model", {"network": network.name}))


def _adapters(question: MemoryQuestion) -> Adapters | None:
    """Return the adapters if only these are trained, in the compute format by default."""
    if question.finetune not in ("lora", "qlora"):
        return None
    size = TRAINING[question.precision]
    in_fp32 = question.adapter_precision == "fp32"
    return Adapters(
        targets=question.lora_targets or "all", value_bytes=FP32_BYTES if in_fp32 else size
    )


def inference_model(
    question: MemoryQuestion, network: HeldNetwork, catalog: Catalog
) -> Found[Model]:
    """Return the tensors of inference; up to 8 bits, embeddings and head stay in 16 bits."""
    served = _served_bytes(question, catalog)
    size = served.value
    outer = max(size, 2.0)
    style = Style(value_bytes=outer, plain_values=network.plain_values)
    decoder = network.decoder
    share = prior(catalog, "memory.inference.working_share", "working")
    kept = NOTHING_KEPT if decoder is None else decoder_kept(decoder, style)
    model = Model(
        parameters=(
            ParameterGroup(layers=network.layers, weights_bytes=size),
            ParameterGroup(
                layers=0.0, embedding=network.embedding, head=network.head, weights_bytes=outer
            ),
        ),
        layers=1.0 if decoder is None else len(decoder.layers),
        kept=kept * float(share.value.mid),
        vocab=_outputs(decoder),
        tied=network.tied,
        dequantized_bytes=_dequantized(question, network),
    )
    return of_all(model, _left_out(network, "working_memory_not_modelled"), served, share)


def _served_bytes(question: MemoryQuestion, catalog: Catalog) -> Found[float]:
    """Return the bytes per weight in inference [byte]."""
    name = question.weights or ("int4" if question.precision == "fp4" else None)
    if name is not None:
        return _quantized(name, catalog)
    return Found(value=INFERENCE[question.precision])


def _quantized(name: str, catalog: Catalog) -> Found[float]:
    """Return the bytes per quantized weight, including scales [byte]."""
    record = prior(catalog, f"memory.quantized_bytes_per_param.{QUANTIZED[name]}", "weights")
    return of_all(float(record.value.mid), record)


def _dequantized(question: MemoryQuestion, network: HeldNetwork) -> float:
    """Return the size of the widest quantized matrix, unpacked to 16 bits [byte]."""
    quantized = question.weights is not None or question.finetune == "qlora"
    if not quantized or network.decoder is None:
        return 0.0
    return 2.0 * widest_matrix(network.decoder)


GATHERING_STAGE = 3.0
"""ZeRO stage that shards the weights and gathers them layer by layer, as FSDP does."""


def find_overhead(
    question: MemoryQuestion, network: HeldNetwork, devices: Number, catalog: Catalog
) -> Found[Overhead]:
    """Return the uncertainty of each term, and memory other than tensors."""
    kind = "lora" if question.finetune in ("lora", "qlora") else "decoder"
    if network.typical:
        kind = "typical"
    use = "serving" if question.inference else "one"
    loss = prior(catalog, LOSS_BYTES, "logits")
    one = prior(catalog, f"memory.context_bytes.{use}", "context")
    several = prior(catalog, "memory.context_bytes.several", "context")
    context = np.where(np.asarray(devices) > 1, several.value.mid, one.value.mid)[()]
    spread = several if np.any(np.asarray(devices) > 1) else one
    working = prior(catalog, CACHE_GROWTH, "working") if question.inference else loss
    activations = _activations_factor(question, kind, catalog)
    framework = prior(catalog, f"memory.framework.{_use(question)}", "framework")
    weights, states = _weights_factor(question, catalog), _states_factor(question, catalog)
    fragmentation = _fragmentation(question, devices, catalog)
    overhead = Overhead(
        activations=activations.value,
        working=working.value / working.value.mid,
        framework=framework.value,
        weights=weights.value,
        states=states.value,
        context_bytes=Uncertain(context, spread.value.loadings),
        fragmentation=fragmentation.value,
    )
    parts = (loss, one, several, working, activations, framework, weights, states, fragmentation)
    return of_all(overhead, *parts)


def _fragmentation(question: MemoryQuestion, devices: Number, catalog: Catalog) -> Found[Uncertain]:
    """Return the allocator overhead, which grows if fine-tuning gathers and frees whole layers."""
    alone = (question.tensor_parallel or 1.0) * question.pipeline_parallel
    gathers = np.asarray(devices) > alone
    if question.finetune is None or question.zero not in (None, GATHERING_STAGE):
        gathers = np.zeros_like(gathers)
    keys = {False: "memory.fragmentation", True: "memory.fragmentation_gathering"}
    known = {
        which: prior(catalog, keys[which], "fragmentation") for which in in_order(gathers).tolist()
    }
    widest = known[max(known)]
    share = np.where(gathers, known.get(True, widest).value.mid, known.get(False, widest).value.mid)
    return of_all(Uncertain(share[()], widest.value.loadings), *known.values())


def _use(question: MemoryQuestion) -> str:
    """Return the use case, which determines framework overhead."""
    if question.inference:
        return "serving"
    if question.finetune is None:
        return "pretraining"
    return "adapters" if question.finetune in ("lora", "qlora") else "finetuning"


def _activations_factor(question: MemoryQuestion, kind: str, catalog: Catalog) -> Found[Uncertain]:
    """Return the activation factor, including the share kept by selective recomputation."""
    factor = prior(catalog, f"memory.activations.{kind}", "activations")
    share = _selective_share(question, catalog, "selective")
    return of_all(factor.value * (share.value / share.value.mid), factor, share)


def _weights_factor(question: MemoryQuestion, catalog: Catalog) -> Found[Uncertain]:
    """Return the factor on weights: exact in the compute format, uncertain if quantized."""
    name = question.weights or ("nf4-dq" if question.finetune == "qlora" else None)
    if name is None:
        return EXACT
    return prior(catalog, f"memory.weights.{QUANTIZED[name]}", "weights")


def _states_factor(question: MemoryQuestion, catalog: Catalog) -> Found[Uncertain]:
    """Return the factor on gradients and optimizer states; wide if formats are unspecified."""
    if question.inference:
        return EXACT
    basis = "given" if question.states is not None else "unspecified"
    if question.finetune is None and question.states is None:
        basis = "pretraining"
    return prior(catalog, f"memory.states.{basis}", "states")


def _groups(
    question: MemoryQuestion, network: HeldNetwork, catalog: Catalog
) -> Found[tuple[ParameterGroup, ...]]:
    state = trained(question, catalog)
    inner, outer = state.value
    ends = {"embedding": network.embedding, "head": network.head}
    if question.finetune not in ("lora", "qlora"):
        layers = ParameterGroup(layers=network.layers, **inner)
        return of_all((layers, ParameterGroup(layers=0.0, **ends, **outer)), state)
    if network.decoder is None:
        raise ValueError(f"adapters of {network.name} are not modelled: its layers are not known")
    base, tables = _frozen_bytes(question, catalog)
    trainable = adapter_params(
        network.decoder, question.lora_rank or LORA_RANK, question.lora_targets or "all"
    )
    table_bytes = outer if question.train_embeddings else {"weights_bytes": tables.value}
    groups = (
        ParameterGroup(layers=network.layers, weights_bytes=base.value),
        ParameterGroup(layers=0.0, **ends, **table_bytes),
        ParameterGroup(layers=trainable, **inner),
    )
    return of_all(groups, state, base, tables)


def _frozen_bytes(question: MemoryQuestion, catalog: Catalog) -> tuple[Found[float], Found[float]]:
    """Return the bytes per frozen weight under adapters, in layers and in embeddings and head."""
    size = TRAINING[question.precision]
    name = question.weights or ("nf4-dq" if question.finetune == "qlora" else None)
    if name is None:
        return Found(value=size), Found(value=size)
    outer = prior(catalog, "memory.qlora_table_bytes_per_param", "weights")
    return _quantized(name, catalog), of_all(max(size, float(outer.value.mid)), outer)


@lru_cache(maxsize=256)
def _typical(name: str, params: float, catalog: Catalog) -> Found[HeldNetwork]:
    """Return a Llama-like decoder of a given size."""
    within_limits("params", params, "params")
    vocab = prior(catalog, "memory.vocab", "logits")
    decoder = typical_decoder(params, round(float(vocab.value.mid)))
    ledger = decoder.ledger(Inputs())
    outer = min(ledger.params_embedding, OUTER_SHARE * params)
    shape = {"layers": len(decoder.layers), "width": decoder.hidden, "words": decoder.vocab}
    network = HeldNetwork(
        name=name,
        ledger=ledger,
        decoder=decoder,
        layers=params - 2 * outer,
        embedding=outer,
        head=outer,
        typical=True,
    )
    few = (Notice("too_few", "params", {"value": params}),) if params < FEW else ()
    assumed = noted(None, Notice("architecture_assumed", "model", shape), *few)
    return of_all(network, given_value("params", params, "parameter"), vocab, assumed)


def _configured(name: str, config: Mapping[str, Any]) -> Found[HeldNetwork]:
    return _count_config(name, json.dumps(dict(config)))


@lru_cache(maxsize=256)
def _count_config(name: str, text: str) -> Found[HeldNetwork]:
    """Read and count a config, cached by its text."""
    from estimator.networks.huggingface import architecture

    config = json.loads(text)
    found = architecture(config)
    ledger = found.ledger(Inputs())
    notices = tuple(Notice("text", "model", {"text": warning}) for warning in ledger.warnings)
    head = ledger.terms["head/logits"].params if "head/logits" in ledger.terms else 0
    decoder = _decoder(found, config)
    network = HeldNetwork(
        name=name,
        ledger=ledger,
        decoder=decoder,
        layers=float(ledger.params_total - ledger.params_embedding - head),
        embedding=float(ledger.params_embedding),
        head=float(head),
        plain_values=_plain_values(config),
        takes_length=decoder is not None or takes(found, "seq_len"),
    )
    counted = given_value("params", ledger.params_total, "parameter")
    return of_all(network, noted(None, *notices), counted)


def _decoder(found: object, config: Mapping[str, Any]) -> Decoder | None:
    """Return the decoder of a network: itself, an encoder's layers, or a language part."""
    from estimator.memory.encoders import encoder_stack
    from estimator.networks.huggingface import architecture

    if isinstance(found, Decoder):
        return found
    text = config.get("text_config")
    if isinstance(text, Mapping) and "hidden_size" in text:
        inner = architecture({"model_type": f"{config.get('model_type', '')}_text", **text})
        return inner if isinstance(inner, Decoder) else None
    return encoder_stack(config)


def _plain_values(config: Mapping[str, Any]) -> int:
    """Return the number of values that a plain MLP's activation stores, by name."""
    given = config.get("activation_function") or config.get("hidden_act")
    silent = given is None and config.get("model_type") in WRITTEN_OUT_BY_DEFAULT
    if silent or given in WRITTEN_OUT:
        return OP_BY_OP_VALUES
    return 1 if given == "relu" else FUSED_VALUES


def _outputs(decoder: Decoder | None) -> float:
    return 0.0 if decoder is None or decoder.head is None else float(decoder.head.outputs)
