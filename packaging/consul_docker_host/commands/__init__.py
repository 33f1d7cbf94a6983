"""What each task does: one module for each group of tasks, one function for each task."""
