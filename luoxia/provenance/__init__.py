"""How content says that AI made it: label, carriers, visible mark, policy. Imports core and data."""
