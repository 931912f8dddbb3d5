"""Message texts of inference."""

from estimator.core.notice import add_messages

add_messages(
    serving_software_unknown=(
        "{field} {word!r} is unknown: assuming the usual program on such a device; write vllm, "
        "tensorrt-llm, llama.cpp, transformers ..."
    ),
    serving_program_elsewhere=(
        "{field} {word!r} runs on {make} devices only, not on {device}: set {set[software]}"
    ),
    serving_two_loads=(
        "only one of {set[concurrency]}, {set[request_rate]} and {set[users]} can be set"
    ),
    serving_no_users="{field} needs {set[users]}",
    serving_think_assumed=(
        "assuming that users pause {seconds:g} s between an answer and their next request; "
        "set {set[think_s]}"
    ),
    serving_no_model=("the model is missing: set {set[preset]}, {set[config]} or {set[params]}"),
    serving_model_unknown=(
        "unknown model {name!r}: set {set[preset]}, {set[config]} or {set[params]}"
    ),
    serving_size_of_name=(
        "{name} is not on record: assuming the {params:count} parameters that it states"
    ),
    serving_no_device="the device is missing: set {set[hardware]}",
    serving_layers_assumed="layers unknown: assuming those usual at this size",
    serving_weights_published="assuming weights in {weights}, as published; set {set[precision]}",
    serving_weights_assumed="assuming weights in {weights}; set {set[precision]}",
    serving_weights_unpacked="{device} has no {arithmetic} arithmetic: weights are unpacked",
    serving_devices_assumed=(
        "assuming 1 device, the fewest that hold it; set {set[devices]}",
        "assuming {count:.0f} devices, the fewest that hold it; set {set[devices]}",
    ),
    serving_pools=(
        "disaggregated: {prefill:.0f} devices for prefill, {decode:.0f} for decode; set "
        "{set[prefill_devices]} and {set[decode_devices]}"
    ),
    serving_pools_need_two="{set[disaggregated]} needs 2 devices or more: set {set[devices]}",
    serving_pools_sum=(
        "{prefill:.0f} devices for prefill and {decode:.0f} for decode do not make two pools of "
        "{devices:.0f}: set {set[prefill_devices]} and {set[decode_devices]}"
    ),
    serving_pools_local="{set[disaggregated]} is for servers: {device} runs a program of one user",
    serving_pool_too_small=(
        "each pool needs {fewest:.0f} × {device} for the weights, both together {both:.0f}: raise "
        "{set[devices]}, or {set[prefill_devices]} and {set[decode_devices]}"
    ),
    serving_pools_full=(
        "no division of {devices:.0f} × {device} fits the replicas and their requests in both "
        "pools: raise {set[devices]}"
    ),
    serving_layers_split=(
        "layout unspecified: assuming tensor parallelism over all {devices:.0f} devices; "
        "set {set[tensor_parallel]}"
    ),
    serving_experts_split=(
        "layout: assuming one replica on {devices:.0f} devices, as fast links join {linked:.0f}; "
        "to share experts, set {set[data_parallel]} and {set[expert_parallel]}"
    ),
    serving_replicas_assumed=(
        "layout unspecified: assuming {replicas:.0f} replicas of 1 device each, the fastest at "
        "this load; set {set[data_parallel]}",
        "layout unspecified: assuming {replicas:.0f} replicas of {count:.0f} devices each, the "
        "fastest at this load; set {set[data_parallel]}",
    ),
    serving_experts_shared=(
        "layout unspecified: assuming {replicas:.0f} attention replicas that share the experts on "
        "{devices:.0f} devices; set {set[data_parallel]} and {set[expert_parallel]}"
    ),
    serving_grid_assumed="carbon intensity: assuming the world average; set {set[site]}",
    serving_owned=(
        "{device} has no rental price on record: counting what owning it uses up, with server, "
        "network and electricity; set {set[price]}"
    ),
    serving_calibrated=(
        "calibrated: {count:.0f} run on {device}, newest of {date}; time per token {times:.2f} "
        "times the uncalibrated estimate, with an interval {left:percent} as wide",
        "calibrated: {count:.0f} runs on {device}, newest of {date}; time per token {times:.2f} "
        "times the uncalibrated estimate, with an interval {left:percent} as wide",
    ),
    serving_runs_far_off=(
        "run {run} is left out: more than {sds:.0f} standard deviations from what is expected",
        "{count:.0f} runs, {run} among them, are left out: more than {sds:.0f} standard deviations "
        "from what is expected",
    ),
    serving_runs_unusable=(
        "run {run} is left out of the calibration: {why}",
        "{count:.0f} runs are left out of the calibration, {run} among them: {why}",
    ),
    serving_alone="assuming one sequence at a time; set {set[concurrency]}",
    serving_saturated=(
        "assuming a saturated server, {count:,.0f} requests in flight; set {set[concurrency]}"
    ),
    serving_some_wait=(
        "memory is too small for this many sequences at their mean length, so some will wait; "
        "lower {set[concurrency]}"
    ),
    serving_chat_assumed="{field} unspecified: assuming a typical chat",
    serving_images_possible=(
        "this model reads images: prompts with and without them are assumed equally likely; "
        "set {set[input_tokens]} for text alone"
    ),
    serving_power_unknown="power limit of {device} unknown: energy cannot be estimated",
    serving_price_unknown="price of {device} unknown; set {set[price]}",
    serving_phone_throttles=(
        "phones throttle within minutes: {rate:.3g} tokens/s once warm ({low:.3g} to {high:.3g}); "
        "the other figures are for a cold phone"
    ),
    serving_memory_unknown="memory of {device} unknown: assuming that it fits",
    serving_weights_do_not_fit=(
        "the weights do not fit in {devices:g} × {device}: {needed:.0f} would hold them; "
        "set {set[devices]}"
    ),
    serving_experts_do_not_fit=(
        "each replica's own copy of the experts does not fit in {devices:g} × {device}: share one "
        "copy by setting {set[expert_parallel]} to {devices:g}"
    ),
    serving_sequences_do_not_fit=(
        "{sequences:g} sequences do not fit in {devices:g} × {device}: {needed:.0f} would hold "
        "them; set {set[devices]}"
    ),
    serving_format_unknown="unknown weight format {text!r}: set {field} to one of {known}",
    serving_no_arithmetic=(
        "{device} does not support {weights}, only {known}: set {set[precision]}"
    ),
    serving_bandwidth_unknown=(
        "memory bandwidth of {device} unknown: add memory_bytes_per_s to its profile"
    ),
    serving_writes_no_tokens=(
        "{model} does not write token by token: for images set {set[image_size]}, for texts "
        "{set[positions]}"
    ),
    serving_active_above_all=(
        "{set[active_params]} must be at most {set[params]}, {all:count}; got {active:count}"
    ),
    serving_run_without_device="no known device served it: set {set[hardware]}",
    serving_beyond_context=(
        "{tokens:,.0f} tokens are more than the {context:,.0f} that {model} is made for"
    ),
    serving_too_long="{tokens:g} tokens exceed the {context:g} that {model} takes",
    serving_too_many_requests=(
        "{set[request_rate]}: {rate:g} requests/s exceed the {most:.3g} that this set-up serves"
    ),
    serving_too_many_users=(
        "{set[users]}: {users:g} users exceed the {most:.3g} that this set-up serves"
    ),
    serving_dense="{set[expert_parallel]} is for mixtures of experts: {model} is dense",
    serving_sizes_exceed=(
        "the parallel sizes need {needed:.0f} devices, and {given:.0f} are given: "
        "set {set[devices]}"
    ),
    serving_unequal_replicas=(
        "{devices:.0f} devices cannot make {replicas:.0f} equal replicas: set {set[data_parallel]}"
    ),
    serving_unequal_shards=(
        "{set[tensor_parallel]} {shards:.0f} does not divide {devices:.0f} devices"
    ),
    serving_one_item="assuming one item at a time; set {set[concurrency]}",
    serving_one_pass="assuming one pass of the network per item; set {field}",
    serving_plain_software="assuming code without a serving engine; set {set[software]}",
    serving_positions_of_pictures=(
        "positions of a diffusion model follow from its picture: set {set[image_size]} instead of "
        "{field}"
    ),
    serving_not_for_items="{field} has no effect on items: drop it",
    serving_item_does_not_fit=(
        "weights of {weights:.3g} GB do not fit on one {device} of {memory:.3g} GB: set "
        "{set[precision]} or {set[hardware]}"
    ),
    serving_energy_needed="power limit of {device} unknown: drop {set[training_kwh]}",
    serving_item_unknown=(
        "an item needs {set[preset]}, {set[config]}, or {set[params]} with {set[positions]}"
    ),
    serving_goal_missed="no concurrency reaches {goal:g} s per token on these devices",
    serving_api_half_priced="{field} needs {set[api_price_out]}",
    serving_two_apis="{field} and {set[api_price_out]} are mutually exclusive",
    serving_half_a_life="set both {field} and {set[tokens_per_day]}, or neither",
)
