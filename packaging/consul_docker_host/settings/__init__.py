"""Load the TOML files once, into one frozen value."""
