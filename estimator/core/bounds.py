"""Limits of every number that people or profiles give, with their reasons."""

from typing import NamedTuple


class Limit(NamedTuple):
    """Lower and upper limit of a number in its unit, with the reason."""

    least: float
    most: float
    meaning: str

    @property
    def range(self) -> tuple[float, float]:
        """Lower and upper limit."""
        return self.least, self.most


FEW = 1000
"""Parameters or tokens below which "7" must mean "7B" [1]."""

LIMITS: dict[str, Limit] = {
    "training_flop": Limit(1.0, 1e36, "more than ten billion times the largest run known"),
    "step_operations": Limit(1.0, 1e15, "a billion times the operations of a large network"),
    "traffic_bytes": Limit(1.0, 1e26, "more than a million accelerators move in a year"),
    "params": Limit(1.0, 1e18, "a million times the largest model known"),
    "active_params": Limit(1.0, 1e18, "a million times the largest model known"),
    "tokens": Limit(1.0, 1e20, "a million times the largest corpus known"),
    "samples": Limit(1.0, 1e20, "a million times the largest corpus known"),
    "layers": Limit(1.0, 1e6, "a thousand times the deepest network known"),
    "width": Limit(1.0, 1e7, "a hundred times the widest network known"),
    "batch": Limit(1.0, 1e9, "a thousand times the largest batch known"),
    "image_size": Limit(1.0, 1e6, "far beyond any picture"),
    "utilization": Limit(1e-6, 1.0, "a share of the peak"),
    "seq_len": Limit(1.0, 1e9, "a thousand times the longest context known"),
    "year": Limit(1950.0, 2100.0, "the year of the run"),
    "device_hours": Limit(1e-9, 1e15, "more than all devices on Earth in a million years"),
    "energy_kwh": Limit(1e-9, 1e15, "more than thirty times the electricity of the world"),
    "energy_uncertainty": Limit(0.0, 10.0, "a share of the energy; 5% are 0.05"),
    "devices": Limit(1.0, 1e9, "more accelerators than exist"),
    "start": Limit(0.0, 8784.0, "the hours of a leap year"),
    "recomputation": Limit(0.0, 1.0, "the share of the forward pass that is computed again"),
    "boards_only": Limit(0.0, 1.0, "1 for yes, 0 for no"),
    "pue": Limit(1.0, 10.0, "the energy of the whole site over that of its computers"),
    "co2e_kg_per_kwh": Limit(0.0, 5.0, "several times the dirtiest grid; 350 g/kWh are 0.35"),
    "wue_l_per_kwh": Limit(0.0, 100.0, "many times the thirstiest site"),
    "offsite_l_per_kwh": Limit(0.0, 1e3, "many times the thirstiest grid"),
    "price_usd_per_h": Limit(0.0, 1e6, "per device and hour"),
    "device_price": Limit(1e-3, 1e12, "more than any machine"),
    "electricity_usd_per_kwh": Limit(
        0.0, 5.0, "many times the dearest electricity; 30 cents are 0.3"
    ),
    "attempts": Limit(1.0, 1e6, "all runs over the final one"),
    "lora_rank": Limit(1.0, 1e6, "the rank of the adapters"),
    "prefill_tokens": Limit(1.0, 1e12, "far beyond any batch of prompts"),
    "peak_flop_per_s": Limit(1.0, 1e24, "a million exascale machines"),
    "tdp_w": Limit(1e-6, 1e12, "half the electricity of the world"),
    "power_cap": Limit(1e-6, 1e12, "half the electricity of the world"),
    "input_tokens": Limit(0.0, 1e8, "a hundred times the longest context known"),
    "output_tokens": Limit(1.0, 1e8, "a hundred times the longest context known"),
    "concurrency": Limit(0.01, 1e9, "more sequences than any service has in flight"),
    "request_rate": Limit(1e-9, 1e9, "more requests than people on Earth"),
    "users": Limit(1e-3, 1e10, "more users than people on Earth"),
    "think_s": Limit(1e-3, 1e7, "a pause of four months"),
    "share": Limit(0.0, 1.0, "a share of one"),
    "duty_cycle": Limit(1e-4, 1.0, "a share of the time"),
    "draft_tokens": Limit(0.0, 64.0, "more drafts than any server checks at a time"),
    "steps": Limit(1.0, 1e6, "a thousand times the usual number"),
    "guidance": Limit(1.0, 100.0, "far more passes than any guidance takes"),
    "latency_goal": Limit(1e-9, 1e6, "more than eleven days per token"),
    "api_price_out": Limit(1e-9, 1e6, "a thousand times the dearest API"),
    "api_price_in": Limit(0.0, 1e6, "a thousand times the dearest API"),
    "training_kwh": Limit(0.0, 1e15, "more than thirty times the electricity of the world"),
    "service_days": Limit(1e-3, 1e6, "more than two thousand years"),
    "times": Limit(1e-6, 1e9, "a use every tenth of a millisecond"),
    "zero": Limit(0.0, 3.0, "the stages of ZeRO"),
}
