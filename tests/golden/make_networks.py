"""Regenerate networks.csv and models.csv: what libraries build, and what PyTorch counts.

Needs torch, transformers and diffusers, which neither users nor CI need. Run from the repository
root:

    python tests/golden/make_networks.py

To add a network that is no decoder, put its config into networks/; a decoder goes into configs/,
and its name into the first column of models.csv. Models are built on the meta device.
`forward_flop` stays empty where the counter cannot count there. The backward pass of a grouped
convolution is counted as what it multiplies, which PyTorch's own count does not.
"""

import csv
import inspect
import json
from pathlib import Path
from typing import Any

import diffusers
import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode, conv_flop_count
from transformers import masking_utils

HERE = Path(__file__).parent
COLUMNS = ["config", "class", "params_total", "seq_len", "forward_flop", "training_flop"]
TEXT_LEN, CLIP_LEN, LATENT_TEXT, FLUX_TEXT = 256, 64, 77, 512
SAMPLES = 16_000
MEL_FRAMES = 1000
DECODER_LEN = 512
DECODERS_UNCOUNTED = {
    "dbrx": "its experts are picked by value, which the meta device does not have",
    "llama4_text": "every expert runs on every token",
}
UNCOUNTED = {
    "altclip": "reads values of tensors",
    "chinese_clip": "reads values of tensors",
    "deberta": "reads values of tensors",
    "deberta-v2": "reads values of tensors",
    "megatron-bert": "reads values of tensors",
    "rembert": "reads values of tensors",
    "t5gemma": "reads values of tensors",
    "jetmoe": "its experts are picked by value",
    "switch_transformers": "its experts are picked by value",
    **dict.fromkeys(
        (
            *("gemma3", "llava", "llava_next", "internvl", "mistral3", "paligemma", "smolvlm"),
            *("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_vl_moe", "idefics3"),
            *("llava_onevision", "llama4", "qwen3_5", "qwen3_5_moe", "glm4v", "glm4v_moe"),
            *("llava_next_video", "vipllava", "qwen2_audio", "voxtral", "blip-2", "instructblip"),
            *("instructblipvideo", "aya_vision", "cohere2_vision", "lfm2_vl", "lighton_ocr"),
            *("video_llava", "idefics2", "fuyu", "colpali", "glm46v", "gemma4", "colqwen2"),
            *("qwen2_5_omni_thinker", "glm_ocr", "paddleocr_vl", "deepseek_vl", "video_llama_3"),
            *("kimi_k25", "qwen2_5_omni", "florence2", "t5gemma2", "gemma3n", "phi4_multimodal"),
            *("qwen3_omni_moe_thinker", "kosmos-2", "aria", "audioflamingo3", "minimax_m3_vl"),
            *("step3p7", "granite_speech", "chameleon", "janus", "idefics"),
            *("musicflamingo", "glmasr", "qwen3_asr", "mistral_large4", "muse_glimmer"),
            "exaone4_5",
        ),
        "tokens of images and of sound are found by value",
    ),
    "bros": "asks for boxes",
    "xmod": "asks for languages by value",
    "clap": "asks which recordings are longer",
    "speech-encoder-decoder": "asks for samples or mel frames, not for both",
    "wav2vec2-bert": "its mel frames are made outside of it",
    "siglip2": "its patches are cut outside of it",
    "siglip2_vision_model": "its patches are cut outside of it",
    "pix2struct": "its patches are cut outside of it",
    "longcat_flash": "its experts are picked by value",
    "nllb-moe": "its experts are picked by value",
    "mra": "its attention runs in kernels that PyTorch does not count",
    "sam2": "transformers multiplies heads with heads, and drops what comes of it",
    "sam2_vision_model": "transformers multiplies heads with heads, and drops what comes of it",
    "encodec": "its LSTM runs in a kernel that PyTorch does not count",
    **dict.fromkeys(
        ("HiDreamImageTransformer2DModel", "Lumina2Transformer2DModel", "MochiTransformer3DModel"),
        "tokens are sorted or left out by value",
    ),
    "bark": "it makes tokens, and has no pass over all of its stages",
    "csm": "its small decoder runs only where it makes tokens",
    "moshi": "its small decoder runs only where it makes tokens",
    "mimi": "reads values of tensors",
    "vits": "it says itself how long its sound is",
    "timesfm2_5": "reads values of tensors",
    "zamba": "its loop over tokens takes many minutes",
}
WITHOUT_PASS = (
    *("HiDreamImageTransformer2DModel", "Lumina2Transformer2DModel", "MochiTransformer3DModel"),
    *("bark", "csm", "mimi", "moshi", "timesfm2_5", "vits"),
)
"""Of those, the ones for which no inputs are made."""

UNTRAINED = {
    "mamba",
    "hrm_text",
    "hy_v4",
    "deepseek_v4",
    "lxmert",
    "falcon_mamba",
    "mamba2",
    "rwkv",
    "sam",
    "sam_hq",
    "lilt",
    "upernet",
    "mask2former",
}
"""Their backward pass cannot be counted, or is not that of the kernels for training."""

READ_BY_VALUE = {
    *(
        *("big_bird", "convbert", "ibert", "layoutlm", "longformer", "roformer", "splinter"),
        *("squeezebert", "xlnet", "lilt", "yoso", "mra", "nystromformer", "tapas", "markuplm"),
        *("xlm", "flaubert", "luke", "dpr", "led", "bigbird_pegasus", "fsmt", "detr", "layoutlmv3"),
        *("table-transformer", "vilt", "visual_bert", "canine", "rt_detr_v2"),
        *("conditional_detr", "dab-detr", "deformable_detr", "grounding-dino"),
        *("mm-grounding-dino", "superpoint", "mask2former", "timesfm", "imagegpt", "speecht5"),
        "lxmert",
    ),
}
"""These read values of tensors, so they are built in full."""

SIDES = {
    "rt_detr": 640,
    "rt_detr_v2": 640,
    "detr": 800,
    "table-transformer": 800,
    "depth_anything": 518,
    **dict.fromkeys(("glpn", "superpoint"), 480),
    "upernet": 512,
    "sam2": 1024,
    **dict.fromkeys(("conditional_detr", "dab-detr", "deformable_detr"), 800),
    **dict.fromkeys(("grounding-dino", "mm-grounding-dino"), 640),
}
"""Sides of the images of models whose configs state none."""

SHORT_TEXTS = {"owlvit": 16, "owlv2": 16, "vilt": 40}
"""Types whose texts are short."""

OWN_HEAD = "T5ForConditionalGeneration"
"""transformers 5 ties its head even where the weights have one of their own."""


def conv_backward(
    grad_out: torch.Size, x: torch.Size, w: torch.Size, *rest: Any, out_shape: Any = None
) -> int:
    """FLOPs of the gradients that are asked for, groups taken into account."""
    transposed, mask = rest[4], rest[7]
    once = conv_flop_count(list(x), list(w), list(grad_out), transposed=transposed)
    return once * (bool(mask[0]) + bool(mask[1]))


COUNTED = {torch.ops.aten.convolution_backward: conv_backward}


def build(config: dict) -> torch.nn.Module:
    """Return the model of a config, on the meta device."""
    keys = dict(config)
    if "_class_name" in keys:
        with torch.device("meta"):
            return getattr(diffusers, keys.pop("_class_name")).from_config(keys)
    parsed = transformers.CONFIG_MAPPING[keys.pop("model_type")](**keys)
    parsed._attn_implementation = "eager"
    parsed._experts_implementation = "batched_mm"
    with torch.device("cpu" if config["model_type"] in READ_BY_VALUE else "meta"):
        model = getattr(transformers, config["architectures"][0])(parsed)
    model.tie_weights()
    return model.eval()


def params_total(model: torch.nn.Module, config: dict) -> int:
    """Return the parameters, with the head that a checkpoint of Flan-T5 brings."""
    count = sum(parameter.numel() for parameter in model.parameters())
    untied = config.get("tie_word_embeddings") is False
    if type(model).__name__ == OWN_HEAD and untied:
        count += model.config.vocab_size * model.config.d_model
    return count


def empty(*shape: int, device: str | torch.device = "meta") -> torch.Tensor:
    """Return a tensor, of shape alone on the meta device."""
    return torch.zeros(shape, device=device)


def tokens(length: int, device: torch.device) -> torch.Tensor:
    """Return one sequence of tokens."""
    return torch.full((1, length), 5, dtype=torch.long, device=device)


def inputs_of(model: torch.nn.Module) -> tuple[dict, int | str]:
    """Return what the model gets, and the length of its sequence, empty for images alone."""
    names = inspect.signature(model.forward).parameters
    config = model.config
    made: dict = {"use_cache": False} if "use_cache" in names else {}
    length: int | str = ""
    if "pixel_values" in names:
        vision = getattr(config, "vision_config", getattr(config, "encoder", config))
        vision = getattr(config, "backbone_config", vision)
        side = getattr(vision, "image_size", 224)
        side = SIDES.get(config.model_type, side)
        high, wide = side if isinstance(side, list | tuple) else (side, side)
        channels = getattr(vision, "num_channels", 3)
        made["pixel_values"] = empty(1, channels, high, wide, device=model.device)
    if hasattr(config, "num_frames"):
        made["pixel_values"] = empty(1, config.num_frames, config.num_channels, side, side)
    if config.model_type == "mllama":
        tiles, side = vision.max_num_tiles, vision.image_size
        made["pixel_values"] = empty(1, 1, tiles, vision.num_channels, side, side)
        made["aspect_ratio_ids"] = torch.ones(1, 1, dtype=torch.long, device="meta")
        made["aspect_ratio_mask"] = torch.ones(1, 1, tiles, dtype=torch.long, device="meta")
    if "pixel_values_videos" in names and hasattr(config, "frames_per_clip"):
        shape = (1, config.frames_per_clip, config.in_chans, config.crop_size, config.crop_size)
        return {"pixel_values_videos": empty(*shape)}, ""
    if config.model_type == "timesfm":
        return {"past_values": [empty(config.context_length, device=model.device)]}, ""
    if "past_values" in names:
        return {"past_values": empty(1, config.context_length, config.num_input_channels)}, ""
    heard, length = sound_of(config, {*names})
    made |= heard
    if "input_ids" in names and "input_features" not in made:
        pair = any(name in config.model_type for name in ("clip", "siglip", "aimv2", "groupvit"))
        length = CLIP_LEN if pair else TEXT_LEN
        made["input_ids"] = tokens(length, model.device)
    if config.model_type in SHORT_TEXTS:
        length = SHORT_TEXTS[config.model_type]
        made["input_ids"] = tokens(length, model.device)
    if "decoder_input_ids" in names:
        length = length if "input_ids" in made else CLIP_LEN
        made["decoder_input_ids"] = tokens(int(length), model.device)
    return made, length


def music_of(model: torch.nn.Module) -> tuple[dict, int]:
    """Return a text, and as many steps of codes of every book."""
    text = tokens(TEXT_LEN, model.device)
    codes = text.expand(model.config.decoder.num_codebooks, -1)
    return {"input_ids": text, "decoder_input_ids": codes, "use_cache": False}, TEXT_LEN


def steps_of(model: torch.nn.Module) -> tuple[dict, int]:
    """Return steps of codes of every book, behind a text or beside its tokens."""
    keys, made = model.config, {"use_cache": False}
    if keys.model_type == "higgs_audio_v2":
        return made | {"audio_input_ids": codes_of(model, keys.num_codebooks)}, TEXT_LEN
    if keys.model_type == "dia":
        made["decoder_input_ids"] = codes_of(model, keys.decoder_config.num_channels)
        return made | {"input_ids": tokens(TEXT_LEN, model.device)}, TEXT_LEN
    return made | {"input_ids": codes_of(model, keys.num_codebooks + 1)}, TEXT_LEN


def codes_of(model: torch.nn.Module, books: int) -> torch.Tensor:
    """Return a code of every book at each step."""
    return tokens(TEXT_LEN, model.device).unsqueeze(-1).expand(-1, -1, books)


def speech_frames_of(model: torch.nn.Module) -> tuple[dict, int]:
    """Return ten seconds as pairs of mel frames, and as many words as are written."""
    frames = empty(1, 499, model.config.feature_projection_input_dim)
    written = tokens(CLIP_LEN, model.device)
    return {"input_features": frames, "decoder_input_ids": written, "use_cache": False}, CLIP_LEN


def objects_of(model: torch.nn.Module) -> tuple[dict, int]:
    """Return words, and the objects that a detector found in an image."""
    keys, device = model.config, model.device
    made = {"visual_feats": empty(1, 36, keys.visual_feat_dim, device=device)}
    made["visual_pos"] = empty(1, 36, keys.visual_pos_dim, device=device)
    return made | {"input_ids": tokens(TEXT_LEN, device)}, TEXT_LEN


def speech_of(model: torch.nn.Module) -> tuple[dict, int]:
    """Return text or ten seconds of samples, and as many words or steps of speech to write."""
    names = inspect.signature(model.forward).parameters
    words = tokens(CLIP_LEN, model.device)
    made: dict = {"use_cache": False}
    if "input_ids" in names:
        made["input_ids"] = words
    else:
        made["input_values"] = empty(1, 10 * SAMPLES, device=model.device)
    if "decoder_input_ids" in names:
        return made | {"decoder_input_ids": words}, CLIP_LEN
    made["decoder_input_values"] = empty(
        1, CLIP_LEN, model.config.num_mel_bins, device=model.device
    )
    made["speaker_embeddings"] = empty(1, model.config.speaker_embedding_dim, device=model.device)
    return made, CLIP_LEN


def sound_of(config: Any, names: set[str]) -> tuple[dict, int | str]:
    """Return samples or mel frames where the model takes them, and the length of its sequence."""
    if hasattr(config, "frequency_stride"):
        return {"input_values": empty(1, config.max_length, config.num_mel_bins)}, ""
    if config.model_type == "moonshine":
        return {"input_values": empty(1, 10 * SAMPLES)}, CLIP_LEN
    if config.model_type in ("encodec", "dac"):
        length = 10 * SAMPLES if config.model_type == "dac" else SAMPLES
        return {"input_values": empty(1, getattr(config, "audio_channels", 1), length)}, length
    if "input_values" in names:
        return {"input_values": empty(1, SAMPLES)}, SAMPLES
    if config.model_type.startswith("parakeet"):
        bins = getattr(config, "encoder_config", config).num_mel_bins
        return {"input_features": empty(1, (SAMPLES - 400) // 160 + 1, bins)}, SAMPLES
    if "input_features" in names and hasattr(config, "input_feat_per_channel"):
        return {"input_features": empty(1, MEL_FRAMES, config.input_feat_per_channel)}, ""
    if "input_features" in names and hasattr(config, "num_mel_bins"):
        frames = 2 * config.max_source_positions
        return {"input_features": empty(1, config.num_mel_bins, frames)}, CLIP_LEN
    return {}, ""


def latents_of(model: torch.nn.Module, config: dict) -> tuple[tuple, dict, int | str]:
    """Return what a model of diffusers gets, and the length of the text."""
    kind, time = config["_class_name"], torch.ones(1, device="meta")
    keys = model.config
    if kind == "AutoencoderKL":
        return (empty(1, 3, keys.sample_size, keys.sample_size),), {}, ""
    if kind == "FluxTransformer2DModel":
        names = ("encoder_hidden_states", "pooled_projections", "img_ids", "txt_ids")
        values = (empty(1, FLUX_TEXT, 4096), empty(1, 768), empty(4096, 3), empty(FLUX_TEXT, 3))
        extra = dict(zip(names, values, strict=True)) | {"timestep": time, "guidance": time}
        return (empty(1, 4096, 64),), extra, FLUX_TEXT
    if kind == "ControlNetModel":
        named = {"encoder_hidden_states": empty(1, LATENT_TEXT, keys.cross_attention_dim)}
        named |= {"controlnet_cond": empty(1, 3, 512, 512), "timestep": time}
        sizes = {"text_embeds": empty(1, 1280), "time_ids": empty(1, 6)}
        return (empty(1, 4, 64, 64),), named | {"added_cond_kwargs": sizes}, LATENT_TEXT
    if kind in FILMS:
        return FILMS[kind](keys)
    noise = empty(1, keys.in_channels, keys.sample_size, keys.sample_size)
    if kind == "DiTTransformer2DModel":
        return (noise,), {"timestep": time.long(), "class_labels": time.long()}, ""
    if kind == "SD3Transformer2DModel":
        text = {"encoder_hidden_states": empty(1, LATENT_TEXT, 4096), "timestep": time}
        return (noise,), text | {"pooled_projections": empty(1, 2048)}, LATENT_TEXT
    if kind == "UNet2DModel":
        return (noise, time), {}, ""
    states = empty(1, LATENT_TEXT, keys.encoder_hid_dim or keys.cross_attention_dim)
    sizes = 6 * (keys.addition_time_embed_dim or 0)
    pooled = (keys.projection_class_embeddings_input_dim or 0) - sizes
    added = {"text_embeds": empty(1, pooled), "time_ids": empty(1, 6)}
    extra = {"added_cond_kwargs": added} if keys.addition_embed_type else {}
    if keys.num_class_embeds:
        extra["class_labels"] = time.long()
    if keys.time_cond_proj_dim:
        extra["timestep_cond"] = empty(1, keys.time_cond_proj_dim)
    return (noise, time, states), extra, LATENT_TEXT


def looked_at(keys: Any, words: int, width: int, **more: Any) -> tuple[tuple, dict, int]:
    """Return a square latent, words of some width and a time."""
    noise = empty(1, keys.in_channels, keys.sample_size, keys.sample_size)
    named = {"encoder_hidden_states": empty(1, words, width), "timestep": empty(1)}
    return (noise,), named | more, words


def folded(keys: Any, words: int, axes: int = 0) -> tuple[tuple, dict, int]:
    """Return patches and words side by side, with their places where the model asks for them."""
    named = {"hidden_states": empty(1, 4096, keys.in_channels), "timestep": empty(1)}
    named["encoder_hidden_states"] = empty(1, words, keys.joint_attention_dim)
    if axes:
        named |= {"img_ids": empty(4096, axes), "txt_ids": empty(words, axes), "guidance": empty(1)}
        return (), named, words
    mask = torch.ones(1, words, dtype=torch.long, device="meta")
    return (), {**named, "encoder_hidden_states_mask": mask, "img_shapes": [[(1, 64, 64)]]}, words


def flux_inputs(keys: Any) -> tuple[tuple, dict, int]:
    """Return folded patches and words for a model of the line of Flux."""
    named = folded(keys, FLUX_TEXT, axes=3)[1]
    if "approximator_layers" in keys:
        del named["guidance"]
        return (), named, FLUX_TEXT
    named |= {"controlnet_cond": named["hidden_states"], "pooled_projections": empty(1, 768)}
    if keys.num_mode:
        named["controlnet_mode"] = torch.zeros(1, 1, dtype=torch.long, device="meta")
    return (), named, FLUX_TEXT


def wan_inputs(keys: Any) -> tuple[tuple, dict, int]:
    """Return 81 frames of 480 x 832 pixels, and the states of an image where they are asked for."""
    named = {"encoder_hidden_states": empty(1, 512, keys.text_dim), "timestep": empty(1)}
    if keys.image_dim:
        named["encoder_hidden_states_image"] = empty(1, 257, keys.image_dim)
    return (empty(1, keys.in_channels, 21, 60, 104),), named, 512


def ltx_inputs(keys: Any) -> tuple[tuple, dict, int]:
    """Return 161 frames of 512 x 704 pixels."""
    words = {"encoder_hidden_states": empty(1, 128, keys.caption_channels), "timestep": empty(1)}
    shape = {"num_frames": 21, "height": 16, "width": 22, "encoder_attention_mask": empty(1, 128)}
    return (empty(1, 21 * 16 * 22, keys.in_channels),), words | shape, 128


def cog_inputs(keys: Any) -> tuple[tuple, dict, int]:
    """Return the frames that the config states."""
    frames = (keys.sample_frames - 1) // keys.temporal_compression_ratio + 1
    high, wide, words = keys.sample_height, keys.sample_width, keys.max_text_seq_length
    places = frames * (high // keys.patch_size) * (wide // keys.patch_size)
    rotary = (empty(places, keys.attention_head_dim),) * 2
    named = {"encoder_hidden_states": empty(1, words, keys.text_embed_dim), "timestep": empty(1)}
    return (
        (empty(1, frames, keys.in_channels, high, wide),),
        named | {"image_rotary_emb": rotary},
        words,
    )


def hunyuan_inputs(keys: Any) -> tuple[tuple, dict, int]:
    """Return a square latent and the words of two towers."""
    near, far, places = keys.text_len, keys.text_len_t5, (keys.sample_size // keys.patch_size) ** 2
    more = {
        "text_embedding_mask": empty(1, near),
        "encoder_hidden_states_t5": empty(1, far, keys.cross_attention_dim_t5),
        "text_embedding_mask_t5": empty(1, far),
        "image_rotary_emb": (empty(places, keys.attention_head_dim),) * 2,
    }
    return *looked_at(keys, near, keys.cross_attention_dim, **more)[:2], near + far


def hunyuan_video_inputs(keys: Any) -> tuple[tuple, dict, int]:
    """Return 129 frames of 480 x 832 pixels."""
    named = {"encoder_hidden_states": empty(1, 256, keys.text_embed_dim), "timestep": empty(1)}
    named |= {"encoder_attention_mask": empty(1, 256) + 1, "guidance": empty(1)}
    named["pooled_projections"] = empty(1, keys.pooled_projection_dim)
    return (empty(1, keys.in_channels, 33, 60, 104),), named, 256


def z_image_inputs(keys: Any) -> tuple[tuple, dict, int]:
    """Return a list of one latent, a time and a list of one text."""
    noise = [empty(keys.in_channels, 1, 128, 128)]
    return (noise, empty(1), [empty(256, keys.cap_feat_dim)]), {}, 256


def stable_audio_inputs(keys: Any) -> tuple[tuple, dict, int]:
    """Return latent frames, words, and the states of start and length."""
    words = {"encoder_hidden_states": empty(1, 130, keys.cross_attention_input_dim)}
    words["global_hidden_states"] = empty(1, 1, keys.global_states_input_dim)
    frames = int(keys.sample_size)
    rotary = (empty(frames + 1, keys.attention_head_dim // 2),) * 2
    more = {"timestep": empty(1), "rotary_embedding": rotary}
    return (empty(1, keys.in_channels, frames),), words | more, 130


def cascade_inputs(keys: Any) -> tuple[tuple, dict, int]:
    """Return maps of the stage, and states of the text, of an image or of the other stage."""
    side = 24 if keys.clip_image_in_channels else 256
    named = {"timestep_ratio": empty(1)}
    named["clip_text_pooled"] = empty(1, 1, keys.clip_text_pooled_in_channels)
    if keys.clip_image_in_channels:
        named["clip_text"] = empty(1, LATENT_TEXT, keys.clip_text_in_channels)
        named["clip_img"] = empty(1, 1, keys.clip_image_in_channels)
    else:
        named["effnet"] = empty(1, keys.effnet_in_channels, 24, 24)
    return (empty(1, keys.in_channels, side, side),), named, LATENT_TEXT


def bria_inputs(keys: Any) -> tuple[tuple, dict, int]:
    """Return folded patches and words with their places."""
    named = folded(keys, FLUX_TEXT, axes=3)[1]
    if not keys.guidance_embeds:
        del named["guidance"]
    return (), named, FLUX_TEXT


def cogview_inputs(keys: Any) -> tuple[tuple, dict, int]:
    """Return a square latent, words, and the sizes of the image."""
    pair = {key: empty(1, 2) for key in ("original_size", "target_size", "crop_coords")}
    return looked_at(keys, 224, keys.text_embed_dim, **pair)


def video_inputs(keys: Any) -> tuple[tuple, dict, int]:
    """Return sixteen frames of latents, a time and words."""
    noise = empty(1, keys.in_channels, 16, keys.sample_size, keys.sample_size)
    words = empty(1, LATENT_TEXT, keys.cross_attention_dim)
    return (noise, empty(1), words), {}, LATENT_TEXT


SIZES = {"resolution": None, "aspect_ratio": None}

FILMS = {
    "PixArtTransformer2DModel": lambda keys: looked_at(
        keys, 300, keys.caption_channels, added_cond_kwargs=SIZES
    ),
    "Transformer2DModel": lambda keys: looked_at(
        keys, 120, keys.caption_channels, added_cond_kwargs=SIZES
    ),
    "SanaTransformer2DModel": lambda keys: looked_at(keys, 300, keys.caption_channels),
    "AuraFlowTransformer2DModel": lambda keys: looked_at(keys, 256, keys.joint_attention_dim),
    "QwenImageTransformer2DModel": lambda keys: folded(keys, 256),
    "Flux2Transformer2DModel": lambda keys: folded(keys, 512, axes=4),
    "ChromaTransformer2DModel": flux_inputs,
    "FluxControlNetModel": flux_inputs,
    "WanTransformer3DModel": wan_inputs,
    "LTXVideoTransformer3DModel": ltx_inputs,
    "CogVideoXTransformer3DModel": cog_inputs,
    "HunyuanDiT2DModel": hunyuan_inputs,
    "HunyuanVideoTransformer3DModel": hunyuan_video_inputs,
    "ZImageTransformer2DModel": z_image_inputs,
    "StableAudioDiTModel": stable_audio_inputs,
    "StableCascadeUNet": cascade_inputs,
    "UNet3DConditionModel": video_inputs,
    "BriaTransformer2DModel": bria_inputs,
    "CogView4Transformer2DModel": cogview_inputs,
}
"""What the models of videos, and of images by the newer models, get."""


def tensors_of(out: Any) -> list[torch.Tensor]:
    """Return what a model puts out, one by one; of parts inside parts those of ControlNets,
    or where there are no others."""
    parts = out.to_tuple() if hasattr(out, "to_tuple") else out
    inner = [part for part in parts if isinstance(part, list | tuple)]
    nested = "ControlNet" in type(out).__name__ or len(inner) == len(parts)
    flat = [part for parts in inner for part in parts] if nested else []
    return [part for part in [*parts, *flat] if torch.is_tensor(part)]


def count_flop(model: torch.nn.Module, given: tuple, named: dict) -> tuple[int, int | str]:
    """Return the FLOPs of a forward pass, and of one with the backward pass."""
    model.requires_grad_(False)
    with FlopCounterMode(display=False, custom_mapping=COUNTED) as counter, torch.no_grad():
        model(*given, **named)
    model.requires_grad_(True)
    forward = counter.get_total_flops()
    if getattr(model.config, "model_type", "") in UNTRAINED:
        return forward, ""
    with FlopCounterMode(display=False, custom_mapping=COUNTED) as counter:
        out = model(*given, **named)
        sum(part.float().sum() for part in tensors_of(out)).backward()
    return forward, counter.get_total_flops()


ASKING = {
    "musicgen": music_of,
    "speecht5": speech_of,
    "lxmert": objects_of,
    **dict.fromkeys(("seamless_m4t", "seamless_m4t_v2"), speech_frames_of),
    **dict.fromkeys(("dia", "higgs_audio_v2", "kyutai_speech_to_text"), steps_of),
}
"""Types that get something of their own."""


def row_of(path: Path) -> list:
    """Return the row of a config."""
    config = json.loads(path.read_text())
    model = build(config)
    name = config.get("_class_name") or config["architectures"][0]
    params = params_total(model, config)
    if {config.get("_class_name"), config.get("model_type")} & {*WITHOUT_PASS}:
        return [path.stem, name, params, "", "", ""]
    if "_class_name" in config:
        given, named, length = latents_of(model, config)
    else:
        ask = ASKING.get(config["model_type"], inputs_of)
        given, (named, length) = (), ask(model)
    if config.get("model_type") in UNCOUNTED:
        return [path.stem, name, params, length, "", ""]
    return [path.stem, name, params, length, *count_flop(model, given, named)]


def decoder_row(path: Path) -> list:
    """Return the row of a config of a decoder, one sequence of tokens long."""
    config = json.loads(path.read_text())
    model, flop = build(config), ""
    if config["model_type"] not in DECODERS_UNCOUNTED:
        given = {"input_ids": tokens(DECODER_LEN, model.device), "use_cache": False}
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            model(**given)
        flop = counter.get_total_flops()
    return [path.stem, config["architectures"][0], params_total(model, config), DECODER_LEN, flop]


def main() -> None:
    """Write one row per config."""
    masking_utils.find_packed_sequence_indices = lambda position_ids: None
    with (HERE / "models.csv").open() as file:
        names = sorted(row["config"] for row in csv.DictReader(file))
    decoders = [HERE / "configs" / f"{name}.json" for name in names]
    networks = sorted((HERE / "networks").glob("*.json"))
    tables = (("models.csv", decoders, decoder_row), ("networks.csv", networks, row_of))
    for table, paths, row in tables:
        with (HERE / table).open("w", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(COLUMNS if row is row_of else COLUMNS[:-1])
            for path in paths:
                writer.writerow(row(path))
                file.flush()


if __name__ == "__main__":
    main()
