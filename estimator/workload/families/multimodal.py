"""Which language model that sees a config describes: LLaVA, Gemma 3.

Defaults are those of transformers 5.23. A pass holds one image per sequence; the image's tokens
are part of the sequence, so `seq_len` counts them. The ledger's tokens are those of the text side.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from estimator.workload.blocks import Costs, held, linear
from estimator.workload.families import (
    classic,
    dense,
    hybrid,
    latent,
    later_classic,
    per_layer,
    recurrent,
    sparse,
    sparse_shared,
)
from estimator.workload.families.clip import clip_sight, siglip_sight
from estimator.workload.families.rotary import class_name, label_count
from estimator.workload.families.vision import Vision
from estimator.workload.fields import Fields
from estimator.workload.ledger import Architecture, Inputs, Quantity, quantity
from estimator.workload.network import Network, Pass, Reach, lines, prefixed

DECODERS: Mapping[str, Callable[[Fields], Architecture]] = {
    **classic.FAMILIES,
    **later_classic.FAMILIES,
    **dense.FAMILIES,
    **sparse.FAMILIES,
    **sparse_shared.FAMILIES,
    **latent.FAMILIES,
    **hybrid.FAMILIES,
    **recurrent.FAMILIES,
    **per_layer.FAMILIES,
}


@dataclass(frozen=True, kw_only=True)
class Text:
    """The language model inside, and its width [1]."""

    model: Architecture
    hidden: int


@dataclass(frozen=True, kw_only=True)
class Seeing:
    """A decoder with an image tower and a bridge between them.

    Parameters
    ----------
    text, sight : Text, Vision
        The parts.
    bridge : mapping
        Costs per image token.
    image_tokens : int or None
        Tokens of an image on the text side; None takes one per patch. [token]
    merged : int
        Patches that are merged into one token of the image. [1]
    """

    text: Text
    sight: Vision
    bridge: Costs
    image_tokens: int | None
    merged: int = 1

    def run(self, inputs: Inputs) -> Pass:
        """Pass over `batch` sequences with an image each."""
        batch = quantity("batch", inputs.batch)
        side = self.sight.side if inputs.image_size is None else inputs.image_size
        pixels = quantity("image_size", side)
        spoken = self.text.model.ledger(inputs)
        patches = self.sight.positions(pixels)[0]
        tokens: Quantity = (
            patches / self.merged if self.image_tokens is None else float(self.image_tokens)
        )
        done = [*prefixed(self.sight.lines(batch, pixels), "vision/")]
        done += lines(self.bridge, Reach(tokens=batch * tokens))
        done += spoken.terms.items()
        return Pass(lines=done, tokens=spoken.tokens, warnings=spoken.warnings)


def text_part(fields: Fields, usual: str, tied: bool) -> Text:
    """The language model inside; the wrapper alone decides whether its head is tied."""
    part = fields.part("text_config")
    inner = part.text("model_type", default=usual)
    if inner not in DECODERS:
        raise ValueError(f"text_config.model_type {inner!r} is not a known decoder")
    values = {**part.values, "model_type": inner, "tie_word_embeddings": tied}
    name = class_name(fields)
    values["architectures"] = [] if "For" in name or not name else ["Model"]
    if name.endswith(("ForSequenceClassification", "ForTokenClassification")):
        labels = {"num_labels": label_count(fields), "id2label": None}
        values |= {"architectures": [name], **labels}
    part = Fields(values, path=part.path, notes=fields.notes)
    return Text(model=DECODERS[inner](part), hidden=part.size("hidden_size", "n_embd", "d_model"))


def network(fields: Fields, model: Seeing) -> Network:
    """The model under its name, with the cache of its text side."""
    return Network(
        run=model.run,
        model_type=fields.text("model_type"),
        name=fields.text("_name_or_path"),
        cache=model.text.model.ledger(Inputs()).cache,
    )


LLAVA_TOWER = {
    "model_type": "clip_vision_model",
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "patch_size": 14,
    "image_size": 336,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
}
"""The tower of a config that has none."""

LLAMA_2_7B = {
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
}


def llava(fields: Fields) -> Network:
    """LLaVA: a tower, two dense layers, a decoder (arXiv:2310.03744)."""
    if not fields.states("vision_config"):
        fields = replace(fields, values={**fields.values, "vision_config": LLAVA_TOWER})
    if not fields.states("text_config"):
        fields = replace(fields, values={**fields.values, "text_config": LLAMA_2_7B})
    vision = fields.part("vision_config")
    tower = vision.text("model_type", default="clip_vision_model")
    if tower not in ("clip_vision_model", "siglip_vision_model"):
        raise ValueError(f"vision_config.model_type {tower!r} is not a known image tower")
    sight = clip_sight(vision) if tower == "clip_vision_model" else siglip_sight(vision)
    newline = "next" in fields.text("model_type") or "onevision" in fields.text("model_type")
    inner = fields.part("text_config").flag("tie_word_embeddings")
    text = text_part(fields, "llama", fields.flag("tie_word_embeddings") or inner)
    bias = fields.flag("multimodal_projector_bias", default=True)
    layers = fields.values.get("vision_feature_layer", -2)
    taken = len(layers) if isinstance(layers, list) else 1
    bridge = {
        "bridge/in": linear(taken * sight.hidden, text.hidden, bias),
        "bridge/out": linear(text.hidden, text.hidden, bias),
        "bridge/newline": held(newline * text.hidden),
    }
    whole = fields.text("vision_feature_select_strategy", default="default") == "full"
    tokens = (sight.side // sight.patch) ** 2 + sight.prefix if whole else None
    return network(fields, Seeing(text=text, sight=sight, bridge=bridge, image_tokens=tokens))


def gemma3(fields: Fields) -> Network:
    """Gemma 3: SigLIP's tower pooled to a few tokens, one matrix (arXiv:2503.19786, sec. 2.1)."""
    sight = siglip_sight(fields.part("vision_config"))
    text = text_part(fields, "gemma3_text", fields.flag("tie_word_embeddings", default=True))
    bridge = {
        "bridge/project": linear(sight.hidden, text.hidden),
        "bridge/norm": held(sight.hidden),
    }
    tokens = fields.size("mm_tokens_per_image", default=256)
    return network(fields, Seeing(text=text, sight=sight, bridge=bridge, image_tokens=tokens))


FAMILIES: Mapping[str, Callable[[Fields], Network]] = {"llava": llava, "gemma3": gemma3}
