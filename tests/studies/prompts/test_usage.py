"""Usage files: every known format, what is passed over, and what a file of usage took."""

import json
import math

import pytest

from estimator.catalog import Catalog
from estimator.studies.prompts.answer import answer_prompt
from estimator.studies.prompts.question import PromptQuestion
from estimator.studies.prompts.usage import FORMATS, usage_of
from estimator.studies.prompts.used import usage_report
from tests.in_process import answer, refusal

SECRET = "my secret text"


def lines(*objects):
    return "\n".join(json.dumps(one) for one in objects)


CODEX = {
    **{"input_tokens": 900, "cached_input_tokens": 700, "output_tokens": 60},
    **{"reasoning_output_tokens": 20, "total_tokens": 960},
}
COUNTED = {
    "type": "event_msg",
    "payload": {
        "type": "token_count",
        "info": {"total_token_usage": CODEX, "last_token_usage": CODEX},
    },
}
CLAUDE = {
    "type": "assistant",
    "message": {
        **{"id": "msg_1", "model": "claude-sonnet-4-5", "content": [{"text": SECRET}]},
        "usage": {
            **{"input_tokens": 100, "cache_creation_input_tokens": 100},
            **{"cache_read_input_tokens": 700, "output_tokens": 60},
        },
    },
}
SPAN = {
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 900,
    "gen_ai.usage.cache_read.input_tokens": 700,
    "gen_ai.usage.output_tokens": 60,
}
OTLP = [
    {"key": key, "value": {"stringValue": one} if isinstance(one, str) else {"intValue": str(one)}}
    for key, one in SPAN.items()
]
OPENAI = {
    **{"object": "organization.usage.completions.result", "model": "gpt-4o"},
    **{"input_tokens": 900, "input_cached_tokens": 700, "output_tokens": 60},
    "num_model_requests": 1,
}
LITELLM = {
    **{"request_id": "a", "model": "gpt-4o", "prompt_tokens": 900, "completion_tokens": 60},
    "messages": SECRET,
}
ANTHROPIC = {
    **{"model": "claude-sonnet-4-5", "uncached_input_tokens": 100, "output_tokens": 60},
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 0},
    "cache_read_input_tokens": 700,
}
CSV = (
    "usage_date_utc,model_version,api_key,usage_input_tokens_no_cache,"
    "usage_input_tokens_cache_write_5m,usage_input_tokens_cache_write_1h,"
    "usage_input_tokens_cache_read,usage_output_tokens\n"
    "2026-01-01,claude-sonnet-4-5,my key,100,100,0,700,60\n"
)
FILES = {
    "OpenAI usage export": json.dumps({"object": "page", "data": [{"results": [OPENAI]}]}),
    "Anthropic usage export (CSV)": CSV,
    "Anthropic usage report": json.dumps({"data": [{"results": [ANTHROPIC]}]}),
    "Claude Code log": lines({"type": "user", "message": {"content": SECRET}}, CLAUDE, CLAUDE),
    "Codex log": lines(
        {"type": "turn_context", "payload": {"model": "gpt-5-codex"}}, COUNTED, COUNTED
    ),
    "OpenTelemetry GenAI span": json.dumps(
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"attributes": OTLP}]}]}]}
    ),
    "LiteLLM spend log": json.dumps([LITELLM, LITELLM]),
}


def test_there_is_a_file_of_every_format():
    assert set(FILES) == {form.name for form in FORMATS}


@pytest.mark.parametrize("name", FILES)
def test_every_format_gives_its_counts_once_and_nothing_else(name):
    (found,) = usage_of(FILES[name].encode())
    assert found.output_tokens == 60
    assert found.input_tokens == 900
    assert found.cached_tokens == (0 if "LiteLLM" in name else 700)
    assert math.isnan(found.requests) == ("Anthropic" in name)
    assert SECRET not in repr(found) and "key" not in repr(found)
    assert found.model in ("gpt-4o", "gpt-5-codex", "claude-sonnet-4-5")


def test_damaged_lines_and_foreign_values_are_passed_over():
    text = lines(LITELLM, {"model": "gpt-4o", "prompt_tokens": 10**400, "completion_tokens": "x"})
    (found,) = usage_of(f"{text}\n{{broken\n[[[\nnull".encode())
    assert (found.requests, found.output_tokens) == (1, 60)
    nested = "[" * 5000 + "]" * 5000
    for content in (b"", b"hello, world", b"\xff\xfe\x00", nested.encode(), b"{}"):
        with pytest.raises(ValueError, match="no usage can be read"):
            usage_of(content)


def test_a_file_takes_what_its_requests_take():
    catalog = Catalog.open()
    used = usage_of(lines(*({**LITELLM, "request_id": str(one)} for one in range(10))).encode())
    report = usage_report(used, PromptQuestion(), catalog)
    asked = PromptQuestion(model="gpt-4o", input_tokens=900.0, output_tokens=60.0, cached_share=0.0)
    one = answer_prompt(asked, catalog).energy_wh
    assert report.mid("energy_wh") == pytest.approx(10 * one.mid)
    assert report.facts["models"][0]["requests"] == 10


def test_the_command_names_what_it_left_out(tmp_path):
    path = tmp_path / "usage.jsonl"
    path.write_text(lines(LITELLM, {**LITELLM, "request_id": "b", "model": "in-house"}), "utf-8")
    found = answer("prompt --usage", path)
    assert set(found["energy_wh"]) == {"low", "mid", "high"} and found["assumptions"]
    assert any("in-house is unknown" in line for line in found["warnings"])
    assert "--task is read from the file" in refusal("prompt --task chat --usage", path)
    refusal("prompt --usage", tmp_path / "none.json")
