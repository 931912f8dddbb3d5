"""Measured runs correct utilization and power; what to measure next."""

from estimator.core.notice import add_messages

add_messages(
    measured_above_peak=(
        "measured runs reach {share:percent} of the peak of {device} in its profile: "
        "using {most:percent}; measure it again on an idle machine"
    ),
    run_counts_less="run {run} has less weight: {reasons}",
    runs_count_less="{count:.0f} runs have less weight: {reasons}",
    calibrated=(
        "calibrated: {count:.0f} run {where}, newest {age}; its steps reach {times:.2g} times "
        "the rate expected from published runs",
        "calibrated: {count:.0f} runs {where}, newest {age}; their steps reach {times:.2g} "
        "times the rate expected from published runs",
    ),
    calibrated_processor=(
        "calibrated: {count:.0f} run {where}, newest {age}",
        "calibrated: {count:.0f} runs {where}, newest {age}",
    ),
    program_not_measured=(
        "no run of the program {program!r} was measured on {device}: it is treated like any "
        "other of its kind"
    ),
    program_elsewhere=(
        "no run of the program {program!r} was measured on {device}: what it reached on {others} "
        "counts instead, with a wider interval"
    ),
    step_size_unspecified=(
        "size of a step unspecified: the interval covers the sizes people run; {set[step_flop]} "
        "narrows it by about {narrower:percent}"
    ),
)
