"""Site of a run: PUE, carbon intensity, water and electricity price."""

from dataclasses import dataclass

from estimator.core.limits import within_limits
from estimator.core.uncertainty import Uncertain

OPTIONAL = ("co2e_kg_per_kwh", "wue_l_per_kwh", "offsite_l_per_kwh", "electricity_usd_per_kwh")
"""Fields that may be unknown."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """Site with its grid.

    Parameters
    ----------
    name : str
        Name for people.
    pue : Uncertain
        Power usage effectiveness: site energy over IT energy [1].
    co2e_kg_per_kwh : Uncertain, optional
        Location-based carbon intensity of the electricity [kgCO2e/kWh].
    wue_l_per_kwh : Uncertain, optional
        On-site water per IT energy [L/kWh].
    offsite_l_per_kwh : Uncertain, optional
        Water for generating electricity, per energy of the whole site [L/kWh].
    electricity_usd_per_kwh : Uncertain, optional
        Price of electricity [USD/kWh].
    """

    name: str
    pue: Uncertain
    co2e_kg_per_kwh: Uncertain | None = None
    wue_l_per_kwh: Uncertain | None = None
    offsite_l_per_kwh: Uncertain | None = None
    electricity_usd_per_kwh: Uncertain | None = None

    def __post_init__(self) -> None:
        within_limits("pue", self.pue)
        for name in OPTIONAL:
            value = getattr(self, name)
            if value is not None:
                within_limits(name, value)

    def water_l_per_it_kwh(self) -> dict[str, Uncertain]:
        """Return the known water use per IT energy, on site and in generation [L/kWh]."""
        offsite = None if self.offsite_l_per_kwh is None else self.pue * self.offsite_l_per_kwh
        rates = {"onsite": self.wue_l_per_kwh, "offsite": offsite}
        return {place: rate for place, rate in rates.items() if rate is not None}
