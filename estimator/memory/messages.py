"""Message texts about device memory."""

from estimator.core.notice import add_messages

add_messages(
    not_whole_from="{field} must be a whole number of at least {least:g}, got {value:g}",
    not_whole_within=("{field} must be a whole number from {least:g} to {most:g}, got {value:g}"),
    not_a_multiple=(
        "{field} must be a multiple of {set[tensor_parallel]} x {set[pipeline_parallel]} = "
        "{parts:g}, got {value:g}"
    ),
    does_not_fit=(
        "does not fit on {fleet}: {what} of {params} parameters take {needed} of {held}; they need "
        "at least {count:,.0f} device, activations not included",
        "does not fit on {fleet}: {what} of {params} parameters take {needed} of {held}; they need "
        "at least {count:,.0f} devices, activations not included",
    ),
    memory_unknown="the memory of {device} is not on record: only the need is shown",
    seq_len_assumed="assuming {tokens:,.0f} tokens in a sequence; set {field}",
    fully_sharded=(
        "assuming weights, gradients and optimizer fully sharded (ZeRO 3, FSDP); set {field}"
    ),
    recompute_assumed=(
        "assuming full activation recomputation, without which this does not fit; set {field}"
    ),
    states_offloaded=(
        "assuming full activation recomputation and optimizer states in host memory, without which "
        "this does not fit; set {field}"
    ),
    weights_offloaded=(
        "assuming full activation recomputation and weights and optimizer states in host memory, "
        "without which this does not fit; set {field}"
    ),
    selective_recompute_assumed=(
        "selective recomputation of fused attention assumed to keep about half: frameworks differ, "
        "from nothing saved to two thirds"
    ),
    activations_not_modelled=(
        "activations of {network} are not modelled and not included (only decoders and encoders "
        "like BERT and ViT are)"
    ),
    working_memory_not_modelled=("working memory of {network} is not modelled and not included"),
    architecture_assumed=(
        "no architecture given: assuming {layers:,.0f} layers of width {width:,.0f} and "
        "{words:,.0f} words; a config.json is exact"
    ),
    memory_format_unknown="{field} must be one of {known} for {use}, got {word!r}",
    memory_of_adapters="{field} goes with {set[finetune]} lora or qlora",
    memory_of_serving_or_adapters="{field} goes with {set[inference]} or adapters",
    memory_of_context="{field} goes with {set[inference]}; in training it is {set[seq_len]}",
    memory_of_serving="{field} goes with {set[inference]}",
    memory_not_of_serving="{field} goes with training, not {set[inference]}",
    memory_of_training="{field} is training: drop it or {set[inference]}",
    memory_one_model="give one model: a config.json, a preset by name, or {set[params]} 7e9",
    memory_size_unknown="no size of {preset} is on record: give a config.json or {set[params]}",
)
