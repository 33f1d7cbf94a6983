"""Packages of HashiCorp's own archive."""
