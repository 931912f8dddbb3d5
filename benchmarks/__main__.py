"""Run all benchmarks: `python -m benchmarks`."""

from benchmarks import answer, batch, core, serving, startup

core.main()
answer.main()
batch.main()
serving.main()
startup.main()
