"""What was made here: creations, what they came from, and jobs, in one SQL database. Imports provenance and the rooms above it."""
