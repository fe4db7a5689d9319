"""What the command says in one sentence. Imports nothing."""

__all__ = ["UserError"]


class UserError(ValueError):
    """Something in the user's hands is wrong; the message is the one sentence to print."""
