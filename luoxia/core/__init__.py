"""Facts every room shares: runtime, seeds, configuration, folders, progress, language, errors. Imports no room."""
