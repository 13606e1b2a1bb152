"""Classical Chinese verse: how characters sound, what the forms ask for, and the poems to learn from."""
