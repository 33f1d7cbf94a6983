"""The package repository: from dist/ to dist/repository/, static files for any web server or object store.

``archive`` makes it out of what the other modules know: ``debs`` and ``rpms`` read packages, ``catalogue`` remembers
them, ``intake`` takes them in, ``apt`` and ``yum`` write the indices, ``signing`` signs, ``page`` tells people, and
``swap`` lets the new one take the old one's place.
"""
