"""Settings and a description become a rendered tree and its plan, for every package."""
