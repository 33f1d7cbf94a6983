"""Render settings and a package's description into a tree and its plan, for every package."""
