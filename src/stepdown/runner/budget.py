"""A budget in money and tokens that holds: what a call may cost is reserved before it is sent."""

import asyncio
from collections import defaultdict

import msgspec

from stepdown.errors import BudgetReached, UsageError
from stepdown.types import Messages, Pricing, Sampling, Usage

# Roles and separators that a chat template adds around each message, in tokens; generous.
TEMPLATE_TOKENS = 32
# Sums of prices are floats: a limit of 0.21 is met by 0.16 + 0.05.
ROUNDING = 1e-9


class Reservation(msgspec.Struct, frozen=True):
    """What a call may cost at most, the model that would be paid, and the run that pays."""

    model: str
    money: float
    tokens: int
    run: str = ""


class Spent(msgspec.Struct):
    """US dollars and tokens."""

    money: float = 0.0
    tokens: int = 0


def usage_bound(messages: Messages, sampling: Sampling, n: int) -> Usage:
    """Return an upper bound of a call's usage: no byte-level tokenizer makes more tokens than bytes."""
    size = sum(len(message.content.encode()) + TEMPLATE_TOKENS for message in messages)
    if sampling.form is not None:
        # What templates put around each tool is no more than the names of its JSON, which are counted.
        size += len(msgspec.json.encode(sampling.form)) + TEMPLATE_TOKENS
    return Usage(input=size, output=sampling.max_tokens * n)


def aborted_bound(messages: Messages, sampling: Sampling, size: int) -> Usage:
    """Return an upper bound on the usage of a call that was aborted after `size` bytes of output."""
    bound = usage_bound(messages, sampling, 1)
    return Usage(input=bound.input, output=min(bound.output, size))


class Budget:
    """Spending so far against a limit in US dollars and one in tokens (input and output, all roles).

    A reservation that does not fit waits for calls in flight to settle below what they reserved; when none is left
    in flight, `BudgetReached` is raised. So spending never passes a limit, and stops within one call of it.
    `covers` are the runs it is for, if it is for runs: what any process pays or reserves for them counts, as an
    `Account` sees to; `everyone` is what all have spent on them, in dollars and tokens, when that was last looked up.
    `priced` says whether `spent_money` is all of it: a call whose price is unknown counts nothing there. `by_run` is
    what calls of this budget's own cost each run, without what earlier commands spent.
    """

    def __init__(self, pricing: Pricing, *, money: float | None = None, tokens: int | None = None) -> None:
        self.pricing, self.money, self.tokens = pricing, money, tokens
        self.spent_money, self.spent_tokens, self.priced = 0.0, 0, True
        self.covers: tuple[str, ...] = ()
        self.everyone: tuple[float, int] = (0.0, 0)
        self.by_run: defaultdict[str, Spent] = defaultdict(Spent)
        self._held: dict[int, Reservation] = {}  # by identity: two calls may reserve the same
        self._held_money, self._held_tokens = 0.0, 0
        self._waiting: list[asyncio.Future[None]] = []

    def check(self, model: str) -> None:
        """Refuse a money budget for a model whose price is unknown, before anything is sent."""
        if self.money is not None and self.pricing.cost(model, Usage(1, 1)) is None:
            raise UsageError(
                f"the price of `{model}` is unknown, so a budget in money cannot hold",
                "give its price with --prices FILE, or use --max-tokens-total",
            )

    def limits(self, model: str) -> bool:
        """Whether calls of this model would have to be counted: any tokens, or tokens that are not free."""
        return self.tokens is not None or (self.money is not None and self.pricing.cost(model, Usage(1, 1)) != 0.0)

    def add(self, model: str, usage: Usage | None, run: str | None = None) -> None:
        """Count spending, of an earlier command unless a run is named."""
        cost = self.pricing.cost(model, usage)
        self.priced = self.priced and cost is not None
        self.count(cost or 0.0, usage.input + usage.output if usage else 0, run)

    def count(self, money: float, tokens: int, run: str | None) -> None:
        """Count so many US dollars and tokens, as `add` does those of one usage."""
        self.spent_money += money
        self.spent_tokens += tokens
        if run is not None:
            self.by_run[run].money += money
            self.by_run[run].tokens += tokens

    def check_held(self) -> None:
        """Raise `BudgetReached` where what is reserved no longer fits beside what is spent."""
        if not self._fits(Reservation("", 0.0, 0)):
            raise self.reached()

    async def reserve(self, model: str, bound: Usage, run: str = "") -> Reservation:
        """Hold what a call may use at most; waits while calls in flight may still free enough.

        Raises `BudgetReached`, and `UsageError` where the budget is in money and the model's price is unknown.
        """
        self.check(model)
        price = self.pricing.cost(model, bound)
        wanted = Reservation(model, price or 0.0, bound.input + bound.output, run)
        while not self._fits(wanted):
            if not self._held:
                raise self.reached(wanted)
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        self._held[id(wanted)] = wanted
        self._held_money += wanted.money
        self._held_tokens += wanted.tokens
        return wanted

    def settle(self, reservation: Reservation, usages: list[Usage] | None) -> None:
        """Replace a reservation by what was used: nothing by a call that failed.

        None, where the endpoint does not say, is taken for all of it.
        """
        self._release(reservation)
        if usages is None:
            self.count(reservation.money, reservation.tokens, reservation.run)
            self.priced = self.priced and self.pricing.cost(reservation.model, Usage(1, 1)) is not None
        for usage in usages or ():
            self.add(reservation.model, usage, reservation.run)

    def _release(self, reservation: Reservation) -> None:
        del self._held[id(reservation)]
        # What sums of floats leave over must not add up.
        self._held_money = self._held_money - reservation.money if self._held else 0.0
        self._held_tokens -= reservation.tokens
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)

    def allows(self, money: float, tokens: int) -> bool:
        """Whether this much may be spent in all."""
        return (self.money is None or money <= self.money + ROUNDING) and (self.tokens is None or tokens <= self.tokens)

    def _fits(self, wanted: Reservation) -> bool:
        if self.money is None and self.tokens is None:
            return True
        money = self.spent_money + self._held_money + wanted.money
        tokens = self.spent_tokens + self._held_tokens + wanted.tokens
        return self.allows(money, tokens)

    def reached(self, wanted: Reservation | None = None) -> BudgetReached:
        """Return the error that says what is spent, and what the next call may take where one is wanted."""
        money, tokens = max(self.spent_money, self.everyone[0]), max(self.spent_tokens, self.everyone[1])
        parts = []
        if self.money is not None:
            more = f"; the next call may cost ${wanted.money:.4f}" if wanted else ""
            parts.append(f"${money:.4f} of ${self.money:.4f}{more}")
        if self.tokens is not None:
            more = f"; the next call may use {wanted.tokens}" if wanted else ""
            parts.append(f"{tokens} of {self.tokens} tokens{more}")
        return BudgetReached(
            "the budget is reached: " + " and ".join(parts),
            "everything answered is kept; the same command with a larger budget goes on from here",
        )
