"""What a model that takes no system line is said instead, the same by every engine and endpoint."""

from stepdown.types import Message, Messages


def fold_system(messages: Messages) -> Messages:
    """Return the messages with all system lines in front of the first turn of the user's, a blank line between."""
    lines = [message.content for message in messages if message.role == "system"]
    turns = [message for message in messages if message.role != "system"]
    if not lines:
        return messages
    at = next((index for index, turn in enumerate(turns) if turn.role == "user"), None)
    if at is None:
        return (Message("user", "\n\n".join(lines)), *turns)
    turns[at] = Message("user", "\n\n".join([*lines, turns[at].content]))
    return tuple(turns)


def has_system(messages: Messages) -> bool:
    """Whether any message is a system line."""
    return any(message.role == "system" for message in messages)
