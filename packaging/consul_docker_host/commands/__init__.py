"""The functions of the tasks: one module for each group of tasks, one function for each task."""
