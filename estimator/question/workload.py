"""Work of a scenario: FLOPs, size, config, preset or device time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from estimator.catalog import Catalog, Preset
from estimator.core.bounds import LIMITS
from estimator.core.messages import reason, refusal
from estimator.core.notice import Notice
from estimator.core.notice_table import Remarks
from estimator.core.rows import (
    Floats,
    Mask,
    Places,
    first_known,
    nowhere,
    rows_where,
)
from estimator.core.uncertainty import Uncertain
from estimator.core.work import Workload
from estimator.networks.config_file import compact_json, config_of, inline_config
from estimator.networks.formulas import LORA_SHARE, attention_share, training_flop
from estimator.networks.kind_columns import KindColumn, network_kinds, of_each_kind
from estimator.networks.kinds import ADAPTERS, alike, configured_kind
from estimator.question.provenance import (
    Found,
    SourcedNumber,
    given_value,
    noted,
    of_all,
    prior,
    recorded,
)
from estimator.question.scenario import INPUTS, Scenario, column_of
from estimator.question.table import Table
from estimator.question.workload_columns import stated_flop, work_of_rows

if TYPE_CHECKING:
    from estimator.networks.ledger import Ledger

PRESET_KINDS = {"games": "other"}
"""Workload type of a preset -> type whose utilization it shares."""

SIZE = ("params", "active_params", "width", "seq_len", "layers", "tokens", "samples")
"""Numbers that a preset or config provides by default."""

OF_PRESET = ("params", "active_params", "seq_len")
"""Numbers on record for a preset, except its width."""

OF_WORK = (*SIZE, "flop", "sample_flop", "vocab")
"""Numbers that determine the work."""

LENGTHS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "image_size")
"""Config keys that limit the input size, kept whether or not the ledger needs them."""

MOST_KEYS = 1000
"""Most keys accepted in a config.json; a typical one has 20 to 100."""

VISION = "vision"
"""Workload type of image networks."""

COUNTED = ("tokens", "samples")
"""Inputs that are their own unit."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """Resolved work of one scenario.

    Parameters
    ----------
    workload : Workload
        Work in the form of the core model.
    kind : str
        Workload type, which sets the expected utilization.
    arch, name : str
        Architecture and name in free text; may be empty.
    preset : Preset, optional
        Preset, if one is named.
    config : mapping, optional
        Keys of the config, if one is given.
    params, hidden, seq_len : float, optional
        Parameters [1], hidden size [1] and tokens per sequence [token], if known.
    """

    workload: Workload
    kind: str
    arch: str = ""
    name: str = ""
    preset: Preset | None = None
    config: Mapping[str, Any] | None = None
    params: float | None = None
    hidden: float | None = None
    seq_len: float | None = None


@dataclass(frozen=True, kw_only=True)
class CountedNetwork:
    """Config with its counted network.

    Parameters
    ----------
    config : mapping
        Keys of the config.
    ledger : Ledger
        Ledger of one sequence or image.
    side_assumed : bool
        Whether the image size is assumed.
    """

    config: Mapping[str, Any]
    ledger: "Ledger"
    side_assumed: bool = False

    @cached_property
    def kind(self) -> tuple[str, str]:
        """Workload type, and architecture as text."""
        sparse = self.ledger.params_active < self.ledger.params_total
        return configured_kind(self.ledger.model_type, sparse=sparse)

    def flop(self, tokens: float, samples: float) -> float:
        """Return the training FLOPs for a number of tokens or samples, NaN if neither is known."""
        whole = float(self.ledger.training_flop)
        return samples * whole if tokens != tokens else tokens * (whole / float(self.ledger.items))


@dataclass(frozen=True, kw_only=True)
class WorkTable:
    """Work of every row: from row inputs, then presets, then configs.

    Parameters
    ----------
    table : Table of Scenario
    catalog : Catalog
    presets, preset_at
        Presets named in rows, and each row's index; -1 for none.
    networks, network_at
        Configs named in rows, read and counted, and each row's index; -1 for none.
    numbers : mapping of str to array
        Fields of `OF_WORK`, including values from presets and configs; NaN where unknown.
    words : mapping of str to list of str
        Columns kind, arch and name.
    kinds : KindColumn
        Network kind of each row.
    flop, device_hours : Uncertain
        Final run's FLOPs [FLOP] and device time [h]; NaN where unknown.
    remarks : Remarks
        Notices, and reasons why rows are refused.
    """

    table: Table[Scenario]
    catalog: Catalog
    presets: Sequence[Preset]
    preset_at: Places
    networks: Sequence[CountedNetwork]
    network_at: Places
    numbers: Mapping[str, Floats]
    words: Mapping[str, list[str]]
    kinds: KindColumn
    flop: Uncertain
    device_hours: Uncertain
    remarks: Remarks

    def preset(self, row: int) -> Preset | None:
        """Look up the preset of a row."""
        return self.presets[self.preset_at[row]] if self.preset_at[row] >= 0 else None

    def network(self, row: int) -> CountedNetwork | None:
        """Look up the config of a row."""
        return self.networks[self.network_at[row]] if self.network_at[row] >= 0 else None

    def inputs(self, row: int) -> dict[str, SourcedNumber]:
        """Return the inputs that a row's work depends on, with provenance."""
        return _inputs(self.table.row(row), self.preset(row), self.network(row), self.catalog)

    def work(self, row: int, workload: Workload) -> Work:
        """Return the resolved work of one row."""

        def number_in(name: str) -> float | None:
            value = float(self.numbers[name][row])
            return value if value == value else None

        network = self.network(row)
        return Work(
            workload=workload,
            kind=self.words["kind"][row],
            arch=self.words["arch"][row],
            name=self.words["name"][row],
            preset=self.preset(row),
            config=None if network is None else network.config,
            params=number_in("params"),
            hidden=number_in("width"),
            seq_len=number_in("seq_len"),
        )


@dataclass(frozen=True, kw_only=True)
class _Named:
    """Distinct presets and configs, and the index of each row's."""

    presets: Sequence[Preset]
    preset_at: Places
    networks: Sequence[CountedNetwork] = ()
    network_at: Places

    def of_own(self) -> Mask:
        """Return the rows without preset and config."""
        return np.asarray((self.preset_at < 0) & (self.network_at < 0))


def resolve_work(table: Table[Scenario], catalog: Catalog) -> WorkTable:
    """Return the work of every row; distinct names are looked up once."""
    said = Remarks(table.count)
    said.errors.update(table.errors)
    read = np.array(list(table.notices), dtype=np.intp)
    said.notices.each(read, list(table.notices.values()))
    named = _find_named(table, catalog, said)
    numbers, words = _filled(table, named, said)
    kinds = network_kinds(*(words[name] for name in ("kind", "arch", "name")))
    flop, hours = _amounts(table, named, numbers, kinds, catalog)
    flop = _adapted(table, numbers, kinds, flop, said)
    _refuse(table, named, numbers, (flop, hours), said)
    _say(table, named, numbers, kinds, flop, said)
    return WorkTable(
        table=table,
        catalog=catalog,
        **vars(named),
        numbers=numbers,
        words=words,
        kinds=kinds,
        flop=flop.uncertain(),
        device_hours=hours.uncertain(),
        remarks=said,
    )


@dataclass(frozen=True)
class _Amounts:
    """Amounts by row, NaN where unknown, with loadings of the work's uncertainty [1]."""

    mids: Floats
    loads: Floats

    def uncertain(self) -> Uncertain:
        """Return the amounts with their uncertainty."""
        return Uncertain(self.mids, {"work": self.loads} if self.loads.any() else {})

    def where(self, rows: Places, other: Uncertain) -> "_Amounts":
        """Return the amounts with some rows replaced."""
        mids, loads = self.mids.copy(), self.loads.copy()
        mids[rows] = other.mid
        loads[rows] = other.loadings.get("work", 0.0)
        return _Amounts(mids, loads)


def _find_named(table: Table[Scenario], catalog: Catalog, said: Remarks) -> _Named:
    """Resolve the presets and configs of rows; a preset without work provides its config."""
    column, own = table.word("preset"), table.word("config")
    presets: list[Preset] = []
    preset_at, config_at = nowhere(table.count), own.codes
    configs = list(own.distinct)
    for code, name in enumerate(column.distinct):
        rows = column.codes == code
        try:
            preset = catalog.preset(name)
        except ValueError as error:
            said.refuse(rows_where(rows), reason(error))
            continue
        preset_at[rows] = len(presets)
        presets.append(preset)
        if preset.config and not preset.has_work:
            config_at = np.where(rows, len(configs), config_at)
            configs.append(compact_json(preset.config))
    networks, network_at = _read_networks(table, configs, config_at, said)
    return _Named(presets=presets, preset_at=preset_at, networks=networks, network_at=network_at)


def _read_networks(
    table: Table[Scenario], configs: Sequence[str], config_at: Places, said: Remarks
) -> tuple[list[CountedNetwork], Places]:
    """Count the configs at the sizes of the rows; return them with each row's index."""
    networks: list[CountedNetwork] = []
    network_at = nowhere(table.count)
    if not configs:
        return networks, network_at
    lengths, sides = table.number("seq_len"), table.number("image_size")
    asked: dict[tuple[int, float | None, float | None], list[int]] = {}
    for row in rows_where(config_at >= 0).tolist():
        sizes = (float(numbers[row]) for numbers in (lengths, sides))
        length, side = (size if size == size else None for size in sizes)
        asked.setdefault((int(config_at[row]), length, side), []).append(row)
    for (code, length, side), listed in asked.items():
        rows = np.array(listed)
        try:
            network = read_network(configs[code], length, side)
        except ValueError as error:
            said.refuse(rows, reason(error))
            continue
        network_at[rows] = len(networks)
        networks.append(network)
    return networks, network_at


def _filled(
    table: Table[Scenario], named: _Named, said: Remarks
) -> tuple[dict[str, Floats], dict[str, list[str]]]:
    """Return the numbers and texts of rows, with defaults from presets and configs.

    The default workload type is language, which affects the utilization.
    """
    numbers = {name: table.number(name) for name in OF_WORK}
    words = {name: table.word(name).rows() for name in ("kind", "arch", "name")}

    def fill(rows: Mask, brought: Mapping[str, float | None], said_of: Sequence[str]) -> None:
        for name, value in brought.items():
            if value is not None:
                column = numbers[name]
                numbers[name] = np.where(rows & np.isnan(column), value, column)
        for row in rows_where(rows).tolist():
            for name, word in zip(words, said_of, strict=True):
                words[name][row] = words[name][row] or word

    for code, preset in enumerate(named.presets):
        rows = named.preset_at == code
        if preset.config and not preset.has_work:
            fill(rows, {}, ("", "", preset.name))
            continue
        records = preset.records
        sizes = {name: records[name].value for name in OF_PRESET if name in records}
        kind = PRESET_KINDS.get(preset.kind, preset.kind)
        fill(rows, {**sizes, "width": _width(preset.config)}, (kind, preset.arch, preset.name))
    for code, network in enumerate(named.networks):
        total, active = float(network.ledger.params_total), float(network.ledger.params_active)
        shape: dict[str, float | None] = {"params": total, "width": _width(network.config)}
        shape["active_params"] = active if active < total else None
        fill(named.network_at == code, shape, (*network.kind, ""))
    for row in rows_where(~np.isnan(table.number("active_params"))).tolist():
        words["arch"][row] = words["arch"][row] or "MoE decoder"
    kinds = words["kind"]
    count = len(kinds) if alike(kinds) else 1
    some = kinds[:1] if alike(kinds) else kinds
    unspecified = np.array([not kind for kind in some], dtype=np.bool_)
    bare = ~np.isnan(table.number("flop")) & np.isnan(table.number("utilization"))
    said.notices.where(unspecified & bare, Notice("kind_assumed", "kind"))
    words["kind"] = [kind or "language" for kind in some] * count
    return numbers, words


def _amounts(
    table: Table[Scenario],
    named: _Named,
    numbers: Mapping[str, Floats],
    kinds: KindColumn,
    catalog: Catalog,
) -> tuple[_Amounts, _Amounts]:
    """Return FLOPs and device-hours from row inputs, presets, or exact ledgers of configs."""
    formula = prior(catalog, "work.formula", "work").value
    work = work_of_rows({column_of(name): numbers[name] for name in OF_WORK}, kinds, formula)
    mids = np.where(named.of_own() | table.states("flop"), work.mid, np.nan)
    loads = np.where(~np.isnan(mids), work.loadings.get("work", 0.0), 0.0)
    flop = _Amounts(mids, loads)
    hours = _Amounts(table.number("device_hours"), np.zeros(table.count))
    for code, preset in enumerate(named.presets):
        unit = _unit_of(preset)
        seen, says = table.number(unit), table.states(unit)
        every = (named.preset_at == code) & np.isnan(flop.mids) & (named.network_at < 0)
        for rows in (rows_where(every & mask) for mask in (says, ~says)):
            if not rows.size:
                continue
            found = _flop_of_preset(preset, seen[rows], catalog)
            if found is not None:
                flop = flop.where(rows, found.value)
            elif "device_hours" in preset.records:
                timed = rows[np.isnan(hours.mids[rows])]
                record = recorded("device_hours", preset.records["device_hours"], "work")
                hours = hours.where(timed, record.value)
    tokens, samples = table.number("tokens"), table.number("samples")
    mids = flop.mids.copy()
    for row in rows_where((named.network_at >= 0) & np.isnan(mids)).tolist():
        network = named.networks[named.network_at[row]]
        mids[row] = network.flop(float(tokens[row]), float(samples[row]))
    return _Amounts(mids, flop.loads), hours


def _adapted(
    table: Table[Scenario],
    numbers: Mapping[str, Floats],
    kinds: KindColumn,
    flop: _Amounts,
    said: Remarks,
) -> _Amounts:
    """Subtract the weight gradients of a frozen LoRA base from the FLOPs."""
    adapted = table.states_word("finetune", *ADAPTERS)
    if not adapted.any():
        return flop
    stated = ~np.isnan(stated_flop({column_of(name): numbers[name] for name in OF_WORK}))
    counted = of_each_kind(kinds, lambda kind: kind.lora) & ~stated
    lora = adapted & ~counted
    said.notices.where(lora, Notice("lora_saves", "finetune"))
    packed = table.states_word("finetune", "qlora")
    said.notices.where(packed, Notice("qlora_unpacks", "finetune"))
    return _Amounts(np.where(lora, flop.mids * LORA_SHARE, flop.mids), flop.loads)


def _refuse(
    table: Table[Scenario],
    named: _Named,
    numbers: Mapping[str, Floats],
    amounts: tuple[_Amounts, _Amounts],
    said: Remarks,
) -> None:
    """Refuse rows with no work, impossible work, or work that does not fit."""
    _refuse_contradictions(table, named, numbers, said)
    flop, hours = (amount.mids for amount in amounts)
    most = LIMITS["training_flop"].most
    for row in rows_where(flop > most).tolist():
        values = {"flop": float(flop[row]), "most": most}
        said.refuse(np.array([row]), Notice("too_much_work", "", values))
    for row in rows_where(np.isnan(flop) & np.isnan(hours)).tolist():
        at = named.preset_at[row]
        preset = named.presets[at] if at >= 0 else None
        said.refuse(np.array([row]), _no_work(table.row(row), preset))


def _refuse_contradictions(
    table: Table[Scenario], named: _Named, numbers: Mapping[str, Floats], said: Remarks
) -> None:
    """Refuse wrong units for a preset, contradictory sizes, and contradictory fine-tuning."""
    for code, preset in enumerate(named.presets):
        unit = _unit_of(preset)
        other = OTHER_UNIT[unit]
        if unit not in preset.records:
            continue
        rows = (named.preset_at == code) & (named.network_at < 0) & table.states(other)
        notice = Notice(f"preset_counts_{unit}", other, {"preset": preset.name})
        said.refuse(rows_where(rows), notice)
    tuned = table.states("finetune")
    if tuned.any():
        own = table.states("tokens") | table.states("samples")
        said.refuse(rows_where(tuned & ~own), Notice("finetune_needs_tokens", "tokens"))
        stated = rows_where(tuned & own & table.states("flop"))
        said.refuse(stated, Notice("finetune_with_flop", "finetune"))
    active = numbers["active_params"]
    for row in rows_where(active > numbers["params"]).tolist():
        values = {"value": float(active[row])}
        said.refuse(np.array([row]), Notice("active_above_params", "active_params", values))


def _no_work(scenario: Scenario, preset: Preset | None) -> Notice:
    """Return the notice that explains why a scenario has no work."""
    if scenario.finetune is not None and scenario.preset is not None:
        return Notice("finetune_needs_size", "finetune")
    if scenario.params is not None:
        return Notice("params_need_tokens", "tokens")
    if scenario.config is not None:
        return Notice("config_needs_tokens", "tokens")
    if preset is not None:
        return Notice("preset_needs_tokens", "tokens", {"preset": preset.name})
    return Notice("no_work")


def _say(
    table: Table[Scenario],
    named: _Named,
    numbers: Mapping[str, Floats],
    kinds: KindColumn,
    flop: _Amounts,
    said: Remarks,
) -> None:
    """Add notices on assumptions and consequences of the architecture."""
    attempts = table.number("attempts")
    said.notices.of_values(attempts > 1, "attempts_counted", "attempts", times=attempts)
    said.notices.coded(
        [
            (
                *(Notice("text", "", {"text": text}) for text in network.ledger.warnings),
                *(Notice("image_size_assumed", "image_size"),) * network.side_assumed,
            )
            for network in named.networks
        ],
        named.network_at,
    )
    length, layers = table.number("seq_len"), numbers["layers"]
    own = named.of_own() & np.isnan(table.number("flop"))
    added = own & ~np.isnan(length) & ~np.isnan(flop.mids) & table.states("params")
    added &= np.isnan(layers * numbers["width"]) & ~table.states("sample_flop")
    if not added.any():
        return
    rows = rows_where(added & of_each_kind(kinds, lambda kind: kind.transformer))
    size = first_known(numbers["active_params"], numbers["params"])[rows]
    shares = attention_share(length[rows], numbers["width"][rows], size)
    said.notices.of_rows(
        rows,
        lambda tokens, share: Notice(
            "attention_added", "seq_len", {"tokens": tokens, "share": share}
        ),
        length[rows],
        shares,
    )


def find_work(scenario: Scenario, catalog: Catalog) -> tuple[Work, tuple[Notice, ...]]:
    """Return the work of one scenario, with notices.

    Raises
    ------
    ValueError
        If it has no work, or two conflicting amounts of work.
    """
    found = resolve_work(Table.of(Scenario, [scenario]), catalog)
    if 0 in found.remarks.errors:
        raise refusal(found.remarks.errors[0])
    flop, hours = (float(np.asarray(one.mid)[0]) for one in (found.flop, found.device_hours))
    workload = Workload(
        training_flop=Uncertain(flop) if flop == flop else None,
        device_hours=Uncertain(hours) if hours == hours else None,
    )
    return found.work(0, workload), found.remarks.notices.of(0)


def read_network(
    config: str, seq_len: float | None = None, image_size: float | None = None
) -> CountedNetwork:
    """Read and count a config, from JSON text or a file path.

    Parameters
    ----------
    config : str
    seq_len : float, optional
        Tokens per sequence [token].
    image_size : float, optional
        Image side [pixel].

    Raises
    ------
    ValueError
        If it is not a config of a known family, or its network takes no images of a given size.
    """
    return _count_network(compact_json(config_of(config)), seq_len, image_size)


@lru_cache(maxsize=256)
def _count_network(text: str, seq_len: float | None, image_size: float | None) -> CountedNetwork:
    from estimator.networks.huggingface import architecture
    from estimator.networks.image_side import side_seen, states_size
    from estimator.networks.ledger import Inputs, takes

    config = inline_config(text)
    network = architecture(config)
    if image_size is not None and not takes(network, "image_size"):
        raise refusal(Notice("changes_nothing", "image_size"))
    side = None if image_size is None else side_seen(config, image_size)
    found = CountedNetwork(
        config=config, ledger=network.ledger(Inputs(seq_len=seq_len, image_size=side))
    )
    sees = image_size is None and found.kind[0] == VISION and not states_size(text)
    return replace(found, side_assumed=sees and takes(network, "image_size"))


class _Read(Mapping[str, Any]):
    """Config that records which of its keys are read."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self.config = config
        self.read: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        value = self.config[key]
        self.read.add(key)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter(self.config)

    def __len__(self) -> int:
        return len(self.config)


@lru_cache(maxsize=256)
def compact_config(config: str) -> str:
    """Reduce a config to the keys that its ledger needs, as compact JSON for a link.

    The config is text, never a path, as it may come from a link.

    >>> compact_config('{"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "x": 1}')
    '{"model_type":"gpt2","n_embd":768,"n_layer":12,"n_head":12}'
    """
    from estimator.networks.huggingface import model_ledger

    keys = inline_config(config)
    if len(keys) > MOST_KEYS:
        raise ValueError(f"config.json has {len(keys):,} keys, more than {MOST_KEYS}: is it one?")
    seen = _Read(keys)
    whole = model_ledger(seen)
    kept = {key: keys[key] for key in keys if key in seen.read or key in LENGTHS}
    for name in [key for key in kept if key not in LENGTHS]:
        rest = {key: value for key, value in kept.items() if key != name}
        try:
            same = bool(rest) and model_ledger(rest) == whole
        except ValueError:
            same = False
        if same:
            kept = rest
    return compact_json(kept)


def _width(config: Mapping[str, Any]) -> float | None:
    """Return the network width in a config.json of any family."""
    from estimator.networks.fields import Fields

    stated = next((key for key in ("hidden_size", "n_embd", "d_model") if key in config), "")
    width = Fields(config).size_or_none(stated) if stated else None
    return None if width is None else float(width)


OTHER_UNIT = {"tokens": "samples", "samples": "tokens"}
"""Unit that a preset does not use -> unit that it uses."""


def _unit_of(preset: Preset) -> str:
    """Return the unit of a preset's published work."""
    records = preset.records
    return "samples" if "samples" in records and "tokens" not in records else "tokens"


def _flop_of_preset(preset: Preset, seen: Floats, catalog: Catalog) -> Found[Uncertain] | None:
    """Return published FLOPs, scaled to given tokens or samples; NaN means as published."""
    records, unit, says = preset.records, _unit_of(preset), not np.isnan(seen[0])
    if "training_flop" in records and (unit in records or not says):
        flop = recorded("training_flop", records["training_flop"], "work")
        scale = seen / records[unit].value if says else 1.0
        return replace(flop, value=flop.value * scale)
    active = records.get("active_params", records.get("params"))
    if active is None or ("tokens" not in records and not says):
        return None
    params = recorded("params", active, "work")
    tokens = noted(Uncertain(seen)) if says else recorded("tokens", records["tokens"], "work")
    formula = prior(catalog, "work.formula", "work")
    counted: Uncertain = training_flop(params=params.value, tokens=tokens.value)
    return of_all(counted * formula.value, params, tokens, formula)


def _inputs(
    scenario: Scenario, preset: Preset | None, network: CountedNetwork | None, catalog: Catalog
) -> dict[str, SourcedNumber]:
    """Return the inputs that a scenario's work depends on."""
    found: dict[str, SourcedNumber] = {}
    known = scenario.specified_inputs()
    for name in ("flop", "device_hours", "attempts", "tokens", "samples", "sample_flop"):
        if name in known:
            unit = INPUTS[name].unit or (name if name in COUNTED else "1")
            found |= given_value(INPUTS[name].resolved or name, float(known[name]), unit).inputs
    for name in ("params", "active_params"):
        if name in known:
            found |= given_value(name, float(known[name]), "parameters").inputs
    if scenario.flop is not None:
        found.pop("tokens", None)
        return found
    if network is not None:
        total = float(network.ledger.params_total)
        return found | given_value("params", total, "parameters").inputs
    if scenario.params is not None and scenario.tokens is not None:
        return found | prior(catalog, "work.formula", "work").inputs
    return found if preset is None else found | _inputs_of_preset(scenario, preset, catalog)


def _inputs_of_preset(
    scenario: Scenario, preset: Preset, catalog: Catalog
) -> dict[str, SourcedNumber]:
    """Return the published numbers of a preset that its work depends on."""
    seen = getattr(scenario, _unit_of(preset))
    found = _flop_of_preset(preset, np.array([np.nan if seen is None else seen]), catalog)
    if found is None and "device_hours" in preset.records and scenario.device_hours is None:
        found = recorded("device_hours", preset.records["device_hours"], "work")
    return {} if found is None else dict(found.inputs)
