"""Time for a host to launch the operations of a step one by one.

An eager framework dispatches operations ahead of the device [1]_. If that takes longer than the
work, the device waits; otherwise it is hidden. Small steps are launch-bound on any fast device.

References
----------
.. [1] J. Fernandez et al., "The framework tax: disparities between inference efficiency in NLP
   research and deployment", 2023, arXiv:2302.06117, sec. 3.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from estimator.core.rows import Floats, Mask
from estimator.core.uncertainty import Number
from estimator.networks.formulas import LAYER_PARAMS

LAYER_S = 0.003
"""Time to launch one transformer layer, forward, backward and update [s].

Benchmark steps with little work on an H100, PyTorch 2.11: 1.8 ms with fused attention, 3 as a
library writes it, 4 with explicit attention, and 5.5 with explicit norms and gates.
"""

USUAL_LAYERS = 12.0
"""Default layer count of a transformer [1]: BERT base, GPT-2, ViT-B."""

WIDTH_PER_LAYER = 64.0
"""Width over layers of the deepest typical transformers [1]: BERT large 43, GPT-2 64, Llama 128."""

LAUNCH_S = {
    "convolution": 0.015,
    "depthwise": 0.02,
    "unet": 0.015,
    "recurrent": 0.004,
    "perceptron": 0.003,
    "other": 0.003,
}
"""Network kind -> time to launch a typical step [s].

From the longer small steps of the same benchmark, as typical networks are deeper: plain
convolutions 4 to 6 ms, bottlenecks 22; depthwise kernels 7, inverted residuals 17; U-Nets 6 to 12;
perceptrons below 4. A guess for recurrences and recommenders.
"""

ONE_MACHINE = 8
"""Most devices in one machine [1]."""

LARGE_STEP_S = 1.0
"""Step time at the peak of a large run [s]; GPT-3 on 10,000 V100s takes 2.7 s."""

USUAL_STEPS = 1e5
"""Typical steps of a whole run [1]: 1e4 for fine-tuning, 1e5 for GPT-3 and Llama 3, 1e6 for BERT.
"""


@dataclass(frozen=True, kw_only=True)
class UsualSteps:
    """Typical steps, used where unspecified.

    Parameters
    ----------
    step_s, step_sd : float or array
        Median time of a step [s], and its log standard deviation [1].
    steps, steps_sd : float or array
        Median number of steps in a run, and its log standard deviation [1].
    """

    step_s: Number
    step_sd: Number
    steps: Number
    steps_sd: Number

    def log_time(self, run_s: Number) -> tuple[Number, Number]:
        """Return the mean and standard deviation of the log step time, given the run time [1].

        Combines typical step time and typical step count by precision.

        >>> usual = UsualSteps(step_s=0.1, step_sd=1.0, steps=1000.0, steps_sd=1.0)
        >>> log_s, sd = usual.log_time(1000.0)
        >>> round(float(np.exp(log_s)), 3), round(float(sd), 3)
        (0.316, 0.707)
        """
        by_time, by_number = 1.0 / np.square(self.step_sd), 1.0 / np.square(self.steps_sd)
        whole = by_time + by_number
        log_s = by_time * np.log(self.step_s) + by_number * np.log(run_s / self.steps)
        return log_s / whole, np.sqrt(1.0 / whole)


def launch_s_of(flags: Mapping[str, Floats], layers: Floats) -> Floats:
    """Return the time to launch one step of each network without fused operations [s].

    Parameters
    ----------
    flags : mapping of str to array
        Flags named in `LAUNCH_S`; networks without any flag are transformers.
    layers : array
        Layers of a transformer [1].
    """
    by_kind: Floats = np.sum([flags[name] * time_s for name, time_s in LAUNCH_S.items()], axis=0)
    return np.where(by_kind > 0, by_kind, LAYER_S * layers)


def layers_of(layers: Floats, params: Floats, hidden: Floats) -> Floats:
    """Return the number of layers of each transformer: given, from its size, or typical [1].

    In small ones, most parameters are token embeddings.

    >>> nan = np.nan
    >>> hidden = np.array([4096.0, 128.0, nan])
    >>> layers_of(np.array([nan, nan, 6.0]), np.array([6.7e9, 1e7, nan]), hidden).round(1)
    array([33.3, 12. ,  6. ])
    """
    by_size = params / (LAYER_PARAMS * hidden**2)
    most = np.maximum(USUAL_LAYERS, hidden / WIDTH_PER_LAYER)
    by_size = np.where(np.isnan(by_size), USUAL_LAYERS, np.clip(by_size, 1.0, most))
    return np.where(np.isnan(layers), by_size, layers)


def is_large(ideal_s: Number, devices: Number) -> Mask | np.bool_:
    """Return whether a run is large enough to have large steps, from its time at the peak [s]."""
    return np.logical_or(devices > ONE_MACHINE, ideal_s >= USUAL_STEPS * LARGE_STEP_S)


def log_slowdown(launching: Number) -> Number:
    """Log slowdown of a step by launches [1].

    A smooth maximum: the longer of launches and work hides the shorter.

    Parameters
    ----------
    launching : float or array
        Launch time over compute time [1].

    >>> np.exp(log_slowdown(np.array([0.0, 0.1, 10.0]))).round(3)
    array([ 1.   ,  1.005, 10.05 ])
    """
    slower: Number = 0.5 * np.log1p(np.square(launching))
    return slower


def exposed_share(launching: Number) -> Number:
    """Return the derivative of the slowdown with respect to log launch time [1].

    >>> float(exposed_share(1.0))
    0.5
    """
    square = np.square(launching)
    share: Number = square / (1.0 + square)
    return share
