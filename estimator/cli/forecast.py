"""`forecast`: alias of `calibrate forecast`."""

from estimator.cli.calibrate.forecast import add_parser

__all__ = ["add_parser"]
