"""What do measured runs say of the rows of a table: what `estimate` hears, all rows at once."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from estimator.calibration import Circumstances, Evidence, Posterior, step_size
from estimator.calibration_answer import MOST_MEASURED, Known, bounded
from estimator.calibration_lookup import text_array
from estimator.catalog import Device
from estimator.hardware import Hardware
from estimator.power_correction import corrected_power, device_power_w
from estimator.uncertainty import Uncertain

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """Rows of a table, as far as their calibration depends on them.

    Parameters
    ----------
    devices, precisions : sequence
        Distinct devices with their number formats.
    at : array of int
        Which of them each row is on.
    groups : sequence of str
        Group of networks of each row.
    step_flop : array
        Work of one step and device; NaN where unknown [FLOP].
    """

    devices: Sequence[Device]
    precisions: Sequence[str]
    at: npt.NDArray[np.intp]
    groups: Sequence[str]
    step_flop: Floats

    def on(self, number: int, host: str) -> tuple[npt.NDArray[np.bool_], Circumstances]:
        """Rows on one of the devices, and what counts of them."""
        chosen = self.at == number
        count = int(chosen.sum())
        device, precision = self.devices[number], self.precisions[number]
        return chosen, Circumstances(
            device=text_array([device.id] * count),
            host=text_array([host] * count),
            precision=text_array([precision] * count),
            kind=text_array(self.groups[row] for row in np.flatnonzero(chosen).tolist()),
            size=step_size(self.step_flop[chosen] / device.peaks[precision].value),
        )


def taught_utilization(prior: Uncertain, rows: Rows, known: Known) -> Uncertain:
    """Utilization of each row after the measured runs of its device."""
    evidence = [known.of(device)[1] for device in rows.devices]
    found = _posterior(evidence, rows, known, _log_sd(prior, rows))
    if found is None:
        return prior
    taught = found.log_sd < _log_sd(prior, rows)
    mid = np.broadcast_to(prior.mid, taught.shape) * np.exp(found.log_shift)
    mid = np.where(taught, np.minimum(mid, MOST_MEASURED), mid)
    left = found.log_sd / _log_sd(prior, rows)
    now = Uncertain(mid, {name: load * left for name, load in prior.loadings.items()})
    kept = bounded(now)
    return Uncertain(
        mid,
        {name: np.where(taught, kept.loadings[name], load) for name, load in now.loadings.items()},
    )


def taught_hardware(
    hardware: Hardware, utilization: Uncertain | None, rows: Rows, known: Known
) -> Hardware:
    """Device of each row with the power that measured runs let expect."""
    if hardware.tdp_w is None:
        return hardware
    evidence = [known.power_of(device)[1] for device in rows.devices]
    if not any(len(one.log_ratio) for one in evidence):
        return hardware
    at = None if utilization is None else utilization.mid
    sd = _log_sd(device_power_w(hardware, at), rows)
    found = _posterior(evidence, rows, known, sd)
    if found is None:
        return hardware
    return corrected_power(hardware, at, log_shift=found.log_shift, left=found.log_sd / sd)


def _log_sd(quantity: Uncertain, rows: Rows) -> Floats:
    return np.array(np.broadcast_to(quantity.log_sd, rows.at.shape), dtype=np.float64)


def _posterior(
    evidence: Sequence[Evidence], rows: Rows, known: Known, prior_sd: Floats
) -> Posterior | None:
    """What is expected of each row; None where no device was measured."""
    if not any(len(one.log_ratio) for one in evidence):
        return None
    shift, left = np.zeros(len(rows.at)), prior_sd.copy()
    for number, one in enumerate(evidence):
        chosen, where = rows.on(number, known.measured.host)
        if len(one.log_ratio) and chosen.any():
            found = one.posterior(where, prior_sd[chosen])
            shift[chosen], left[chosen] = found.log_shift, found.log_sd
    return Posterior(log_shift=shift, log_sd=left)
