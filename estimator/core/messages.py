"""What each notice says: one sentence per code, in one place, so that a catalogue can translate it.

A sentence names inputs through `set`, which each rim fills with its own names: `{set[pue]}` is
`--pue` on the command line, `“PUE”` on the page, `pue` in a table and in Python. `{field}` is the
input that the notice is about; a value whose name ends in `_input` is an input, too. A pair of
sentences is singular and plural, chosen by `count`.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from string import Formatter

from estimator.core.notice import Notice, Refusal, Value
from estimator.core.units import human, human_count, in_percent

Names = Callable[[str], str]
"""Field of the scenario -> what a rim calls it."""

Words = Callable[[str], str]
"""A text -> its translation."""

MESSAGES: Mapping[str, str | tuple[str, str]] = {
    "text": "{text}",
    # how the question is put
    "no_choice": "{field} must be one of {choices}, got {word!r}",
    "not_finite": "{field} must be a finite number, got {value:.10g}",
    "not_positive": "{field} must be positive, got {value:.10g}",
    "not_a_share": "{field} must be in (0, 1], got {value:.10g}",
    "below_limit": "{field} must be at least {least:g}, got {value:.10g}",
    "above_limit": "{field} must be at most {most:g} ({meaning}), got {value:.10g}",
    "not_whole": "{field} must be a whole number, got {value:g}",
    "not_whole_from": "{field} must be a whole number of at least {least:g}, got {value:g}",
    "not_whole_within": (
        "{field} must be a whole number from {least:g} to {most:g}, got {value:g}"
    ),
    "not_a_multiple": (
        "{field} must be a multiple of {set[tensor_parallel]} x {set[pipeline_parallel]} = "
        "{parts:g}, got {value:g}"
    ),
    "unread": "{reason}",
    "unread_number": "{field} is not a number: {text!r}; write {like}",
    "left_out": "{reason}; left out",
    "link_version": "this link is of version {version}, not {known}: check it",
    "config_in_link": "a link cannot name a file: {field} is left out",
    "config_not_json": "{field} is not a JSON object: pass the content of a config.json",
    "mutually_exclusive": (
        "{field} and {second_input} are mutually exclusive: both specify the amount of work"
    ),
    "preset_says_work": "{set[preset]} already specifies the work: drop it or {field}",
    "finetune_needs_tokens": (
        "fine-tuning needs its own {set[tokens]} (or {set[samples]} with {set[config]})"
    ),
    "finetune_with_flop": (
        "{set[flop]} already specifies the whole work: {set[finetune]} needs a model size instead"
    ),
    "finetune_needs_size": "fine-tuning needs the size of the model: its work is not on record",
    "active_needs_params": "{set[active_params]} needs {set[params]}, the size of the whole model",
    "active_above_params": "{set[active_params]} must be at most {set[params]}, got {value:g}",
    "params_need_tokens": "{set[params]} needs {set[tokens]}, the tokens seen in training",
    "config_needs_tokens": (
        "{set[config]} needs {set[tokens]} or {set[samples]}, what is seen in training"
    ),
    "changes_nothing": "{field} changes nothing for this model: drop it",
    "preset_needs_tokens": "{preset} has no work on record: add {set[tokens]} or {set[samples]}",
    "preset_counts_samples": (
        "{preset} is counted in samples: give {set[samples]}, not {set[tokens]}"
    ),
    "preset_counts_tokens": "{preset} is counted in tokens: give {set[tokens]}, not {set[samples]}",
    "no_work": (
        "no work given: set {set[preset]}, {set[params]} with {set[tokens]}, {set[flop]}, "
        "{set[config]} or {set[device_hours]}"
    ),
    "too_much_work": "the work is {flop:flop}, more than {most:flop}",
    "unknown_name": "unknown {what} {name}: did you mean {near}?",
    "unknown_hardware": (
        "unknown hardware {name}: `profiles list` shows all, profiles of your own add to them"
    ),
    "unknown_board": (
        "unknown hardware {name}: known boards are {known}; profiles of your own add to them"
    ),
    "unknown_preset": "unknown preset {name}: `profiles list` shows all",
    "unknown_place": (
        "unknown place {name}: a country code, a cloud region, an operator or a named place will do"
    ),
    "unknown_prior": "unknown prior {name}: they stand in priors.toml",
    "unknown_source": "unknown source {name}: they stand in sources.toml",
    "no_peak": "{device} has no {asked} peak: it has {known}",
    # of a config.json
    "config_key_missing": "{key} is missing from the config",
    "config_key_whole": "{key} must be a positive integer, got {value}",
    "config_key_least": "{key} must be an integer of at least {least}, got {value}",
    "config_key_most": "{key} must be at most {most}, got {value}",
    "config_key_most_in_all": "{key} must be at most {most} in all, got {value}",
    "config_key_list": "{key} must be a list, got {value}",
    "config_key_object": "{key} must be an object, got {value}",
    "config_key_flag": "{key} must be true or false, got {value}",
    "config_key_text": "{key} must be a string, got {value}",
    "config_key_divides": "{key} must divide {divided} = {whole}, got {value}",
    "config_usual_divides": (
        "{key} must divide {divided} = {whole}, and is {value} where absent: state it"
    ),
    "config_key_counted": "{key} {value} is not counted, only {known}",
    "config_key_equal": "{key} must be {other} = {needed}, got {value}",
    "config_key_alike": "{key} must be one number, or equal in all layers",
    "config_key_square": "{key} must be the square of a whole number, got {value}",
    "config_key_positive": "{key} must be a positive number, got {value}",
    "config_key_number": "{key} must be a number, got {value}",
    "config_key_stages": "{key} must name some of the {count} stages of the backbone",
    "config_list_stages": "{key} must have {count} items, one per stage, got {value}",
    "config_usual_stages": (
        "{key} must have {count} items, one per stage, and has {value} where absent: state it"
    ),
    "config_list_layers": "{key} must have {count} items, one per layer, got {value}",
    "config_list_least": (
        "{key} must have at least {count} item, one per stage, got {value}",
        "{key} must have at least {count} items, one per stage, got {value}",
    ),
    "config_list_most": "{key} must have at most {most} items, got {value}",
    "config_part_unknown": "{key} {value} is not known inside such a model",
    "config_part_wrapper": (
        "{key} {value} is itself a wrapper of images or sound and text, not a language model"
    ),
    "config_nested": "the config is nested more than {most} levels deep: give that of one model",
    "input_too_small": "the input is too small for the network: a window of {kernel} does not fit",
    "architecture_unknown": "{name} is no known architecture: known are {known}",
    "model_type_missing": "model_type is missing: a config.json names its family there",
    "model_type_unknown": (
        "model_type {name} is not known: none of the {known} known types is named like it"
    ),
    "model_type_near": "model_type {name} is not known: did you mean {near}?",
    "config_file_address": "{path} is an address: save its config.json, and pass the path",
    "config_file_directory": "{path} is a directory: pass the config.json inside it",
    "config_file_absent": "{path} does not exist: pass the path of a config.json",
    "config_file_device": "{path} is a pipe or a device: save the config.json, and pass its path",
    "config_file_weights": "{path} is a file of weights: give the model's config.json",
    "config_file_large": (
        "{path} is larger than {most}, a config.json is a few kB: did you pass the weights?"
    ),
    "config_file_not_unicode": "{path} is not Unicode text: did you pass the weights?",
    "config_file_empty": "{path} is empty: save the config.json again",
    "config_file_web_page": "{path} is a web page: save the raw config.json",
    "config_file_not_json": "{path} is not JSON, beginning with a brace: save the raw config.json",
    "config_file_cut_off": "{path} is not JSON ({error}): is it cut off?",
    "config_file_not_object": "{path} holds {kind}, not an object: not a config.json",
    "config_of_adapter": (
        "this is the adapter_config.json of a {kind} adapter, without sizes: give that of its "
        "base model"
    ),
    "config_of_adapter_over": (
        "this is the adapter_config.json of a {kind} adapter, without sizes: give the "
        "config.json of its base model {base}"
    ),
    "config_of_pipeline": (
        "this is the model_index.json of {name}: give the config.json of one of its parts, in "
        "the folder unet, transformer, vae or text_encoder"
    ),
    "config_of_scheduler": (
        "this is the config of {name}, a scheduler without parameters: give that of a model"
    ),
    "config_of_other_file": "this is {kind}, not a config: give the model's config.json",
    "model_class_near": "{name} of diffusers is not known: did you mean {near}?",
    "model_class_unknown": (
        "{name} of diffusers is not known: none of the {known} known classes is named like it"
    ),
    "no_items_left": "the input is too small for the network: none of it is left",
    # of a device
    "no_device": "no device given: set {set[hardware]}",
    "no_precision": "{field} {word!r} is unknown: write fp32, bf16, mixed ...",
    "start_without_profile": "{set[start]} is an hour of a {set[carbon_profile]}, which is missing",
    "two_intensities": "{set[carbon_intensity]} and {set[carbon_profile]} are mutually exclusive",
    "parallelism_exceeds_devices": (
        "the parallelism needs {needed:g} devices, and there are {devices:g}: set {set[devices]}, "
        "or less of {set[tensor_parallel]}, {set[pipeline_parallel]}, {set[expert_parallel]}"
    ),
    "hours_of_other_device": (
        "{preset} is published as device-hours on {device}: on another device it cannot be "
        "compared; its FLOPs are not known ({set[flop]}, or {set[hardware]} {id})"
    ),
    "hours_of_unknown_device": (
        "{preset} is published as device-hours on {device}: a device that was not sold by {year} "
        "cannot be compared; its FLOPs are not known, set {set[flop]}"
    ),
    "work_exceeds_hours": (
        "reaching this work in these hours would take {times} times the peak of {device}"
    ),
    # what was assumed of the work
    "attempts_counted": (
        "energy, cost and CO2e cover all runs, {times:g} times the final run; time is that of "
        "the final run"
    ),
    "lora_saves": (
        "LoRA: the base model is frozen, which saves its weight gradients, a third of the work"
    ),
    "qlora_unpacks": "QLoRA counts the work of LoRA: unpacking 4-bit weights is not included",
    "too_few": "{field} is only {value:g}: write {value:g}B for billions, {value:g}M for millions",
    "attention_added": "attention over {tokens:,.0f} tokens adds {share:percent} to 6 N D",
    "kind_assumed": "assuming a language model for the utilization; set {set[kind]}",
    "hours_of_preset": (
        "{preset} is published as device time on {device}, not as FLOPs: its hours are used "
        "as published"
    ),
    # of the device
    "device_of_preset": "no device given: assuming {device}, which {preset} ran on",
    "devices_assumed": "assuming one device; set {set[devices]}",
    "slice_assumed": (
        "each device is one chip: assuming the {count:,.0f} chips of this slice; set {set[devices]}"
    ),
    "slice_in_part": (
        "each device is one chip, and this slice has {count:,.0f}: set {set[devices]} to a multiple"
    ),
    "precision_assumed": "assuming {precision}, the fastest training format of {device}",
    "no_training_format": (
        "{device} has no format for training (it has {known}): set {set[precision]}"
    ),
    "as_reported": "PUE and grid as reported for this run; set {set[site]} for another place",
    "image_size_assumed": (
        "the config names no size of images: assuming the usual one of its family; set "
        "{set[image_size]}"
    ),
    "no_effect": "{field} has no effect here",
    "no_effect_yet": "{field} is recorded, but does not change the estimate",
    "impossible_rate": (
        "reaching this work in these hours would take {share:percent} of the device's peak"
    ),
    "does_not_fit": (
        "does not fit on {fleet}: {what} of {params} parameters take {needed} of {held}; they need "
        "at least {count:,.0f} device, activations not included",
        "does not fit on {fleet}: {what} of {params} parameters take {needed} of {held}; they need "
        "at least {count:,.0f} devices, activations not included",
    ),
    "one_sequence_needs_saving": (
        "fits only with {set[recomputation]} or {set[tensor_parallel]}: one sequence at a time "
        "takes {needed} of {held} on each device without them"
    ),
    "one_sequence_does_not_fit": (
        "does not fit: one sequence at a time takes {needed} of {held} on each device; `memory` "
        "tells what would fit"
    ),
    "power_limit_idle": "the power limit of {limit} W is above what the run draws: no effect",
    "power_limit_slows": (
        "the power limit of {limit} W makes the run {longer:.2g} % longer: the utilization falls "
        "from {before} to {after}"
    ),
    "power_limit_too_low": (
        "{field} must be more than the idle power of its device, {edge:.4g} W, got {value:.10g}"
    ),
    "power_limit_too_high": (
        "{field} must be at most {times:g} power limits of the device, {edge:.4g} W, "
        "got {value:.10g}"
    ),
    "power_unknown": "power of {device} unknown: a profile with its power limit sets it",
    # of the utilization
    "kind_of_device_unpublished": (
        "no published training run on a device of kind {kind}: the utilization is an "
        "extrapolation, and its interval too narrow"
    ),
    "beyond_published_devices": (
        "no published run on more than {most:,.0f} devices: an extrapolation"
    ),
    "little_work": (
        "few runs below {flop:flop} are published, and they vary widely: the utilization "
        "interval is wide"
    ),
    "few_runs_of_kind": (
        "few runs of networks of this kind ({group}) are published: the utilization rests on "
        "little data"
    ),
    "bandwidth_unknown": "memory bandwidth of {device} unknown: assuming a typical one",
    "small_batch_assumed": (
        "assuming a batch of {tokens:count} tokens, which gives each device little work; set "
        "{set[batch_tokens]}, which matters here"
    ),
    "measured_above_peak": (
        "measured runs reach {share:percent} of the peak of {device} in its profile: "
        "using {most:percent}; measure it again on an idle machine"
    ),
    "run_counts_less": "run {run} has less weight: {reasons}",
    "calibrated": (
        "calibrated: {count:.0f} run {where}, newest {age}; its steps reach {times:.2g} times "
        "the rate expected from published runs",
        "calibrated: {count:.0f} runs {where}, newest {age}; their steps reach {times:.2g} "
        "times the rate expected from published runs",
    ),
    "program_not_measured": (
        "no run of the program {program!r} was measured on {device}: it is treated like any "
        "other of its kind"
    ),
    "program_elsewhere": (
        "no run of the program {program!r} was measured on {device}: what it reached on {others} "
        "counts instead, with a wider interval"
    ),
    "step_size_unspecified": (
        "size of a step unspecified: the interval covers the sizes people run; {set[step_flop]} "
        "narrows it by about {narrower:percent}"
    ),
    "launch_bound": (
        "steps so small wait for the host, which launches their operations one after another: they "
        "take {times:count} times as long as their work; larger steps, of a larger batch, or "
        "compiled ones waste less"
    ),
    "step_uncounted": (
        "programs of one kind differ most in what a step does beside its products: count one with "
        "run.count_flop in the script, and give {set[step_operations]} and {set[step_traffic]}"
    ),
    "count_without_size": (
        "{field} changes nothing without the work of a step: set {set[step_flop]}"
    ),
    "count_alone": (
        "{field} changes nothing alone: set {set[step_operations]} and {set[step_traffic]}"
    ),
    "counts_of_accelerator": (
        "operations and memory traffic of a step change nothing on {device}: they count on "
        "processors alone"
    ),
    "heavy_counts": (
        "operations and memory traffic as given take {times:count} times as long as the products "
        "of a step at the peak: check {set[step_operations]} and {set[step_traffic]}"
    ),
    "counts_unused": (
        "operations and memory traffic of a step change nothing here: no measured run of {device} "
        "counts to compare with them; calibrate bench with PyTorch makes one"
    ),
    # of the place
    "site_unknown": "region {name!r} is unknown: assuming world averages",
    "other_year": "using {what} of {year} for a run in {wanted}: the nearest on record for {place}",
    "pue_of_fleet": "PUE of {place} unknown: assuming that of all of {fleet}",
    "pue_assumed": "PUE unknown here: assuming {value:g}; set {set[pue]} or a cloud region",
    "grid_assumed": (
        "no carbon intensity for {place}: assuming the world average, {value:.3g} kgCO2e/kWh; set "
        "{set[site]} or {set[carbon_intensity]}"
    ),
    "grid_assumed_without_site": (
        "no site given: assuming the world average, {value:.3g} kgCO2e/kWh; set {set[site]} or "
        "{set[carbon_intensity]}"
    ),
    "grid_unknown": "carbon intensity at {place} unknown; set {set[carbon_intensity]}",
    # of money, carbon and water
    "old_rents": (
        "the rents on record for {device} are {count:.0f} year off {year:g}",
        "the rents on record for {device} are {count:.0f} years off {year:g}",
    ),
    "rents_elsewhere": (
        "no matching rent of {device} at {provider} on record: assuming that of all providers; "
        "set {field}"
    ),
    "owning_left_out": (
        "owning counts depreciation, server, network and electricity; staff, building, "
        "repairs and interest are not included"
    ),
    "device_price_unused": "the purchase price is not used; set {set[pay]} to own to count it",
    "rent_unknown": "{device} has no rental price on record; set {set[price]}",
    "price_unknown": "purchase price of {device} unknown; set {set[device_price]}",
    "electricity_unknown": "price of electricity at {place} unknown; set {set[electricity_price]}",
    "embodied_unknown": "embodied emissions of {device} unknown",
    "work_unknown": "the run is given as device time: add its FLOPs or its size",
    "water_unknown": "on-site water use of {place} unknown; set {set[wue]}",
    "onsite_water_unknown": (
        "on-site water use of {place} unknown, so only off-site water is counted; set {set[wue]}"
    ),
    # memory
    "memory_unknown": "the memory of {device} is not on record: only the need is shown",
    "seq_len_assumed": "assuming {tokens:,.0f} tokens in a sequence; set {field}",
    "fully_sharded": (
        "assuming weights, gradients and optimizer fully sharded (ZeRO 3, FSDP); set {field}"
    ),
    "selective_recompute_assumed": (
        "selective recomputation of fused attention assumed to keep about half: frameworks differ, "
        "from nothing saved to two thirds"
    ),
    "activations_not_modelled": (
        "activations of {network} are not modelled and not included; only those of decoders and of "
        "encoders like BERT and ViT are, other ledgers list products and not the tensors between "
        "them"
    ),
    "working_memory_not_modelled": ("working memory of {network} is not modelled and not included"),
    "architecture_assumed": (
        "no architecture given: {layers:,.0f} layers of width {width:,.0f} and {words:,.0f} words "
        "are assumed for activations and cache; a config.json is exact"
    ),
    # serving
    "not_a_number": "{field} must be a number, got {text!r}",
    "out_of_range": "{field} must be between {least:g} and {most:g}, got {value:g}",
    "serving_software_unknown": (
        "{field} {word!r} is unknown: assuming the usual program on such a device; write vllm, "
        "tensorrt-llm, llama.cpp, transformers ..."
    ),
    "serving_two_loads": "{set[concurrency]} and {set[request_rate]} are mutually exclusive",
    "serving_no_model": (
        "the model is missing: set {set[model]}, {set[config]} or {set[params_total]}"
    ),
    "serving_model_unknown": (
        "unknown model {name!r}: set {set[model]}, {set[config]} or {set[params_total]}"
    ),
    "serving_size_of_name": (
        "{name} is not on record: assuming the {params:count} parameters that it states"
    ),
    "serving_no_device": "the device is missing: set {set[hardware]}",
    "serving_layers_assumed": "layers unknown: assuming those usual at this size",
    "serving_weights_assumed": "assuming weights in {weights}; set {set[precision]}",
    "serving_weights_unpacked": "{device} has no {arithmetic} arithmetic: weights are unpacked",
    "serving_devices_assumed": (
        "assuming 1 device, the fewest that hold it; set {set[devices]}",
        "assuming {count:.0f} devices, the fewest that hold it; set {set[devices]}",
    ),
    "serving_layers_split": (
        "layout unspecified: assuming tensor parallelism over all {devices:.0f} devices; "
        "set {set[tensor_parallel]}"
    ),
    "serving_replicas_assumed": (
        "layout unspecified: assuming {replicas:.0f} data-parallel replicas of 1 device each; "
        "set {set[data_parallel]}",
        "layout unspecified: assuming {replicas:.0f} data-parallel replicas of {count:.0f} devices "
        "each; set {set[data_parallel]}",
    ),
    "serving_grid_assumed": "carbon intensity: assuming the world average; set {set[region]}",
    "serving_owned": (
        "{device} has no rental price on record: counting what owning it uses up, with server, "
        "network and electricity; set {set[price_usd_per_h]}"
    ),
    "serving_calibrated": (
        "calibrated: {count:.0f} run on {device}, newest of {date}; time per token {times:.2f} "
        "times the uncalibrated estimate, with an interval {left:percent} as wide",
        "calibrated: {count:.0f} runs on {device}, newest of {date}; time per token {times:.2f} "
        "times the uncalibrated estimate, with an interval {left:percent} as wide",
    ),
    "serving_runs_far_off": (
        "run {run} is left out: more than {sds:.0f} standard deviations from what is expected",
        "{count:.0f} runs, {run} among them, are left out: more than {sds:.0f} standard deviations "
        "from what is expected",
    ),
    "serving_runs_unusable": (
        "run {run} is left out of the calibration: {why}",
        "{count:.0f} runs are left out of the calibration, {run} among them: {why}",
    ),
    "serving_alone": "assuming one sequence at a time; set {set[concurrency]}",
    "serving_saturated": "assuming a saturated server; set {set[concurrency]}",
    "serving_some_wait": (
        "more sequences than the memory holds at their mean length: some will wait; "
        "lower {set[concurrency]}"
    ),
    "serving_chat_assumed": "{field} unspecified: assuming a typical chat",
    "serving_power_unknown": "power limit of {device} unknown: energy cannot be estimated",
    "serving_price_unknown": "price of {device} unknown; set {set[price_usd_per_h]}",
    "serving_phone_throttles": (
        "phones throttle within minutes: {rate:.3g} tokens/s once warm ({low:.3g} to {high:.3g}); "
        "the other figures are for a cold phone"
    ),
    "serving_memory_unknown": "memory of {device} unknown: assuming that it fits",
    "serving_weights_do_not_fit": (
        "the weights do not fit in {devices:g} × {device}: {needed:.0f} would hold them; "
        "set {set[devices]}"
    ),
    "serving_experts_do_not_fit": (
        "each replica's own copy of the experts does not fit in {devices:g} × {device}: share one "
        "copy by setting {set[expert_parallel]} to {devices:g}"
    ),
    "serving_sequences_do_not_fit": (
        "{sequences:g} sequences do not fit in {devices:g} × {device}: {needed:.0f} would hold "
        "them; set {set[devices]}"
    ),
    "serving_format_unknown": "unknown weight format {text!r}: set {field} to one of {known}",
    "serving_no_arithmetic": (
        "{device} has no arithmetic for {weights} (it has {known}): set {set[precision]}"
    ),
    "serving_bandwidth_unknown": (
        "memory bandwidth of {device} unknown: add memory_bytes_per_s to its profile"
    ),
    "serving_writes_no_tokens": (
        "{model} does not write token by token: for its items give `serve-cost` their "
        "--image-size, or the --positions of a text"
    ),
    "serving_active_above_all": (
        "{set[params_active]} must be at most {set[params_total]}, {all:count}; got {active:count}"
    ),
    "serving_run_without_device": "no known device served it: set {set[hardware]}",
    "serving_plan_without_rate": "{set[request_rate]} is missing: give the requests per second",
    "serving_plan_without_days": "days must be positive, got {value:g}",
    "serving_plan_too_large": (
        "{designs:,.0f} designs are more than {most:,.0f}: give fewer choices"
    ),
    "serving_beyond_context": (
        "{tokens:,.0f} tokens are more than the {context:,.0f} that {model} is made for"
    ),
    "serving_too_long": "{tokens:g} tokens exceed the {context:g} that {model} takes",
    "serving_too_many_requests": (
        "{set[request_rate]}: {rate:g} requests/s exceed the {most:.3g} that this set-up serves"
    ),
    "serving_dense": "{set[expert_parallel]} is for mixtures of experts: {model} is dense",
    "serving_sizes_exceed": (
        "the parallel sizes need {needed:.0f} devices, and {given:.0f} are given: "
        "set {set[devices]}"
    ),
    "serving_unequal_replicas": (
        "{devices:.0f} devices cannot make {replicas:.0f} equal replicas: set {set[data_parallel]}"
    ),
    "serving_unequal_shards": (
        "{set[tensor_parallel]} {shards:.0f} does not divide {devices:.0f} devices"
    ),
    "serving_one_item": "assuming one item at a time; set {set[concurrency]}",
    "serving_one_pass": "assuming one pass of the network per item; set {field}",
    "serving_plain_software": "assuming code without a serving engine; set {set[software]}",
    "serving_positions_of_pictures": (
        "positions of a diffusion model follow from its picture: set {set[image_size]} instead of "
        "{field}"
    ),
    "serving_not_for_items": "{field} has no effect on items: drop it",
    "serving_item_does_not_fit": (
        "weights of {weights:.3g} GB do not fit in one {device} of {memory:.3g} GB, and items are "
        "not split over devices: set {set[precision]} or {set[hardware]}"
    ),
    "serving_energy_needed": "power limit of {device} unknown: drop {set[training_kwh]}",
    "serving_item_unknown": (
        "an item needs {set[model]}, {set[config]}, or {set[params_total]} with {set[positions]}"
    ),
    "offsite_water_unknown": (
        "water use of the electricity at {place} unknown, so only on-site water is counted"
    ),
}
"""Code of a notice -> its sentence, or its singular and plural."""


AMOUNTS: Mapping[str, Callable[[float], str]] = {
    "percent": in_percent,
    "count": human_count,
    "flop": lambda value: human(value, "FLOP"),
}
"""What may stand after the colon of a figure, beside the formats of Python."""


def _as_it_is(text: str) -> str:
    return text


def render(
    notice: Notice, names: Names, translated: Words = _as_it_is, written: Words = _as_it_is
) -> str:
    """Sentence of a notice, with the names that a rim gives to the inputs.

    Parameters
    ----------
    notice : Notice
    names : function
        What the rim calls an input.
    translated : function
        A sentence in the language of the rim.
    written : function
        A figure as that language writes it.

    >>> render(Notice("devices_assumed", "devices"), lambda field: f"--{field}")
    'assuming one device; set --devices'
    """
    template = MESSAGES[notice.code]
    if isinstance(template, tuple):
        template = template[notice.values["count"] != 1]
    pieces = []
    for before, name, spec, conversion in _pieces(translated(template)):
        pieces.append(before)
        if name.startswith("set["):
            pieces.append(names(name[4:-1]))
        elif name == "field":
            pieces.append(names(notice.field))
        elif name:
            value = notice.values[name]
            is_input = name.endswith("_input")
            shown = names(str(value)) if is_input else _joined(value, translated)
            pieces.append(_filled(shown, spec, conversion, written))
    return "".join(pieces)


@lru_cache(maxsize=1024)
def _pieces(template: str) -> tuple[tuple[str, str, str, str], ...]:
    """Take a sentence apart: the text before each gap, its name, its format, its conversion."""
    return tuple(
        (before, name or "", spec or "", conversion or "")
        for before, name, spec, conversion in Formatter().parse(template)
    )


def _filled(value: Value, spec: str, conversion: str, written: Words) -> str:
    """Fill a gap; an amount is written with its unit, a figure as the language writes it."""
    if conversion:
        return format(Formatter().convert_field(value, conversion), spec)
    if not isinstance(value, float | int):
        return format(value, spec)
    if spec in AMOUNTS:
        return written(AMOUNTS[spec](float(value)))
    return written(format(value, spec))


def in_python(field: str) -> str:
    """Name of an input in Python: that of its field."""
    return field


def message(notice: Notice) -> str:
    """Sentence of a notice with the names of Python."""
    return render(notice, in_python)


def refuse(code: str, field: str = "", **values: Value) -> Refusal:
    """Why a question is refused, to be raised.

    >>> str(refuse("not_whole", "devices", value=1.5))
    'devices must be a whole number, got 1.5'
    """
    return refusal(Notice(code, field, values))


def refusal(notice: Notice) -> Refusal:
    """Refusal that carries a notice."""
    return Refusal(notice, message(notice))


def reason(error: ValueError) -> Notice:
    """Notice of an error, whoever raised it."""
    return error.notice if isinstance(error, Refusal) else Notice("text", "", {"text": str(error)})


def _joined(value: Value, translated: Words) -> Value:
    """Return a value with its words in the language of the rim, such as the name of a country."""
    if isinstance(value, tuple):
        return ", ".join(value)
    return translated(value) if isinstance(value, str) else value


@lru_cache(maxsize=4096)
def rendered(notices: tuple[Notice, ...], names: Names) -> tuple[str, ...]:
    """Sentences of some notices, each once; rows of a table share most of theirs."""
    return tuple(dict.fromkeys(render(notice, names) for notice in notices))
