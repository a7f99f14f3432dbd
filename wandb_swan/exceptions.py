"""The one exception that a user of the command line, of `convert` or of the settings may catch."""


class WandbSwanError(Exception):
    """Something the user can put right; its text says what to do.

    Never raised into training code: there it becomes one warning, and wandb goes on alone.
    """


class UnknownFormatError(WandbSwanError):
    """A journal has a format that this version does not know: nothing in it may mean what it seems to mean."""


class ExperimentEnded(WandbSwanError):
    """SwanLab's server has ended an online experiment: what is sent to it now would not be shown."""
