"""Reports as text: a headline, tables with labels and units, and notes."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from estimator.answer.report import Report
from estimator.core.messages import Names
from estimator.core.uncertainty import Uncertain
from estimator.core.units import amount as units_amount
from estimator.core.units import digits, format_range, human, human_duration, in_percent
from estimator.show.phrases import as_little, as_much, measured_line, schedule_line
from estimator.show.quantities import QUANTITIES, amount, interval, label
from estimator.show.verdicts import places, verdict
from estimator.studies.prompts.question import FACTORS, NUMBERS

HEADLINES: Mapping[str, Mapping[str, str]] = {
    "training": {
        "energy_kwh": "",
        "cost_usd": "",
        "co2e_kg": " of CO2e",
    },
    "inference": {
        "energy_per_request_wh": " per answer",
        "cost_per_million_output_tokens_usd": " per million output tokens",
        "inter_token_s": " per token",
    },
    "prompt": {
        "energy_wh": "",
        "co2e_g": " of CO2e",
        "water_ml": " of water",
    },
    "usage": {
        "energy_wh": "",
        "co2e_g": " of CO2e",
        "water_ml": " of water",
    },
    "items": {
        "energy_per_item_j": " per item",
        "cost_per_1000_items_usd": " per 1000 items",
        "item_s": " per batch",
    },
}
"""Question type -> quantities of the headline, and the text after each."""

LEAST_SHARE = 0.005
"""Least uncertainty share shown [1]."""

SHARE_DECIMALS = 1


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """Table cells; the first column is left-aligned.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequences of str
    whole : sequence of str
        Columns whose cells are never wrapped.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    whole: Sequence[str] = ()


Block = str | TextTable
"""Line or table."""


def as_text(report: Report, names: Names) -> Iterator[Block]:
    """Yield the lines and tables of a report in reading order."""
    yield from TEXTS[report.question](report, names)


def results_table(report: Report) -> TextTable:
    """Return the table of label, median and interval of each quantity."""
    rows = [
        (label(name), amount(name, float(quantity.mid)), interval(name, quantity, report.level))
        for name, quantity in _listed(report).items()
    ]
    certain = "exact" if report.question == "memory" else "given"
    shown = [(text, mid, span or certain) for text, mid, span in rows]
    return TextTable(header=("", "median", f"{report.level * 100:g}% interval"), rows=shown)


def _training(report: Report, names: Names) -> Iterator[Block]:
    yield (
        f"{amount('wall_hours', report.mid('wall_hours'))} on {report.details['fleet']}"
        + "".join(f", {part}" for part in _headline(report))
    )
    yield results_table(report)
    facts, offers = report.facts, report.details.get("offers")
    if "measured" in facts:
        yield str(measured_line(facts["measured"], report.details))
        if "claim" in facts["measured"]:
            claim = facts["measured"]["claim"]
            yield (
                "The well-known 355 years assume 22% of the tensor-core peak; a tuned run reaches "
                f"more: twenty-watts claims {claim}"
            )
    if offers is not None and "cost_usd" in report.quantities and report.resolved is not None:
        whose = f" of {offers.provider}" if offers.provider else ""
        counted = "one offer" if offers.count == 1 else f"median of {offers.count} offers"
        rate = f"{human(report.resolved['price_usd_per_h'].value, '$')} per device-hour"
        yield f"Price: {rate}, {counted}{whose}, newest {offers.date_to[:7]}"
    if "schedule" in facts:
        yield str(schedule_line(facts["schedule"]))
    if facts["spread"]:
        shares = (
            f"{name} {share * 100:.0f}%"
            for name, share in facts["spread"].items()
            if share >= LEAST_SHARE
        )
        what = "energy" if "energy_kwh" in report.quantities else "time"
        yield f"What makes the {what} uncertain: {', '.join(shares)}"
    if facts.get("equivalents"):
        yield f"As much as {'; '.join(map(str, as_much(facts['equivalents'])))}"
    yield f"The same in the app: twenty-watts app --open '{facts['link']}'"


def _inference(report: Report, names: Names) -> Iterator[Block]:
    inputs, facts, step = report.inputs, report.facts, report.facts["step"]
    replicas = f", {inputs['data_parallel']:g} replicas" if inputs["data_parallel"] > 1 else ""
    flying = f"{inputs['concurrency']:,.{0 if inputs['concurrency'] >= 10 else 1}f}"
    yield (
        f"{', '.join(_headline(report))}: {inputs['model']} in {inputs['weights']} on "
        f"{inputs['devices']:.0f} × {report.details['device']} "
        f"({inputs['engine']}{replicas}, {flying} in flight)"
    )
    yield results_table(report)
    whole, reads, compute, others = (
        human_duration(step[name])
        for name in ("decode_step_s", "read_s", "compute_s", "overhead_s")
    )
    yield (
        f"A decode step takes {whole}. Its parts overlap: memory reads {reads}, "
        f"compute {compute}, launches, scheduling and links {others}"
    )
    setup = [
        (label(name), amount(name, facts[name]))
        for name in facts
        if name in QUANTITIES and name not in report.quantities
    ]
    yield TextTable(header=("set-up", ""), rows=setup)
    api = facts.get("api", {})
    if "name" in api:
        reading, writing = human(api["input_usd"], "$"), human(api["output_usd"], "$")
        yield (
            f"{api['name']}: {reading} per million input tokens, {writing} per million output "
            f"tokens ({api['date']}, {api['source']})"
        )


def _items(report: Report, names: Names) -> Iterator[Block]:
    set_up = report.details
    yield (
        f"{', '.join(_headline(report))}: {set_up['model']} in {set_up['weights']} on "
        f"{set_up['devices']:.0f} × {set_up['device']}"
    )
    yield results_table(report)


def _prompt(report: Report, names: Names) -> Iterator[Block]:
    inputs, facts = report.inputs, report.facts
    times = f"{digits(inputs['times'])} a day"
    what = {"use": "", "day": f", {times}", "year": f", {times} for a year"}[inputs["per"]]
    yield f"{', '.join(_headline(report))}: {report.details['task']}, {inputs['model']}{what}"
    yield results_table(report)
    shares = [f"{FACTORS[name]} {in_percent(share)}" for name, share in facts["spread"].items()]
    yield f"Sources of uncertainty: {', '.join(shares[:MOST_FACTORS])}"
    yield f"As much as {'; '.join(map(str, as_little(facts['equivalents'])))}"
    for text, name in (("For a year", "year"), ("For a year of a million users", MILLION_USERS)):
        energy, carbon = (facts[name][quantity]["mid"] for quantity in ("energy_wh", "co2e_g"))
        yield f"{text}, {times}: {amount('energy_wh', energy)}, {amount('co2e_g', carbon)} of CO2e"
    rows = [
        (
            NUMBERS[one["name"]],
            units_amount(one["value"], one["unit"]),
            format_range(*(units_amount(one[end], one["unit"]) for end in ("low", "high")))
            if "low" in one
            else "",
            f"{one['basis']}, {one['source']}" if one["basis"] != "assumed" else "assumed",
        )
        for one in facts["assumptions"]
    ]
    yield f"The same in the app: twenty-watts app --open '{facts['link']}'"
    yield TextTable(header=("assumed", "median", "80% interval", "source"), rows=rows)


def _usage(report: Report, names: Names) -> Iterator[Block]:
    facts = report.facts
    yield f"{', '.join(_headline(report))}: the usage in the file"
    yield results_table(report)
    yield f"As much as {'; '.join(map(str, as_little(facts['equivalents'])))}"
    rows = [
        (
            one["model"],
            one["counted_as"],
            *(f"{one[name]:,.0f}" for name in ("requests", "input_tokens", "output_tokens")),
            amount("energy_wh", one["energy_wh"]["mid"]),
        )
        for one in facts["models"]
    ]
    header = ("model", "counted as", "requests", "tokens read", "tokens written", "energy")
    yield TextTable(header=header, rows=rows)


MOST_FACTORS = 4
"""Most uncertainty sources named in a text [1]."""

MILLION_USERS = "million_users_year"


TASKS = {
    "": "training",
    "full": "full fine-tuning",
    "lora": "LoRA fine-tuning",
    "qlora": "QLoRA fine-tuning",
}
"""Fine-tuning method -> name of the memory task."""


def _memory(report: Report, names: Names) -> Iterator[Block]:
    training = TASKS[report.inputs.get("finetune") or ""]
    task = "serving" if report.inputs["inference"] else training
    yield f"{report.details['network']}, {task}, {places(report.inputs['devices'])}"
    table, whole = results_table(report), report.mid("total_bytes")
    shares = [in_percent(report.mid(name) / whole, SHARE_DECIMALS) for name in _listed(report)]
    rows = [(*row, share) for row, share in zip(table.rows, shares, strict=True)]
    yield TextTable(header=(*table.header, "share"), rows=rows)
    yield verdict(report, names)


def _network(report: Report, names: Names) -> Iterator[Block]:
    facts = report.facts
    yield f"{facts['model']} ({facts['model_type']})"
    yield TextTable(header=("", ""), rows=list(_totals(facts)))
    params, flop = facts["params_total"], facts["forward_flop"]
    terms = [
        (
            name,
            f"{term['params']:,}",
            in_percent(term["params"] / params, SHARE_DECIMALS),
            human(term["flop"], "FLOP"),
            in_percent(term["flop"] / flop, SHARE_DECIMALS),
        )
        for name, term in facts["ledger"].items()
    ]
    yield TextTable(header=("term", "parameters", "share", "forward", "share"), rows=terms)


def _totals(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Label and amount of each total of a network."""
    item = facts["item_unit"]
    yield "parameters", f"{facts['params_total']:,}"
    if facts["params_active"] != facts["params_total"]:
        yield f"active per {item}", f"{facts['params_active']:,}"
    yield "in embeddings", f"{facts['params_embedding']:,}"
    yield f"{item}s in the pass", f"{facts['items']:,.0f}"
    for text, name, unit in (
        ("forward", "forward_flop", "FLOP"),
        (f"forward per {item}", "forward_flop_per_item", "FLOP"),
        ("training step", "training_flop", "FLOP"),
        ("weights at 16 bit", "weights_bytes", "B"),
        ("KV cache per token", "kv_cache_bytes_per_token", "B"),
        ("state per sequence", "state_bytes", "B"),
    ):
        if name in facts:
            yield text, human(facts[name], unit)


def _listed(report: Report) -> Mapping[str, Uncertain]:
    """Return the listed quantities: embodied CO2e too, and no empty memory."""
    embodied = report.details.get("embodied")
    if embodied is not None:
        every = {**report.quantities, "embodied_co2e_kg": embodied}
        return {name: every[name] for name in QUANTITIES if name in every}
    if report.question == "memory":
        return {name: need for name, need in report.quantities.items() if float(need.mid) > 0}
    return report.quantities


def _headline(report: Report) -> Iterable[str]:
    """Return the known quantities of the headline."""
    return (
        f"{amount(name, report.mid(name))}{after}"
        for name, after in HEADLINES[report.question].items()
        if name in report.quantities
    )


TEXTS: Mapping[str, Callable[[Report, Names], Iterator[Block]]] = {
    "training": _training,
    "inference": _inference,
    "items": _items,
    "prompt": _prompt,
    "usage": _usage,
    "memory": _memory,
    "network": _network,
}
"""Question type -> renderer of its report."""
