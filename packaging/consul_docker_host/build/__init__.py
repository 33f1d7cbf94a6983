"""Artefacts in dist/, and the record of the build before: an unchanged build imports that one alone."""
