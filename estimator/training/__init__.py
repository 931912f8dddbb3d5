"""Utilization of training runs."""

from estimator.core.notice import add_messages

add_messages(
    kind_of_device_unpublished=(
        "no published training run on a device of kind {kind}: the utilization is an "
        "extrapolation, and its interval too narrow"
    ),
    beyond_published_devices=(
        "no published run on more than {most:,.0f} devices: an extrapolation"
    ),
    little_work=(
        "few runs below {flop:flop} are published, and they vary widely: the utilization "
        "interval is wide"
    ),
    few_runs_of_kind=(
        "few runs of networks of this kind ({group}) are published: the utilization rests on "
        "little data"
    ),
    bandwidth_unknown="memory bandwidth of {device} unknown: assuming a typical one",
    causal_assumed=(
        "assuming causal attention kernels, which skip {share:percent} of the FLOPs that MFU "
        "counts; set {set[attention_mask]} to full otherwise"
    ),
    software_of_preset="assuming software of {year:.0f}, the year of {preset}; set {set[year]}",
    small_batch_assumed=(
        "assuming a batch of {tokens:count} tokens, which gives each device little work; set "
        "{set[batch_tokens]}, which matters here"
    ),
)
