"""Package Consul from HashiCorp's own archive."""
