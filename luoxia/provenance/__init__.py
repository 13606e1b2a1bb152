"""How content says that it was made by AI: label, carriers, marks seen and unseen, credential, policy, verification.

Knows bytes, pixels and tokens; imports core, of data its decoding, of weights the vocabularies, of models the mark in texts.
"""
