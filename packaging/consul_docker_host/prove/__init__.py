"""What a pipeline runs: suites, linters, benchmarks, and the programs that they need."""
