"""Write the files that configure a machine at its first boot, from the same tree as the packages."""
