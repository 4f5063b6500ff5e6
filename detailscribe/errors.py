"""Exceptions for errors that the user can fix; any other exception is a bug."""


class InputError(ValueError):
    """A prompt file, topic list or config value is wrong; the message names the place, the value and the remedy."""


class SetupError(RuntimeError):
    """The machine or an account is not ready (weights, key, memory, disk); the message names the remedy."""
