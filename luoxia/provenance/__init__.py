"""How content says that it was made by AI: label, carriers, visible mark, policy. Imports core alone, and data.decoding."""
