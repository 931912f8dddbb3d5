"""Run all benchmarks: `python -m benchmarks`."""

from benchmarks import batch, core, startup

core.main()
batch.main()
startup.main()
