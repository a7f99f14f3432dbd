"""The one exception that a user of the command line, of `convert` or of the settings may catch."""


class WandbSwanError(Exception):
    """Something the user can put right; its text says what to do.

    Never raised into training code: there it becomes one warning, and wandb goes on alone.
    """
