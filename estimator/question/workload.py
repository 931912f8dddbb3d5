"""How much work does each scenario name: FLOPs, a size, a config, a preset or device time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from estimator.catalog import Catalog, Preset
from estimator.core.bounds import LIMITS
from estimator.core.messages import reason, refusal
from estimator.core.notice import Notice
from estimator.core.notice_table import NoticeTable
from estimator.core.rows import Floats, Places, in_order, nowhere, rows_where, unknown
from estimator.core.uncertainty import Uncertain
from estimator.core.work import Workload
from estimator.networks.config_file import compact_json, config_of, inline_config
from estimator.networks.formulas import LORA_SHARE, attention_share, training_flop
from estimator.networks.kind_columns import network_kinds, of_each_kind
from estimator.networks.kinds import ADAPTERS, alike, configured_kind
from estimator.question.provenance import (
    Found,
    SourcedNumber,
    given,
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
"""Preset kinds that share the utilization of another kind of work."""

SIZE = ("params", "active_params", "width", "seq_len", "layers", "tokens", "samples")
"""Numbers that a preset or a config brings where the row does not."""

OF_WORK = (*SIZE, "flop", "sample_flop", "vocab")
"""Numbers that the work follows from."""

LENGTHS = ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length", "image_size")
"""Keys of a config that bound what passes through it: kept, whether a ledger needs them or not."""

MOST_KEYS = 1000
"""More keys than this no config.json has; a usual one has 20 to 100."""

VISION = "vision"
"""Kind of work of networks that see images."""

COUNTED = ("tokens", "samples")
"""Inputs whose unit is their own name."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What was found of the work of one scenario.

    Parameters
    ----------
    workload : Workload
        For the core.
    kind : str
        Kind of work, which sets the utilization expected.
    arch, name : str
        Architecture and name in free words; may be empty.
    preset : Preset, optional
        The preset that was named.
    config : mapping, optional
        Keys of the config that was named.
    params, hidden, seq_len : float, optional
        Parameters [1], width [1] and tokens in a sequence [token], where they are known.
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
    """A config, read and counted.

    Parameters
    ----------
    config : mapping
        Its keys.
    ledger : Ledger
        Its terms, for one sequence or image.
    side_assumed : bool
        Whether it sees images whose size nothing tells.
    """

    config: Mapping[str, Any]
    ledger: "Ledger"
    side_assumed: bool = False

    @cached_property
    def kind(self) -> tuple[str, str]:
        """Kind of work, and the architecture in words."""
        sparse = self.ledger.params_active < self.ledger.params_total
        return configured_kind(self.ledger.model_type, sparse=sparse)

    def flop(self, tokens: float, samples: float) -> float:
        """Training FLOPs of so many tokens, or else samples; NaN where neither is known."""
        whole = float(self.ledger.training_flop)
        return samples * whole if tokens != tokens else tokens * (whole / float(self.ledger.items))


class WorkTable:
    """Work of every row of a table: what rows state, then presets, then configs.

    What is named is looked up once.

    Attributes
    ----------
    flop, device_hours : Uncertain
        Of the final run, arrays, NaN where unknown [FLOP], [h].
    numbers : mapping of str to array
        Fields of `SIZE`, with what presets and configs bring; NaN where unknown.
    kinds : KindColumn
    words : mapping of str to list of str
        kind, arch and name of each row.
    presets, networks : list
        What a row names, by its code, and the codes.
    errors : mapping of int to Notice
    notices : NoticeTable
    """

    def __init__(self, table: Table[Scenario], catalog: Catalog) -> None:
        self.table, self.catalog = table, catalog
        self.errors: dict[int, Notice] = dict(table.errors)
        self.notices = NoticeTable(table.count)
        if table.notices:
            rows = np.array(list(table.notices), dtype=np.intp)
            self.notices.each(rows, list(table.notices.values()))
        self.numbers = {name: table.number(name) for name in OF_WORK}
        self.words = {name: table.word(name).rows() for name in ("kind", "arch", "name")}
        self._flop, self._flop_load = unknown(table.count), np.zeros(table.count)
        self._hours, self._hours_load = table.number("device_hours"), np.zeros(table.count)
        self.presets: list[Preset] = []
        self.networks: list[CountedNetwork] = []
        self.preset_at = self.network_at = nowhere(table.count)
        configs = table.word("config")
        self._configs, self._config_at = list(configs.distinct), configs.codes
        self._read_presets()
        self._read_networks()
        for row in rows_where(~np.isnan(table.number("active_params"))).tolist():
            self.words["arch"][row] = self.words["arch"][row] or "MoE decoder"
        self._assume_kinds()
        self.kinds = network_kinds(*(self.words[name] for name in ("kind", "arch", "name")))
        self._count_rows()
        self._count_presets()
        self._count_networks()
        self._adapt()
        self._refuse()
        self._say()
        self.flop = _of_work(self._flop, self._flop_load)
        self.device_hours = _of_work(self._hours, self._hours_load)

    def preset(self, row: int) -> Preset | None:
        """Preset that a row names."""
        return self.presets[self.preset_at[row]] if self.preset_at[row] >= 0 else None

    def network(self, row: int) -> CountedNetwork | None:
        """Config that a row names."""
        return self.networks[self.network_at[row]] if self.network_at[row] >= 0 else None

    def inputs(self, row: int) -> dict[str, SourcedNumber]:
        """Numbers that the work of a row rests on, with their provenance."""
        return _inputs(self.table.row(row), self.preset(row), self.network(row), self.catalog)

    def work(self, row: int, workload: Workload) -> Work:
        """What was found of one row."""

        def known(name: str) -> float | None:
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
            params=known("params"),
            hidden=known("width"),
            seq_len=known("seq_len"),
        )

    def _fill(self, name: str, rows: Places, value: float | None) -> None:
        """Fill in a number that the rows leave out."""
        if value is not None:
            column = self.numbers[name].copy()
            column[rows] = np.where(np.isnan(column[rows]), value, column[rows])
            self.numbers[name] = column

    def _fill_words(self, rows: Places, kind: str, arch: str, name: str) -> None:
        for row in rows.tolist():
            for field_, word in (("kind", kind), ("arch", arch), ("name", name)):
                self.words[field_][row] = self.words[field_][row] or word

    def _read_presets(self) -> None:
        column = self.table.word("preset")
        if not column.distinct:
            return
        self.preset_at = self.preset_at.copy()
        for code, name in enumerate(column.distinct):
            rows = rows_where(column.codes == code)
            try:
                preset = self.catalog.preset(name)
            except ValueError as error:
                self._give_up(rows, reason(error))
                continue
            self.preset_at[rows] = len(self.presets)
            self.presets.append(preset)
            if preset.config and not preset.has_work:
                self._config_at = np.where(
                    column.codes == code, len(self._configs), self._config_at
                )
                self._configs.append(compact_json(preset.config))
                self._fill_words(rows, "", "", preset.name)
                continue
            kind = PRESET_KINDS.get(preset.kind, preset.kind)
            self._fill_words(rows, kind, preset.arch, preset.name)
            records = preset.records
            for field_ in ("params", "active_params", "seq_len"):
                self._fill(field_, rows, records[field_].value if field_ in records else None)
            self._fill("width", rows, _width(preset.config))

    def _read_networks(self) -> None:
        lengths, sides = self.table.number("seq_len"), self.table.number("image_size")
        if not self._configs:
            return
        self.network_at = self.network_at.copy()
        asked: dict[tuple[int, float | None, float | None], list[int]] = {}
        for row in rows_where(self._config_at >= 0).tolist():
            sizes = (float(numbers[row]) for numbers in (lengths, sides))
            length, side = (size if size == size else None for size in sizes)
            asked.setdefault((int(self._config_at[row]), length, side), []).append(row)
        for (code, length, side), listed in asked.items():
            rows = np.array(listed)
            try:
                network = read_network(self._configs[code], length, side)
            except ValueError as error:
                self._give_up(rows, reason(error))
                continue
            self.network_at[rows] = len(self.networks)
            self.networks.append(network)
            self._fill_words(rows, *network.kind, "")
            total, active = float(network.ledger.params_total), float(network.ledger.params_active)
            self._fill("params", rows, total)
            self._fill("active_params", rows, active if active < total else None)
            self._fill("width", rows, _width(network.config))

    def _assume_kinds(self) -> None:
        """Take work on language where a row does not say; that matters to the utilization."""
        said = self.words["kind"]
        count = len(said) if alike(said) else 1
        some = said[:1] if alike(said) else said
        unspecified = np.array([not kind for kind in some], dtype=np.bool_)
        bare = ~np.isnan(self.table.number("flop")) & np.isnan(self.table.number("utilization"))
        self.notices.where(unspecified & bare, Notice("kind_assumed", "kind"))
        self.words["kind"] = [kind or "language" for kind in some] * count

    def _count_rows(self) -> None:
        """Count what the rows themselves state: FLOPs, FLOPs by sample, or parameters."""
        formula = prior(self.catalog, "work.formula", "work").value
        own = {column_of(name): self.numbers[name] for name in OF_WORK}
        work = work_of_rows(own, self.kinds, formula)
        rows = (self.preset_at < 0) & (self.network_at < 0)
        self._flop = np.where(rows | self.table.states("flop"), work.mid, np.nan)
        load = work.loadings.get("work", 0.0)
        self._flop_load = np.where(~np.isnan(self._flop), load, 0.0)

    def _count_presets(self) -> None:
        """Count presets: FLOPs as published, scaled by other tokens or samples, or 6 N D."""
        for code, preset in enumerate(self.presets):
            unit = _unit_of(preset)
            seen, says = self.table.number(unit), self.table.states(unit)
            every = (self.preset_at == code) & np.isnan(self._flop) & (self.network_at < 0)
            for rows in (rows_where(every & mask) for mask in (says, ~says)):
                if rows.size:
                    self._count_preset(preset, rows, seen[rows])

    def _count_preset(self, preset: Preset, rows: Places, seen: Floats) -> None:
        """Count rows of a preset that all give what it saw, or that all leave it out."""
        work = _flop_of_preset(preset, seen, self.catalog)
        if work is not None:
            self._flop[rows] = work.value.mid
            self._flop_load[rows] = work.value.loadings.get("work", 0.0)
        elif "device_hours" in preset.records:
            timed = rows[np.isnan(self._hours[rows])]
            found = recorded("device_hours", preset.records["device_hours"], "work").value
            self._hours = self._hours.copy()
            self._hours[timed] = found.mid
            self._hours_load[timed] = found.loadings.get("work", 0.0)

    def _count_networks(self) -> None:
        """Count configs: the exact ledger, times the tokens or the samples."""
        tokens, samples = self.table.number("tokens"), self.table.number("samples")
        for row in rows_where((self.network_at >= 0) & np.isnan(self._flop)).tolist():
            network = self.networks[self.network_at[row]]
            self._flop[row] = network.flop(float(tokens[row]), float(samples[row]))

    def _adapt(self) -> None:
        """Spare LoRA the weight gradients of the frozen base."""
        adapted = self.table.states_word("finetune", *ADAPTERS)
        if not adapted.any():
            return
        stated = ~np.isnan(stated_flop({column_of(name): self.numbers[name] for name in OF_WORK}))
        counted = of_each_kind(self.kinds, lambda kind: kind.lora) & ~stated
        lora = adapted & ~counted
        self._flop = np.where(lora, self._flop * LORA_SHARE, self._flop)
        self.notices.where(lora, Notice("lora_saves", "finetune"))
        packed = self.table.states_word("finetune", "qlora")
        self.notices.where(packed, Notice("qlora_unpacks", "finetune"))

    def _refuse(self) -> None:
        """Refuse rows without work, of more than any machine could do, and that do not fit."""
        self._refuse_contradictions()
        flop, most = self._flop, LIMITS["training_flop"][1]
        with np.errstate(invalid="ignore"):
            for row in rows_where(flop > most).tolist():
                values = {"flop": float(flop[row]), "most": most}
                self._give_up(np.array([row]), Notice("too_much_work", "", values))
        for row in rows_where(np.isnan(flop) & np.isnan(self._hours)).tolist():
            self._give_up(np.array([row]), self._no_work(row))

    def _refuse_contradictions(self) -> None:
        """Refuse fine-tuning of unknown length, and more active parameters than there are."""
        self._refuse_other_units()
        table, given = self.table, self.numbers
        tuned = table.states("finetune")
        if tuned.any():
            own = table.states("tokens") | table.states("samples")
            self._give_up(rows_where(tuned & ~own), Notice("finetune_needs_tokens", "tokens"))
            stated = rows_where(tuned & own & table.states("flop"))
            self._give_up(stated, Notice("finetune_with_flop", "finetune"))
        active = given["active_params"]
        with np.errstate(invalid="ignore"):
            above = rows_where(active > given["params"])
        for row in above.tolist():
            values = {"value": float(active[row])}
            self._give_up(np.array([row]), Notice("active_above_params", "active_params", values))

    def _refuse_other_units(self) -> None:
        """Refuse samples of a preset that is counted in tokens, and the reverse."""
        for code, preset in enumerate(self.presets):
            unit = _unit_of(preset)
            other = OTHER_UNIT[unit]
            if unit not in preset.records:
                continue
            rows = (self.preset_at == code) & (self.network_at < 0) & self.table.states(other)
            notice = Notice(f"preset_counts_{unit}", other, {"preset": preset.name})
            self._give_up(rows_where(rows), notice)

    def _no_work(self, row: int) -> Notice:
        scenario, preset = self.table.row(row), self.preset_at[row]
        if scenario.finetune is not None and scenario.preset is not None:
            return Notice("finetune_needs_size", "finetune")
        if scenario.params is not None:
            return Notice("params_need_tokens", "tokens")
        if scenario.config is not None:
            return Notice("config_needs_tokens", "tokens")
        if preset >= 0:
            return Notice("preset_needs_tokens", "tokens", {"preset": self.presets[preset].name})
        return Notice("no_work")

    def _say(self) -> None:
        """Say what was assumed, and what follows from the architecture."""
        table = self.table
        attempts = table.number("attempts")
        if "attempts" in table.numbers:
            for times in in_order(attempts[attempts > 1]).tolist():
                notice = Notice("attempts_counted", "attempts", {"times": times})
                self.notices.where(attempts == times, notice)
        self.notices.coded(
            [
                (
                    *(Notice("text", "", {"text": text}) for text in network.ledger.warnings),
                    *(Notice("image_size_assumed", "image_size"),) * network.side_assumed,
                )
                for network in self.networks
            ],
            self.network_at,
        )
        length, layers = table.number("seq_len"), self.numbers["layers"]
        own = (self.preset_at < 0) & (self.network_at < 0) & np.isnan(table.number("flop"))
        added = own & ~np.isnan(length) & ~np.isnan(self._flop) & table.states("params")
        added &= np.isnan(layers * self.numbers["width"]) & ~table.states("sample_flop")
        if added.any():
            transformer = of_each_kind(self.kinds, lambda kind: kind.transformer)
            rows = rows_where(added & transformer)
            active = self.numbers["active_params"][rows]
            size = np.where(np.isnan(active), self.numbers["params"][rows], active)
            shares = attention_share(length[rows], self.numbers["width"][rows], size)
            self.notices.each(
                rows,
                [
                    (Notice("attention_added", "seq_len", {"tokens": tokens, "share": share}),)
                    for tokens, share in zip(length[rows].tolist(), shares.tolist(), strict=True)
                ],
            )

    def _give_up(self, rows: Places, notice: Notice) -> None:
        for row in rows.tolist():
            self.errors.setdefault(row, notice)


def _of_work(mids: Floats, loads: Floats) -> Uncertain:
    return Uncertain(mids, {"work": loads} if loads.any() else {})


def find_work(scenario: Scenario, catalog: Catalog) -> tuple[Work, tuple[Notice, ...]]:
    """Work of one scenario, and what was assumed.

    Raises
    ------
    ValueError
        If it names no work, or work in two ways that exclude each other.
    """
    found = WorkTable(Table.of(Scenario, [scenario]), catalog)
    if 0 in found.errors:
        raise refusal(found.errors[0])
    flop, hours = (float(np.asarray(one.mid)[0]) for one in (found.flop, found.device_hours))
    workload = Workload(
        training_flop=Uncertain(flop) if flop == flop else None,
        device_hours=Uncertain(hours) if hours == hours else None,
    )
    return found.work(0, workload), found.notices.of(0)


def read_network(
    config: str, seq_len: float | None = None, image_size: float | None = None
) -> CountedNetwork:
    """Read and count a config: its JSON text, or the path of a file.

    Parameters
    ----------
    config : str
    seq_len : float, optional
        Tokens in a sequence [token].
    image_size : float, optional
        Side of its images [pixel].

    Raises
    ------
    ValueError
        The file or the text is no config of a known family, or one that sees no images of a size.
    """
    return _counted(compact_json(config_of(config)), seq_len, image_size)


@lru_cache(maxsize=256)
def _counted(text: str, seq_len: float | None, image_size: float | None) -> CountedNetwork:
    """Read and count a text once."""
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
    """A config that notes which of its keys are read: the others cannot count."""

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
    """Keys of a config that its ledger needs, as compact JSON: what a link carries.

    The config is text, never the path of a file: it may come from a link.

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
    """Width of the network in a config.json, whatever its family calls it."""
    from estimator.networks.fields import Fields

    stated = next((key for key in ("hidden_size", "n_embd", "d_model") if key in config), "")
    width = Fields(config).size_or_none(stated) if stated else None
    return None if width is None else float(width)


OTHER_UNIT = {"tokens": "samples", "samples": "tokens"}
"""What a preset that is counted in one unit is not counted in."""


def _unit_of(preset: Preset) -> str:
    """What the published work of a preset is counted in."""
    records = preset.records
    return "samples" if "samples" in records and "tokens" not in records else "tokens"


def _flop_of_preset(preset: Preset, seen: Floats, catalog: Catalog) -> Found[Uncertain] | None:
    """FLOPs as published; other tokens or samples than those scale them; NaN: as published."""
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
    """Numbers that the work of one scenario rests on."""
    found: dict[str, SourcedNumber] = {}
    known = scenario.given()
    for name in ("flop", "device_hours", "attempts", "tokens", "samples", "sample_flop"):
        if name in known:
            unit = INPUTS[name].unit or (name if name in COUNTED else "1")
            found |= given(INPUTS[name].resolved or name, float(known[name]), unit).inputs
    for name in ("params", "active_params"):
        if name in known:
            found |= given(name, float(known[name]), "parameters").inputs
    if scenario.flop is not None:
        found.pop("tokens", None)
        return found
    if network is not None:
        total = float(network.ledger.params_total)
        return found | given("params", total, "parameters").inputs
    if scenario.params is not None and scenario.tokens is not None:
        return found | prior(catalog, "work.formula", "work").inputs
    return found if preset is None else found | _inputs_of_preset(scenario, preset, catalog)


def _inputs_of_preset(
    scenario: Scenario, preset: Preset, catalog: Catalog
) -> dict[str, SourcedNumber]:
    """Published numbers of a preset that its work rests on."""
    seen = getattr(scenario, _unit_of(preset))
    found = _flop_of_preset(preset, np.array([np.nan if seen is None else seen]), catalog)
    if found is None and "device_hours" in preset.records and scenario.device_hours is None:
        found = recorded("device_hours", preset.records["device_hours"], "work")
    return {} if found is None else dict(found.inputs)
