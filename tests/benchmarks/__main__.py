"""Run all benchmarks: `python -m tests.benchmarks`."""

from tests.benchmarks import answer, batch, core, serving, startup

core.main()
answer.main()
batch.main()
serving.main()
startup.main()
