"""How much work is a pasted config.json: the same route as `--config` of the command line."""

import tempfile
from pathlib import Path

from estimator.catalog import Catalog
from estimator.scenario import Scenario, read_number
from estimator.trail import Trail
from estimator.work_lookup import find_work

FILE = "config.json"


def flop_of_config(
    text: str, tokens: str, seq_len: str, catalog: Catalog
) -> tuple[float, tuple[str, ...]]:
    """FLOPs of training the model of a config on so many tokens, and what to know about them.

    Raises
    ------
    ValueError
        In one line: the text is no config of a known family, or the tokens are missing.
    """
    if not text.strip():
        raise ValueError("paste or upload the config.json of a model")
    if not tokens.strip():
        raise ValueError("say the training tokens")
    trail = Trail()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, FILE)
        path.write_text(text, encoding="utf-8")
        scenario = Scenario(
            config=str(path),
            tokens=read_number("tokens", tokens),
            seq_len=read_number("seq_len", seq_len) if seq_len.strip() else None,
        )
        try:
            flop = find_work(scenario, catalog, trail).workload.training_flop
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), FILE)) from None
    if flop is None:
        raise ValueError(f"{FILE} does not say how much work it is")
    return float(f"{float(flop.mid):.6g}"), tuple(trail.warnings)
