"""What people write of formats, optimizers and sharding is read, or refused in one line."""

import pytest

from estimator.catalog import Catalog
from estimator.memory.formats import (
    read_attention,
    read_formats,
    read_optimizer,
    read_recomputation,
    read_sharding,
)
from estimator.memory.request import MemoryQuestion, read_memory
from estimator.validation.memory import question_of

CATALOG = Catalog.open()
CASES = CATALOG.table("runs/memory_cases.csv")


@pytest.mark.parametrize(
    ("text", "compute", "weights", "states"),
    [
        ("bf16", "bf16", None, None),
        ("bf16-true", "bf16", None, "pure"),
        ("bf16 AMP", "bf16", None, "mixed"),
        ("bf16/fp16 mixed", "bf16", None, "mixed"),
        ("bf16 autocast, fp32 master", "bf16", None, "mixed"),
        ("nf4 weights, bf16 compute", "bf16", "nf4", None),
        ("nf4-dq weights, bf16 compute", "bf16", "nf4-dq", None),
        ("nf4 double quant, bf16 compute", "bf16", "nf4-dq", None),
        ("int4 weights, fp16/bf16 compute", "fp16", "int4", None),
        ("int8 weights, bf16 compute", "bf16", "int8", None),
        ("GPTQ 4 bit g128", None, "int4", None),
        ("AWQ int4", None, "int4", None),
        ("bnb 4 bit", None, "nf4", None),
        ("bf16 (mxfp4 dequantised)", "bf16", None, None),
        ("fp8 tensorwise", "fp8", None, None),
        ("mxfp8", "fp8", None, None),
        ("bf16 weights, int8 KV", "bf16", None, None),
    ],
)
def test_a_precision_is_read_as_it_is_meant(text, compute, weights, states):
    found = read_formats(text)
    assert (found.compute, found.weights, found.states) == (compute, weights, states)


@pytest.mark.parametrize(
    ("text", "zero", "fsdp", "offload", "devices"),
    [
        ("none", None, False, False, None),
        ("fsdp 8", 3.0, True, False, 8.0),
        ("fsdp 2 + CPU offload", 3.0, True, True, 2.0),
        ("zero3 4", 3.0, False, False, 4.0),
        ("zero2", 2.0, False, False, None),
        ("ddp 2", 0.0, False, False, 2.0),
        ("tp 4", None, False, False, 4.0),
        ("pp (sequential layers) 8", None, False, False, 8.0),
    ],
)
def test_a_sharding_is_read_as_it_is_meant(text, zero, fsdp, offload, devices):
    found = read_sharding(text)
    assert (found.zero, found.fsdp, found.offload, found.devices) == (zero, fsdp, offload, devices)


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (read_optimizer, "lion"),
        (read_sharding, "everything everywhere"),
        (read_recomputation, "sometimes"),
        (read_attention, "please"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(read, text):
    with pytest.raises(ValueError, match=text[:5]) as refused:
        read(text)
    assert "\n" not in str(refused.value)


def test_a_precision_that_names_none_is_refused():
    with pytest.raises(ValueError, match="precision must be one of"):
        read_memory({"precision": "quick"})


def test_what_an_input_states_wins_over_what_another_implies():
    assert read_memory({"sharding": "fsdp 8", "devices": "16"}).devices == 16.0


def test_every_case_becomes_a_question_of_its_own_task():
    used = [row for row in CASES if row["use"] == "yes"]
    assert len(used) > 200
    for row in used:
        question = question_of(row)
        assert isinstance(question, MemoryQuestion)
        assert question.inference == (row["task"] == "inference")
        assert question.finetune == (
            row["task"] if row["task"] in ("full", "lora", "qlora") else None
        )
        assert (question.weights is not None) >= (row["task"] == "qlora")
