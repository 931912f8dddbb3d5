"""Score tables: previous and current model, energy, memory, and serving."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape

import streamlit as st

from estimator.catalog import Catalog
from estimator.validation.cross_validation import Score
from estimator.validation.energy import energy_scores, measured_power
from estimator.validation.held_out import KIND, HeldOut, earlier_scores, stored_scores
from estimator.validation.whole_chain import whole_chain_scores
from estimator.web.shared.amounts import localised
from estimator.web.shared.language import N_, _

GROUPS = {
    "all": N_("all runs"),
    "language, 1e20 FLOP or more": N_("language, large"),
    "language, less": N_("language, small"),
    "vision": N_("vision"),
    "diffusion": N_("diffusion"),
    "multimodal": N_("multimodal"),
    "speech": N_("speech"),
    "other": N_("other work"),
    f"{KIND}decoder": N_("decoders"),
    f"{KIND}experts": N_("mixtures of experts"),
    f"{KIND}speech": N_("speech networks"),
    f"{KIND}transformer": N_("encoders and other transformers"),
    f"{KIND}convolution": N_("convolutions"),
    f"{KIND}depthwise": N_("depthwise convolutions"),
    f"{KIND}unet": N_("U-Nets"),
    f"{KIND}other": N_("other networks"),
    "benchmark submissions": N_("benchmark submissions"),
    "tier A": N_("tier A, time stated"),
    "tier B": N_("tier B, time derived"),
}
"""Group of runs -> its name here."""

FROM_WORK = "from the work alone"
METERS = {
    "measured": N_("hours given, all meters"),
    "work known": N_("hours and workload given"),
    "hours alone": N_("hours given, workload unknown"),
    "devices": N_("hours given, meters at the GPUs"),
    "node": N_("hours given, meters at the node"),
    FROM_WORK: N_("hours predicted from the workload"),
}
"""Group of metered runs -> its name here."""

TASKS = {
    "all": N_("all peaks"),
    "task: full": N_("full fine-tuning"),
    "task: lora": N_("LoRA"),
    "task: qlora": N_("QLoRA"),
    "task: inference": N_("inference"),
    "task: pretrain": N_("pretraining"),
    "counted: allocated": N_("allocated by the framework"),
    "counted: reserved": N_("reserved by its allocator"),
    "counted: not stated": N_("counter not stated"),
}
"""Group of memory peaks -> its name here."""

QUANTITIES = {
    "time_to_first_token_s": N_("time to the first token"),
    "inter_token_s": N_("time per token"),
    "output_tokens_per_s": N_("throughput"),
    "decode_tokens_per_s": N_("decoding, one user"),
    "prefill_tokens_per_s": N_("prefill"),
    "device_power_w": N_("power of the boards"),
    "device_energy_per_output_token_j": N_("energy per token"),
}
"""Quantity of serving -> its name here."""

PROGRAMS = {
    "server GPUs": N_("server GPUs"),
    "elsewhere": N_("consumer GPUs, Apple, processors"),
    "server": "vLLM, TGI",
    "sglang": "SGLang",
    "vendor": "TensorRT-LLM",
    "local-cuda": N_("llama.cpp on NVIDIA"),
    "local-metal": N_("llama.cpp on Apple"),
    "local-gpu": N_("llama.cpp on AMD"),
    "local-intel": N_("llama.cpp on Intel"),
    "local-board": N_("llama.cpp on a card of a single-board computer"),
    "local-cpu": N_("llama.cpp on processors"),
}
"""Group of serving -> its name here."""

ON_A_SLIDE = 8
"""Rows of a table that fit on a slide."""

Head = Sequence[tuple[str, Sequence[str]]]
ALONE = ("",)
"""Heading of a single column."""


def draw_change(report: HeldOut, catalog: Catalog, *, slide: bool) -> None:
    """Draw the scores of the previous and current model, held out by family and stack."""
    earlier = earlier_scores(catalog)
    head: Head = (
        (_("Median error [%]"), (_("before"), _("by family"), _("by stack"))),
        (_("Inside the 80% interval [%]"), (_("before"), _("by family"), _("by stack"))),
    )
    rows = []
    for name, label in GROUPS.items():
        if name not in earlier or name not in report.scores:
            continue
        before, (now, _baselines) = earlier[name], report.scores[name]
        strict = report.stack_scores[name]
        errors = before["median_error"], now.median_error, strict.median_error
        shares = before["coverage"], now.coverage, strict.coverage
        rows.append((_(label), f"{now.count}", *map(_share, (*errors, *shares))))
    _draw(_("Runs"), head, rows, slide=slide)


def energy_table(catalog: Catalog, report: HeldOut) -> dict[str, Score]:
    """Energy score of metered runs by group, those with predicted hours last."""
    scores = energy_scores(measured_power(catalog))
    return scores | {FROM_WORK: whole_chain_scores(catalog, report)["energy"]}


def draw_energy(scores: Mapping[str, Score], *, slide: bool) -> None:
    """Draw the errors of energy against meters."""
    head: Head = (
        (_("Median error [%]"), (_("by run"), _("by family"))),
        (_("Inside the 80% interval [%]"), ALONE),
        (_("Median ratio"), ALONE),
    )
    rows = [
        (
            _(label),
            f"{score.count}",
            _share(score.median_error),
            _share(score.family_median_error),
            _share(score.coverage),
            localised(f"{score.bias:.2f}"),
        )
        for name, label in METERS.items()
        for score in [scores[name]]
    ]
    _draw(_("Readings"), head, rows, slide=slide)


def draw_memory(catalog: Catalog, *, slide: bool) -> None:
    """Draw the errors of memory against measured peaks."""
    head: Head = (
        (_("Held out [%]"), (_("median error"), _("bias"), _("15% too low"))),
        (_("Inside the 80% interval [%]"), ALONE),
        (_("With the priors [%]"), (_("median error"), _("15% too low"))),
    )
    scores = {row["group"]: row for row in stored_scores(catalog, "memory")}
    columns = ("held_out_error", "bias", "held_out_too_low", "coverage", "error", "too_low")
    rows = [
        (_(label), scores[name]["cases"], *(_share(float(scores[name][key])) for key in columns))
        for name, label in TASKS.items()
        if name in scores
    ]
    _draw(_("Peaks"), head, rows, slide=slide)


def draw_serving(catalog: Catalog, *, slide: bool) -> None:
    """Draw the errors of inference by quantity, hardware and program."""
    head: Head = (
        (_("Median error [%]"), (_("ours"), _("weights only"))),
        (_("Share of predictions [%]"), (_("within 1.5×"), _("in 80%"))),
        (_("Median ratio"), ALONE),
    )
    wanted = ("all",) if slide else ("all", "framework")
    rows = [
        (
            f"{_(QUANTITIES[row['quantity']])}, {_(PROGRAMS[row['group']])}",
            row["rows"],
            _share(float(row["median_error"])),
            _share(float(row["roofline_error"])) if row["roofline_error"] else "–",
            _share(float(row["within_1_5"])),
            _share(float(row["coverage"])),
            localised(f"{float(row['bias']):.2f}"),
        )
        for row in stored_scores(catalog, "serving")
        if row["by"] in wanted and row["quantity"] in QUANTITIES and row["group"] in PROGRAMS
    ]
    _draw(_("Predictions"), head, rows, slide=slide)


def _share(share: float) -> str:
    return f"{round(100.0 * share):d}".replace("-", "−")


def _draw(count: str, head: Head, rows: Iterable[Sequence[str]], *, slide: bool) -> None:
    """Draw a table of groups: name, count, and columns under headings."""
    whole = head_html(((_("Group"), ALONE), (count, ALONE), *head))
    chosen = list(rows)[: ON_A_SLIDE if slide else None]
    body = "".join(_row(name, cells) for name, *cells in chosen)
    draw_scrolled(f'<table class="tw tw-scores tw-beside">{whole}<tbody>{body}</tbody></table>')


def head_html(head: Head) -> str:
    """Two-line table head: headings over their columns, spanning both lines if single."""
    first = "".join(
        f'<th colspan="{len(columns)}" scope="colgroup">{escape(title)}</th>'
        if columns != ALONE
        else f'<th rowspan="2" scope="col">{escape(title)}</th>'
        for title, columns in head
    )
    second = "".join(
        f'<th scope="col">{escape(column)}</th>'
        for _title, columns in head
        if columns != ALONE
        for column in columns
    )
    return f"<thead><tr>{first}</tr><tr>{second}</tr></thead>"


def draw_scrolled(table: str) -> None:
    """Draw a table that scrolls horizontally."""
    st.html(f'<div class="tw-scroll" tabindex="0">{table}</div>')


def _row(name: str, cells: Sequence[str]) -> str:
    shown = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    return f'<tr data-score="{escape(name)}"><th scope="row">{escape(name)}</th>{shown}</tr>'
