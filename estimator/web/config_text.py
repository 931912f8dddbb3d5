"""How much work is a pasted config.json: the same route as `--config` of the command line."""

import tempfile
from pathlib import Path

from estimator.catalog import Catalog
from estimator.scenario import Scenario, read_number
from estimator.trail import Trail
from estimator.work_lookup import find_work

FILE = "config.json"


def work_of_config(
    text: str, tokens: str, seq_len: str, catalog: Catalog
) -> tuple[dict[str, float | str | None], tuple[str, ...]]:
    """Work of training the model of a config on so many tokens, and what to know about it.

    Returns
    -------
    dict, tuple of str
        Fields of the scenario that say the same work without the config; notes.

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
            work = find_work(scenario, catalog, trail)
        except ValueError as error:
            raise ValueError(str(error).replace(str(path), FILE)) from None
    flop = work.workload.training_flop
    if flop is None:
        raise ValueError(f"{FILE} does not say how much work it is")
    found = {
        "flop": float(f"{float(flop.mid):.6g}"),
        "params": work.params,
        "width": work.hidden,
        "seq_len": work.seq_len,
        "kind": work.kind,
        "arch": work.arch or None,
    }
    return found, tuple(trail.warnings)
