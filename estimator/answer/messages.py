"""Message texts of training estimates."""

from estimator.core.notice import add_messages

add_messages(
    no_device="no device given: set {set[hardware]}",
    start_without_profile="{set[start]} is an hour of a {set[carbon_profile]}, which is missing",
    two_intensities="{set[carbon_intensity]} and {set[carbon_profile]} are mutually exclusive",
    parallelism_exceeds_devices=(
        "the layout needs {needed:g} devices, not {devices:g}: raise {set[devices]}, or lower "
        "{set[tensor_parallel]}, {set[pipeline_parallel]} or {set[expert_parallel]}"
    ),
    meter_boundary_assumed="assuming that the meter covered the whole facility; set {field}",
    meter_error_assumed="assuming that the metered energy is right to 5%; set {field}",
    meter_above_limit=(
        "implausible: {energy} in this time is {power} for each {device}, {times:.2g} times the "
        "upper bound of {bound}; check the energy, its unit, the hours and the meter"
    ),
    meter_below_idle=(
        "implausible: {energy} in this time is {power} for each {device}, less than its idle power "
        "of {bound}; check the energy, its unit, the hours and the number of devices"
    ),
    not_of_this_task="this field is not about such a task",
    format_of_training=(
        "{format} is about training: for a model that is served use sci, scope2, paper, boamps, "
        "cyclonedx or spdx"
    ),
    name_not_given="no name of the model given; set {set[name]}",
    site_not_given="no site given; set {set[site]}",
    year_not_given="no year of the run given; set {set[year]}",
    params_not_given="the size of the model is not given; set {set[params]}",
    tokens_not_given="the training tokens are not given; set {set[tokens]}",
    not_metered="no metered energy given; set {set[energy_kwh]}",
    no_contract="no contract for the electricity given; set {set[contract]}",
    residual_unknown=(
        "{place}: no residual mix on record; set {set[residual_mix]}, or {set[contract]} that "
        "covers all of the electricity"
    ),
    factor_unknown="{place}: no impact factor of the electricity on record",
    hours_of_other_device=(
        "{preset} is published as device-hours on {device} without FLOPs: set {set[flop]}, or "
        "{set[hardware]} to {id}"
    ),
    hours_of_unknown_device=(
        "{preset} is published as device-hours on {device}, not sold by {year}, without FLOPs: "
        "set {set[flop]}"
    ),
    work_exceeds_hours=(
        "this work in these hours needs {times} times the peak of {device}: correct one of them, "
        "or set only {set[device_hours]}"
    ),
    hours_of_preset=(
        "{preset} is published as device time on {device}, not as FLOPs: its hours are used "
        "as published"
    ),
    device_of_preset="no device given: assuming {device}, which {preset} ran on",
    precision_assumed="assuming {precision}, the fastest training format of {device}",
    as_reported="PUE and grid as reported for this run; set {set[site]} for another site",
    no_effect_yet="{field} is recorded, but does not change the estimate",
    fits_only_with=(
        "fits only with {first_settings}: otherwise one sequence needs {times:count} times a "
        "device's {held:capacity}"
    ),
    exceeds_memory=(
        "does not fit on {fleet}: one sequence needs {times:count} times a device's {held:capacity}"
    ),
    exceeds_memory_unless=(
        "does not fit on {fleet}: one sequence needs {times:count} times a device's "
        "{held:capacity}; fits with {first_settings}"
    ),
    exceeds_memory_unless_either=(
        "does not fit on {fleet}: one sequence needs {times:count} times a device's "
        "{held:capacity}; fits with {first_settings}, or with {second_settings}"
    ),
    power_limit_idle="the power limit of {limit} W is above what the run draws: no effect",
    power_limit_slows=(
        "the power limit of {limit} W makes the run {longer:.2g}% longer: the utilization falls "
        "from {before} to {after}"
    ),
    launch_bound=(
        "steps this small wait for the host: they take {times:count} times as long as their "
        "work; a larger batch or compilation helps"
    ),
    step_uncounted=(
        "operations and memory traffic of a step are unknown: count a step with run.count_flop, "
        "and set {set[step_operations]} and {set[step_traffic]}"
    ),
    count_without_size=("{field} changes nothing without the work of a step: set {set[step_flop]}"),
    count_alone=(
        "{field} has no effect by itself: set both {set[step_operations]} and {set[step_traffic]}"
    ),
    counts_of_accelerator=(
        "operations and memory traffic of a step have no effect on {device}: they matter on CPUs "
        "only"
    ),
    heavy_counts=(
        "the given operations and memory traffic take {times:count} times as long as the matrix "
        "products: check {set[step_operations]} and {set[step_traffic]}"
    ),
    counts_unused=(
        "operations and memory traffic of a step have no effect here: no measured run on "
        "{device} has counts; calibrate bench with PyTorch adds some"
    ),
    boards_only="energy of the devices only, without host, network and PUE",
    owning_left_out=(
        "owning counts depreciation, server, network and electricity; staff, building, "
        "repairs and interest are not included"
    ),
    device_price_unused="the purchase price is not used; set {set[pay]} to own to count it",
    forecast_total_unknown="number of steps of the whole run unknown: set {field}",
    forecast_total_from_command=(
        "{steps:,.0f} steps, from {option} of the command; {set[total_steps]} overrides it"
    ),
    forecast_without_meter="no power meter on this machine: energy, cost and CO2e are unknown",
    forecast_power_modelled="power is modelled from the load, not measured: a rough figure",
    forecast_modelled_left_out=(
        "energy, cost and CO2e omitted: {power} is modelled from the load, not metered; "
        "{set[modelled]} includes it"
    ),
    forecast_several_optimizers=(
        "{steps:.0f} steps of {name} counted; in the same time: {others}; {set[total_steps]} "
        "must count the steps of {name}"
    ),
    forecast_disturbed="assuming that this continues: {reasons}",
    forecast_not_pytorch=(
        "the work of a step is unknown: only PyTorch operations are counted; "
        "set {set[step_flop]} to compare with other hardware"
    ),
    forecast_unmetered="energy without {devices}: no meter there",
    forecast_not_on="not on {name}: {why}",
    forecast_launch_bound=(
        "on {devices}, steps this small wait for the host, which launches their operations: a "
        "larger batch or compilation wastes less"
    ),
    forecast_unseen_work=(
        "{names}: no formula for their work (sparse, spectral or foreign operations), so nothing "
        "of a step is counted"
    ),
    forecast_kind_counted=(
        "assuming {set[kind]} {kind}, {arch}, by what a step does; set {set[kind]} and {set[arch]}"
    ),
    forecast_other_phase=(
        "the first {count:.0f} steps took {early} each, later ones {later}: the counted step may "
        "not be typical; set {field}"
    ),
    forecast_step_unknown=(
        "the work of a step is unknown: set {field} to compare with other hardware"
    ),
    forecast_step_assumed=(
        "assuming that a step reaches {share:percent} of the peak of this machine, within its "
        "interval; set {field}"
    ),
)
