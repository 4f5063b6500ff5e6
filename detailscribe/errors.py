"""The two kinds of mistake a user can make; everything else is ours."""


class InputError(ValueError):
    """A prompt file, topic list or config value is wrong; the message names the place, the value and the way out."""


class SetupError(RuntimeError):
    """The machine or an account is not ready (weights, key, memory, disk); the message is a sentence on what to do."""
