"""Publish dist/ as a package repository in dist/repository/: static files for any web server or object store.

``publish`` serves the command and ``archive`` runs one publication: ``debs`` and ``rpms`` read packages, ``catalogue``
remembers them, ``intake`` adds new ones, ``apt`` and ``yum`` write the indices, ``signing`` signs them, ``page`` writes
the page for people, and ``swap`` replaces the old repository by the new one.
"""
