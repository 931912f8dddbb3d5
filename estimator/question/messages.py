"""Message texts about the inputs of a question."""

from estimator.core.notice import add_messages

add_messages(
    no_such_input="there is no input {field}, or it is given twice; did you mean {close}?",
    no_choice="{field} must be one of {choices}, got {word!r}",
    not_whole="{field} must be a whole number, got {value:g}",
    unread="{reason}",
    unread_number="{field} is not a number: {text!r}; write {like}",
    left_out="{reason}; left out",
    link_version="this link is of version {version}, not {known}: check it",
    config_in_link="a link cannot name a file: {field} is left out",
    mutually_exclusive=(
        "{field} and {second_input} are mutually exclusive: both specify the amount of work"
    ),
    pue_of_boards="{field} changes nothing with {set[boards_only]}: drop one of them",
    metered_beyond_boards=(
        "{set[boards_only]} counts only the devices: set {field} to devices, or drop one of them"
    ),
    share_without_contract="{field} is the share that {set[contract]} covers: give both",
    preset_says_work="{set[preset]} already specifies the work: drop it or {field}",
    finetune_needs_tokens=(
        "fine-tuning needs its own {set[tokens]} (or {set[samples]} with {set[config]})"
    ),
    finetune_with_flop=(
        "{set[flop]} already specifies the whole work: {set[finetune]} needs a model size instead"
    ),
    finetune_needs_size="fine-tuning needs the size of the model: its work is not on record",
    active_needs_params="{set[active_params]} needs {set[params]}, the size of the whole model",
    active_above_params="{set[active_params]} must be at most {set[params]}, got {value:g}",
    params_need_tokens="{set[params]} needs {set[tokens]}, the tokens seen in training",
    config_needs_tokens=(
        "{set[config]} needs {set[tokens]} or {set[samples]}, what is seen in training"
    ),
    changes_nothing="{field} changes nothing for this model: drop it",
    preset_needs_tokens="{preset} has no work on record: add {set[tokens]} or {set[samples]}",
    preset_counts_samples=(
        "{preset} is counted in samples: give {set[samples]}, not {set[tokens]}"
    ),
    preset_counts_tokens="{preset} is counted in tokens: give {set[tokens]}, not {set[samples]}",
    no_work=(
        "no work given: set {set[preset]}, {set[params]} with {set[tokens]}, {set[flop]}, "
        "{set[config]} or {set[device_hours]}"
    ),
    too_much_work="the work is {flop:flop}, more than {most:flop}",
    no_peak="{device} has no {asked} peak: it has {known}",
    no_precision="{field} {word!r} is unknown: write fp32, bf16, mixed ...",
    attempts_counted=(
        "energy, cost and CO2e cover all runs, {times:g} times the final run; time is that of "
        "the final run"
    ),
    lora_saves=(
        "LoRA: the base model is frozen, which saves its weight gradients, a third of the work"
    ),
    qlora_unpacks="QLoRA counts the work of LoRA: unpacking 4-bit weights is not included",
    too_few="{field} is only {value:g}: write {value:g}B for billions, {value:g}M for millions",
    attention_added="attention over {tokens:,.0f} tokens adds {share:percent} to 6 N D",
    kind_assumed="assuming a language model for the utilization; set {set[kind]}",
    devices_assumed="assuming one device; set {set[devices]}",
    slice_assumed=(
        "each device is one chip: assuming the {count:,.0f} chips of this slice; set {set[devices]}"
    ),
    no_training_format=(
        "{device} supports no format for training (only {known}): choose another {set[hardware]}"
    ),
    image_size_assumed=(
        "the config names no size of images: assuming the usual one of its family; set "
        "{set[image_size]}"
    ),
    no_effect="{field} has no effect here",
    site_unknown="region {name!r} is unknown: assuming world averages",
    other_year="{place}: no {what} on record for {wanted}, using the nearest, of {year}",
    pue_of_fleet="{place}: PUE unknown, assuming the fleet-wide PUE of {fleet}",
    pue_assumed="PUE unknown here: assuming {value:g}; set {set[pue]} or a cloud region",
    grid_assumed=(
        "{place}: no carbon intensity on record, assuming the world average, {value:.3g} "
        "kgCO2e/kWh; set {set[site]} or {set[carbon_intensity]}"
    ),
    grid_assumed_without_site=(
        "no site given: assuming the world average, {value:.3g} kgCO2e/kWh; set {set[site]} or "
        "{set[carbon_intensity]}"
    ),
    grid_figures_differ=(
        "{place}: published carbon intensities differ, assuming {low:.3g} to {high:.3g} kgCO2e/kWh"
    ),
    old_rents=(
        "the rents on record for {device} are {count:.0f} year off {year:g}",
        "the rents on record for {device} are {count:.0f} years off {year:g}",
    ),
    few_offers=(
        "the price of {device} rests on {count:.0f} offer, so its interval is wider",
        "the price of {device} rests on {count:.0f} offers, so its interval is wider",
    ),
    rents_elsewhere=(
        "no matching rent of {device} at {provider} on record: assuming that of all providers; "
        "set {field}"
    ),
)
