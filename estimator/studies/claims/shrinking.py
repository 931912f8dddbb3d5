"""Claims about making networks cheaper: compression, transfer, the edge, data sets."""

import numpy as np

from estimator.answer.scenario_estimate import answer_scenario
from estimator.core.uncertainty import Uncertain, spread_between
from estimator.core.units import J_PER_KWH, S_PER_H, digits, human, human_duration, human_percent
from estimator.networks.formulas import FLOP_PER_MULTIPLY_ADD
from estimator.question.scenario import Scenario
from estimator.studies.claims.facts import Facts
from estimator.studies.claims.finding import Figure, Finding, median
from estimator.studies.levers.break_even import low_rank_params, paying_rank
from estimator.studies.levers.inference import Load, Roof, StoredDecoder, step
from estimator.studies.levers.results import Result, ResultSpread, lost_accuracy, measured, results

QUANTIZED = ("quantization-weights", "quantization-weights-activations")


def quantization(facts: Facts) -> Finding:
    """Check the claim of quantization from 32 bits to 8, or even 1 or 2."""
    found = results(facts.catalog, *QUANTIZED)
    eight, four = (
        lost_accuracy([result for result in found if result.bits == bits]) for bits in (8, 4)
    )
    few = lost_accuracy(
        [result for result in found if result.bits is not None and result.bits <= 2]
    )
    energy = [result for result in found if result.energy_ratio is not None]
    risen = [result for result in energy if (result.energy_ratio or 0.0) > 1]
    return Finding(
        value=_spread(eight),
        words={
            "eight": human_percent(eight.mid),
            "four": human_percent(four.mid),
            "few": human_percent(few.mid),
            "n8": digits(eight.results),
            "n4": digits(four.results),
            "n2": digits(few.results),
            "risen": digits(len(risen)),
            "all": digits(len(energy)),
            "most": human_percent(max(result.energy_ratio or 1.0 for result in risen) - 1),
            "low": human_percent(few.low),
            "high": human_percent(few.high),
            "sources": digits(few.sources),
        },
        met=(few.high <= facts.claimed,),
        figures=(
            Figure("accuracy lost at 4 bits", "share", _spread(four)),
            Figure("accuracy lost at 2 bits or less", "share", _spread(few)),
            Figure("energy over that of 16 bits, small models", "1", _ratio(energy)),
        ),
        page="levers",
        query={"weights": "8"},
    )


def pruning(facts: Facts) -> Finding:
    """Check the claim of pruning by up to 90%."""
    found = results(facts.catalog, "pruning-unstructured")
    sparse = lost_accuracy([result for result in found if (result.kept_share or 1.0) <= 0.1])
    pattern = measured(results(facts.catalog, "pruning-2:4"), "speedup")
    return Finding(
        value=_spread(sparse),
        words={
            "results": digits(sparse.results),
            "sources": digits(sparse.sources),
            "lost": human_percent(sparse.mid),
            "speed": digits(pattern.mid),
        },
        met=(False,),
        figures=(Figure("measured speed of 2:4 sparsity", "1", _spread(pattern)),),
        page="levers",
        query={"weights": "16", "zeros": "0.1"},
    )


def distillation(facts: Facts) -> Finding:
    """Check the claim on distillation to a shallower student."""
    found = [
        one
        for one in results(facts.catalog, "distillation")
        if one.quality and one.kept_share is not None
    ]
    kept = [1 - result.lost_share() for result in found]
    low, mid, high = np.quantile(kept, [0.1, 0.5, 0.9])
    hours = facts["student_device_h"]
    scenario = Scenario(device_hours=hours, hardware="v100", devices=8.0)
    spent = answer_scenario(scenario, facts.catalog).estimate["energy_kwh"]
    saved_flop = (
        FLOP_PER_MULTIPLY_ADD
        * (facts["teacher_params"] - facts["student_params"])
        * facts["query_tokens"]
    )
    billion = answer_scenario(
        Scenario(flop=saved_flop * 1e9, hardware="v100", devices=1.0), facts.catalog
    ).estimate["energy_kwh"]
    billions = spent / billion
    return Finding(
        value=spread_between(float(low), float(high), "results", mid=float(mid)),
        words={
            "results": digits(len(kept)),
            "least": human_percent(min(result.kept_share or 1.0 for result in found)),
            "most": human_percent(max(result.kept_share or 1.0 for result in found)),
            "kept": human_percent(float(mid)),
            "hours": digits(hours),
            "energy": median(spent, "kWh"),
            "queries": digits(float(billions.mid)),
            "tokens": digits(facts["query_tokens"]),
        },
        figures=(
            Figure("energy of the distillation", "kWh", spent),
            Figure("queries that repay it", "1", billions * 1e9),
        ),
        scenario=scenario,
    )


def low_rank(facts: Facts) -> Finding:
    """Check the claim on low-rank factorization."""
    width, rank = facts["width"], facts["rank"]
    pays = float(paying_rank(width, width))
    smaller = float(low_rank_params(width, width, rank) / width**2)
    found = results(facts.catalog, "low-rank")
    fifth = [result.lost_share() for result in found if result.kept_share == 0.8]
    lost = float(np.median(fifth))
    return Finding(
        value=Uncertain(pays / width),
        words={
            "pays": f"{pays:,.0f}",
            "share": human_percent(pays / width),
            "width": f"{width:,.0f}",
            "rank": digits(rank),
            "smaller": human_percent(smaller),
            "lost": human_percent(lost),
            "results": digits(len(fifth)),
            "trained": human_percent(float(low_rank_params(width, width, 8.0) / width**2)),
        },
        met=(lost <= 0.05,),
        figures=(
            Figure("parameters over those of the matrix", "share", Uncertain(smaller)),
            Figure("perplexity risen with a fifth less", "share", Uncertain(lost)),
        ),
        page="levers",
        query={"weights": "16", "low-rank": f"{max(smaller, 0.05):g}"},
    )


def transfer_learning(facts: Facts) -> Finding:
    """Check the claim on transfer learning from an existing model."""
    preset = facts.catalog.preset("bert-large")
    params = preset.records["params"].value
    tokens = facts["examples"] * facts["epochs"] * facts.uncertain("seq_len")
    tuning = Scenario(
        params=params,
        tokens=float(np.round(tokens.mid)),
        finetune="full",
        hardware="v100",
        devices=1.0,
        kind="language",
    )
    both = {
        "tuning": answer_scenario(tuning, facts.catalog).estimate,
        "training": answer_scenario(
            Scenario(preset="bert-large", hardware="v100", devices=1.0), facts.catalog
        ).estimate,
    }
    ratio = both["training"]["training_flop"] / (
        both["tuning"]["training_flop"] * tokens / tokens.mid
    )
    return Finding(
        value=ratio,
        words={
            "training": median(both["training"]["training_flop"], "FLOP"),
            "tuning": median(both["tuning"]["training_flop"], "FLOP"),
            "tuning_time": median(both["tuning"]["wall_hours"], "hour"),
            "training_time": median(both["training"]["wall_hours"], "hour"),
        },
        figures=(
            Figure("energy of the fine-tuning", "kWh", both["tuning"]["energy_kwh"]),
            Figure("energy of the pre-training", "kWh", both["training"]["energy_kwh"]),
            Figure("cost of the fine-tuning", "USD", both["tuning"]["cost_usd"]),
            Figure("cost of the pre-training", "USD", both["training"]["cost_usd"]),
        ),
        scenario=tuning,
    )


def datasets(facts: Facts) -> Finding:
    """Check the claim on sizes of data sets."""
    sets = {
        "ImageNet": ("imagenet_images", "imagenet_claimed", "images"),
        "Open Images": ("openimages_images", "openimages_claimed", "images"),
        "WMT 2014": ("translation_sentences", "translation_claimed", "sentences"),
        "LibriSpeech": ("librispeech_h", "librispeech_claimed", "hours"),
    }
    apart = {
        name: max(facts[counted] / facts[claimed], facts[claimed] / facts[counted])
        for name, (counted, claimed, _) in sets.items()
    }
    worst = max(apart, key=lambda name: apart[name])
    counted, claimed, unit = sets[worst]
    right = [name for name in sets if apart[name] <= facts.claimed]
    scenario = Scenario(preset="imagenet", hardware="v100", devices=8.0)
    one_pass = answer_scenario(scenario, facts.catalog).estimate
    return Finding(
        value=Uncertain(apart[worst]),
        words={
            "worst": worst,
            "counted": _millions(facts[counted]),
            "claimed": _millions(facts[claimed]),
            "unit": unit,
            "factor": digits(apart[worst]),
            "right": ", ".join(right),
            "french": _millions(facts["translation_sentences"]),
            "german": _millions(
                facts.claim.facts["translation_sentences"].low or facts["translation_sentences"]
            ),
            "time": median(one_pass["wall_hours"], "hour"),
            "energy": median(one_pass["energy_kwh"], "kWh"),
        },
        figures=(
            *(
                Figure(f"{name} over its size as claimed", "1", Uncertain(factor))
                for name, factor in apart.items()
            ),
            Figure("one pass over ImageNet on 8 V100", "kWh", one_pass["energy_kwh"]),
        ),
        scenario=scenario,
    )


def inference_edge(facts: Facts) -> Finding:
    """Check the claim on inference on a phone against a data center."""
    share = facts.uncertain("bandwidth_share")
    small = StoredDecoder(params=facts["params"], weight_bits=8 * facts["edge_bytes_per_param"])
    phone_op_per_s = facts.catalog.device("snapdragon-8-gen-3").peaks["int8"].value
    phone_s = _answer_s(facts, small, _roof(phone_op_per_s, facts["phone_bytes_per_s"]), 1.0)
    phone_kwh = facts.uncertain("phone_w") * phone_s / J_PER_KWH
    battery = phone_kwh / facts["battery_kwh"]
    cloud_s, cloud_kwh, network_kwh = _cloud_answer(facts)
    image_s = facts["image_flop"] / (phone_op_per_s * facts.uncertain("image_utilization"))
    times = {"time of an answer on a phone": phone_s, "time of an answer on an H100": cloud_s} | {
        f"time of an answer on {name}": _device_answer_s(facts, small, name)
        for name in ("jetson-agx-orin-64", "raspberry-pi-5")
    }
    return Finding(
        value=Uncertain(phone_s / cloud_s) * share / share.mid,
        words={
            "tokens": digits(facts["output_tokens"]),
            "bytes": human(float(small.weight_bytes()), "B"),
            "share": median(share, "share"),
            "bandwidth": human(facts["phone_bytes_per_s"], "B/s"),
            "phone": human_duration(phone_s),
            "cloud": human_duration(cloud_s),
            "battery": median(battery, "share"),
            "image": median(image_s, "s"),
            "cloud_energy": median(cloud_kwh, "kWh"),
            "edge": median(phone_kwh, "kWh"),
        },
        met=(float(image_s.mid) > 0.1,),
        figures=(
            *(Figure(name, "s", seconds * share.mid / share) for name, seconds in times.items()),
            Figure("energy of an answer on a phone", "kWh", phone_kwh),
            Figure("energy of an answer in the cloud", "kWh", cloud_kwh),
            Figure("of it the network", "kWh", network_kwh),
            Figure("share of the battery", "share", battery),
        ),
        page="levers",
        query={"weights": "4", "hardware": "jetson-agx-orin-64"},
    )


def _answer_s(facts: Facts, network: StoredDecoder, roof: Roof, batch: float) -> float:
    """Return the time to generate a response [s]."""
    load = Load(batch=batch, context=facts["output_tokens"])
    return float(step(network, load, roof).time_s) * facts["output_tokens"]


def _cloud_answer(facts: Facts) -> tuple[float, Uncertain, Uncertain]:
    """Return an H100's response time [s], its energy with the network, and the network's [kWh]."""
    network = StoredDecoder(params=facts["params"], weight_bits=8 * facts["cloud_bytes_per_param"])
    h100 = facts.catalog.device("h100")
    roof = _roof(h100.peaks["fp16"].value, h100.records["memory_bytes_per_s"].value)
    seconds = _answer_s(facts, network, roof, facts["cloud_batch"])
    hour = Scenario(device_hours=1.0, hardware="h100", devices=1.0)
    hour_kwh = answer_scenario(hour, facts.catalog).estimate["energy_kwh"]
    network_kwh = facts.uncertain("network_kwh_per_gb") * facts["answer_gb"]
    device_h = seconds / S_PER_H / facts.uncertain("cloud_batch")
    return seconds, hour_kwh * device_h + network_kwh, network_kwh


def _device_answer_s(facts: Facts, network: StoredDecoder, name: str) -> float:
    """Return the response time on a device of the catalog [s]."""
    device = facts.catalog.device(name)
    peak = max(record.value for record in device.peaks.values())
    return _answer_s(facts, network, _roof(peak, device.records["memory_bytes_per_s"].value), 1.0)


def _roof(peak: float, bytes_per_s: float) -> Roof:
    return Roof(peak_flop_per_s=peak, bytes_per_s=bytes_per_s)


def _spread(found: ResultSpread) -> Uncertain:
    return spread_between(found.low, found.high, "results", mid=found.mid)


def _ratio(found: list[Result]) -> Uncertain:
    return _spread(measured(found, "energy_ratio"))


def _millions(value: float) -> str:
    """Format a large count in millions."""
    return f"{digits(value / 1e6)} million" if value >= 1e6 else digits(value)
