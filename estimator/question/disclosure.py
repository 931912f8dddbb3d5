"""Inputs of a disclosure besides the run: electricity contracts."""

from dataclasses import dataclass

from estimator.question.inputs import Question, refuse


@dataclass(frozen=True, kw_only=True)
class Disclosure(Question):
    """Electricity contracts of a run, for market-based scope 2."""

    contract: float | None = None
    contract_share: float | None = None
    residual_mix: float | None = None

    def check(self) -> None:
        """Refuse a contract share without a contract.

        Raises
        ------
        Refusal
            With both inputs, in one line.
        """
        if self.contract_share is not None and self.contract is None:
            raise refuse("share_without_contract", "contract_share")
