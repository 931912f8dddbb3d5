"""Energy, CO2e, water and electricity of one question to a model, a day or a year of use."""

from estimator.core.notice import add_messages

add_messages(
    prompt_model_unknown=(
        "unknown model {name!r}: write gpt, claude, gemini, mistral or deepseek, or an open model "
        "with its size, such as llama-3.1-8b"
    ),
    prompt_of_class=(
        "{name} is not disclosed: a distribution over models of its class stands for it"
    ),
    prompt_other_task="{name} does not do this task; set {set[task]}, or another {set[model]}",
    prompt_no_tokens="{field} means nothing for {task}, which is not written token by token",
    prompt_usage_unread=(
        "no usage can be read: {why}; known are exports of OpenAI and Anthropic, logs of LiteLLM, "
        "Claude Code and Codex, and OpenTelemetry GenAI spans"
    ),
    prompt_usage_left_out="{name} is unknown: its {tokens:count} tokens are left out",
    prompt_requests_assumed=(
        "the file does not count requests: assuming one for each {tokens:count} tokens written"
    ),
    prompt_water_partly="water used in cooling on site is unknown; only that of the power plants",
)
