"""A model: it adds up the numbers of the first line it is shown."""

import re

from stepdown import CustomModel, Message, Reply, Sampling


class Adder(CustomModel):
    """Answers `adder/NAME`: the sum of the numbers in a question."""

    def __init__(self, name: str) -> None:
        self.name = f"adder/{name}"

    async def reply(self, messages: tuple[Message, ...], sampling: Sampling, n: int = 1) -> list[Reply]:
        """Return n times the same reply."""
        question = messages[-1].content.partition("?")[0]
        total = sum(int(number) for number in re.findall(r"\d{1,9}", question))
        return [Reply(f"The sum is {total}.\nAnswer: {total}", self.name)] * n
