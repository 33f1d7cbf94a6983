"""What knows nothing of this project's subject and everything may use: errors, programs, paths, locks, reports."""
