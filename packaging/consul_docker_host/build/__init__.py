"""Write artefacts into dist/ and a record of the build; a build that is up to date imports only ``last``."""
