"""What a machine is handed at its first boot, made from the same tree as the packages."""
