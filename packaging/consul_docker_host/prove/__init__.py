"""Run the checks of a pipeline: suites, linters and benchmarks, and install the programs that they need."""
