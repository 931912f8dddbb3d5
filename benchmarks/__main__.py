"""Run all benchmarks: `python -m benchmarks`."""

from benchmarks import answer, batch, core, startup

core.main()
answer.main()
batch.main()
startup.main()
