"""How content says that it was made by AI: label, carriers, marks seen and unseen, credential, policy, verification.

Knows bytes and pixels; imports core, and of data its decoding.
"""
