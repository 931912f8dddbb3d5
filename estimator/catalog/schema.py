"""Schema of the profiles: keys with unit and plausible range, types, columns."""

from collections.abc import Mapping
from dataclasses import dataclass

from estimator.core.bounds import LIMITS


@dataclass(frozen=True, kw_only=True)
class Field:
    """Unit of a key, and the range outside which a value is a typing error."""

    unit: str
    smallest: float
    largest: float


BASES = ("datasheet", "measured", "published", "derived", "assumed")
PRESET_KINDS = ("language", "vision", "speech", "diffusion", "games", "multimodal")
PRICE_KINDS = ("on-demand", "spot", "reserved")
PRECISIONS = ("fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "fp4", "int8", "equivalent")
DEVICE_KINDS = (
    "gpu-datacenter",
    "gpu-consumer",
    "gpu-workstation",
    "superchip",
    "tpu",
    "asic",
    "wafer",
    "soc",
    "npu-phone",
    "edge",
    "cpu",
    "server",
    "supercomputer",
    "brain",
)

PEAK_FIELDS: Mapping[str, Field] = {
    precision: Field(unit="OP/s" if precision == "int8" else "FLOP/s", smallest=1e9, largest=1e20)
    for precision in PRECISIONS
}
DEVICE_FIELDS: Mapping[str, Field] = {
    "memory_bytes": Field(unit="B", smallest=1e5, largest=1e17),
    "memory_bytes_per_s": Field(unit="B/s", smallest=1e9, largest=1e17),
    "link_bytes_per_s": Field(unit="B/s", smallest=1e8, largest=1e14),
    "tdp_w": Field(unit="W", smallest=0.1, largest=1e8),
    "idle_w": Field(unit="W", smallest=0.01, largest=1e8),
    "system_power_w": Field(unit="W", smallest=0.1, largest=1e8),
    "launch_price_usd": Field(unit="USD", smallest=1, largest=1e9),
    "embodied_co2e_kg": Field(unit="kgCO2e", smallest=0.1, largest=1e8),
    "rack_devices": Field(unit="device", smallest=2, largest=1e5),
    "battery_wh": Field(unit="Wh", smallest=0.1, largest=1e5),
}
PRESET_FIELDS: Mapping[str, Field] = {
    "params": Field(unit="parameter", smallest=1e3, largest=LIMITS["params"].most),
    "active_params": Field(unit="parameter", smallest=1e3, largest=LIMITS["params"].most),
    "tokens": Field(unit="token", smallest=1e3, largest=1e16),
    "samples": Field(unit="sample", smallest=1, largest=1e14),
    "training_flop": Field(unit="FLOP", smallest=1e6, largest=1e29),
    "device_hours": Field(unit="h", smallest=1e-3, largest=1e11),
    "seq_len": Field(unit="token", smallest=1, largest=1e8),
    "forward_flop_per_sample": Field(unit="FLOP", smallest=1e3, largest=1e18),
}
AS_RUN_FIELDS: Mapping[str, Field] = {
    "devices": Field(unit="device", smallest=1, largest=1e7),
    "flop_per_s_per_device": Field(unit="FLOP/s", smallest=1e9, largest=1e17),
    "utilization": Field(unit="1", smallest=1e-4, largest=1),
    "pue": Field(unit="1", smallest=1, largest=4),
    "co2e_kg_per_kwh": Field(unit="kgCO2e/kWh", smallest=0, largest=2),
    "wall_hours": Field(unit="h", smallest=1e-3, largest=1e6),
    "device_hours": Field(unit="h", smallest=1e-3, largest=1e11),
    "system_power_w": Field(unit="W", smallest=0.1, largest=1e5),
    "energy_kwh": Field(unit="kWh", smallest=1e-3, largest=1e12),
    "co2e_t": Field(unit="tCO2e", smallest=1e-6, largest=1e9),
    "cost_usd": Field(unit="USD", smallest=1e-2, largest=1e12),
}
PLACE_FIELDS: Mapping[str, Field] = {
    "co2e_kg_per_kwh": Field(unit="kgCO2e/kWh", smallest=0, largest=2),
    "pue": Field(unit="1", smallest=1, largest=4),
    "wue_l_per_kwh": Field(unit="L/kWh", smallest=0, largest=20),
    "price_usd_per_kwh": Field(unit="USD/kWh", smallest=1e-3, largest=3),
}
FACTOR_FIELDS: Mapping[str, Field] = {
    "residual_co2e_kg_per_kwh": Field(unit="kgCO2e/kWh", smallest=0, largest=2),
    "primary_mj_per_kwh": Field(unit="MJ/kWh", smallest=0.1, largest=50),
    "adpe_kg_per_kwh": Field(unit="kgSbeq/kWh", smallest=1e-9, largest=1e-5),
}
"""Electricity factors of a country besides its carbon intensity."""
PRICE_FIELD = Field(unit="USD/h", smallest=1e-3, largest=1e3)
API_PRICE_FIELD = Field(unit="USD/Mtoken", smallest=1e-4, largest=1e4)
UNITS = frozenset(
    field.unit
    for fields in (
        *(PEAK_FIELDS, DEVICE_FIELDS, PRESET_FIELDS, AS_RUN_FIELDS, PLACE_FIELDS, FACTOR_FIELDS),
    )
    for field in fields.values()
) | frozenset(
    (
        *(
            "MJ",
            "kgSbeq",
            "gCO2e/Mtoken",
            "gCO2e/EFLOP",
            "USD/h",
            "h/year",
            "year",
            "K",
            "J",
            "s",
            "kWh/GB",
            "kcal",
            "TWh",
            "FLOP/s/W",
        ),
        *("day", "Hz", "nat", "USD", "PFLOP/s-day", "kgCO2e/km", "kWh/year", "USD/Mtoken"),
        *("gCO2e", "mL"),
    )
)

RECORD_NEEDS = ("value", "unit", "basis", "source")
RECORD_KEYS = (*RECORD_NEEDS, "low", "high", "date", "where", "note", "sources")
SOURCE_KEYS = ("title", "publisher", "date", "url", "licence", "note")
DEVICE_HEAD = ("name", "vendor", "kind", "released", "aliases", "same_silicon", "note")
PRESET_HEAD = ("name", "aliases", "kind", "arch", "year", "note")
PLACE_HEAD = ("name", "aliases", "iso2", "note")

FOLDERS = {"hardware": "hardware", "preset": "workloads"}
CALIBRATIONS = "calibrations"
PLACE_FILES = {
    "country": "sites/countries.csv",
    "cloud-region": "sites/cloud_regions.csv",
    "operator": "sites/operators.csv",
}
ENTRIES = {
    ".": (
        "hardware",
        "workloads",
        "sites",
        "runs",
        "prices.csv",
        "api_prices.csv",
        "sources.toml",
        "priors.toml",
        "claims.toml",
        "scaling.toml",
        "equivalents.toml",
        "prompts.toml",
        "compression.csv",
        "quantum_volume.csv",
        "frontier_runs.csv",
        "calibrations",
        "architectures.json",
    ),
    "sites": (
        "countries.csv",
        "cloud_regions.csv",
        "operators.csv",
        "electricity_prices.csv",
        "electricity_factors.csv",
        "places.toml",
    ),
}
_TAIL = ("basis", "source", "note")
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "prices.csv": (
        *("device", "provider", "instance", "kind", "price_usd_per_h", "date_from", "date_to"),
        *_TAIL,
    ),
    "api_prices.csv": (
        *("id", "provider", "model", "preset"),
        *("input_usd_per_million_tokens", "output_usd_per_million_tokens", "date"),
        *_TAIL,
    ),
    "countries.csv": (
        *("iso2", "iso3", "country", "aliases", "year", "co2e_kg_per_kwh", "low", "high"),
        *_TAIL,
    ),
    "cloud_regions.csv": (
        *("id", "provider", "region", "location", "iso2", "year", "pue", "wue_l_per_kwh"),
        *("co2e_kg_per_kwh", "low", "high"),
        *_TAIL,
    ),
    "operators.csv": ("id", "name", "iso2", "scope", "year", "pue", "low", "high", *_TAIL),
    "electricity_factors.csv": ("iso2", "factor", "value", "low", "high", "year", *_TAIL),
    "electricity_prices.csv": (
        *("iso2_or_region", "sector", "price_usd_per_kwh", "low", "high", "year"),
        *_TAIL,
    ),
}
RANGED = {
    "prices.csv": "",
    "api_prices.csv": "",
    "countries.csv": "co2e_kg_per_kwh",
    "cloud_regions.csv": "co2e_kg_per_kwh",
    "operators.csv": "pue",
    "electricity_prices.csv": "price_usd_per_kwh",
    "electricity_factors.csv": "value",
}
