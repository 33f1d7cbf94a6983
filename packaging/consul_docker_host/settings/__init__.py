"""TOML files become one frozen value, once."""
