"""What a pasted config.json says: the same route as `--config` of the command line."""

from estimator.scenario.scenario import read_number
from estimator.scenario.workload import compact_config, read_network


def scenario_of_config(
    text: str, tokens: str, seq_len: str, *, sampled: bool = False
) -> dict[str, float | str | None]:
    """Fields of the scenario that train the model of a config on so many tokens, or samples.

    Raises
    ------
    ValueError
        In one line: the text is no config of a known family, or the tokens are missing.
    """
    if not text.strip():
        raise ValueError("paste or upload the config.json of a model")
    if not (tokens.strip() or sampled):
        raise ValueError("say the training tokens")
    length = read_number("seq_len", seq_len) if seq_len.strip() else None
    config = compact_config(text.strip())
    read_network(config, length)
    seen = read_number("tokens", tokens) if tokens.strip() else None
    return {"config": config, "tokens": seen, "seq_len": length}
