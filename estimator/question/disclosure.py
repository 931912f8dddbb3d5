"""Inputs of a disclosure besides the run: the contracts for its electricity."""

from dataclasses import dataclass

from estimator.question.inputs import Question, refuse


@dataclass(frozen=True, kw_only=True)
class Disclosure(Question):
    """Contracts for the electricity of a run, for market-based scope 2."""

    contract: float | None = None
    contract_share: float | None = None
    residual_mix: float | None = None

    def check(self) -> None:
        """Refuse a share of a contract that is not given.

        Raises
        ------
        Refusal
            Both inputs in one line.
        """
        if self.contract_share is not None and self.contract is None:
            raise refuse("share_without_contract", "contract_share")
