"""Networks, one architecture per file, and tokenizers. Imports nn and core."""
