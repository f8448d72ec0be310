"""What is wrong with a command line, in words of the house: what was typed in backticks, and the way out."""

import re
from collections.abc import Sequence
from typing import Literal, get_args, get_origin

from cyclopts import (
    App,
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    Token,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from stepdown.cli.overview import BELOW
from stepdown.errors import UsageError, closest

_FRACTION = re.compile(r"[+-]?\d*\.\d*[1-9]\d*")
_WORDS: dict[type | None, str] = {int: "a whole number", float: "a number", bool: "yes or no"}


def usage_error(app: App, error: CycloptsError, tokens: Sequence[str]) -> UsageError:
    """Return what was wrong with a command line; a required option that was not given is said to be missing."""
    chain = error.command_chain or ()
    help_of = f"`{' '.join(('stepdown', *chain))} --help` lists the options"
    if isinstance(error, UnknownCommandError):
        return _unknown_verb(app, (error.unused_tokens or [""])[0])
    if isinstance(error, UnusedCliTokensError):
        examples = [example for verb, example in BELOW.items() if verb.split()[:-1] == [*chain]]
        hint = f"such as `{examples[0]}`; `{' '.join(('stepdown', *chain))} --help` lists all" if examples else help_of
        return UsageError(_unused(app, error), _once_more(app, error, tokens) + hint)
    if isinstance(error, UnknownOptionError):
        return UsageError(_no_option(app, chain, error.token.keyword or error.token.value), help_of)
    if isinstance(error, CoercionError) and error.token is not None and error.msg is None:
        return _no_value(error, error.token, help_of)
    if not isinstance(error, MissingArgumentError):
        return UsageError(str(error).strip(), help_of)
    # A misspelt option is what is missing: it is named before what then lacks a value.
    if unknown := _unknown_option(app, chain, tokens):
        return UsageError(unknown, help_of)
    if error.argument is not None and error.keyword is None:
        return UsageError(f"`stepdown {' '.join(chain)}` needs `{error.argument.name}`", help_of)
    return UsageError(str(error).strip(), help_of)


def check_whole(app: App, tokens: Sequence[str]) -> None:
    """Raise `UsageError` for a fraction given to an option that takes a whole number: it would be rounded."""
    given = [(word, at) for at, word in enumerate(tokens) if _FRACTION.fullmatch(word.rpartition("=")[2])]
    if not given:
        return
    chain, apps, _ = app.parse_commands(tokens)
    arguments = apps[-1].assemble_argument_collection()
    for word, at in given:
        name, mark, value = word.rpartition("=")
        name = name if mark else tokens[at - 1]
        if any(name in one.names and _is_whole(one.hint) for one in arguments):
            help_of = f"`{' '.join(('stepdown', *chain))} --help` lists the options"
            raise UsageError(f"`{name}` cannot be `{value}`", f"it takes {_WORDS[int]}; {help_of}")


def _is_whole(hint: object) -> bool:
    kinds = {hint, *get_args(hint)}
    return int in kinds and float not in kinds


def _unknown_verb(app: App, word: str) -> UsageError:
    close = closest(word, [name for name in app.resolved_commands() if not name.startswith("-")])
    hint = "`stepdown` alone lists the verbs"
    return UsageError(f"there is no verb `{word}`", f"did you mean `{close[0]}`? {hint}" if close else hint)


def _no_value(error: CoercionError, token: Token, help_of: str) -> UsageError:
    """Return that an option, or what a verb is given first, takes other words, or a number."""
    name = token.keyword or (error.argument.name if error.argument is not None else "it")
    what = f"`{name}` cannot be `{token.value}`"
    if get_origin(error.target_type) is not Literal:
        wanted = _WORDS.get(error.target_type)
        return UsageError(what, f"it takes {wanted}; {help_of}" if wanted else help_of)
    choices = [str(one) for one in get_args(error.target_type)]
    close = closest(token.value, choices)
    hint = f"it takes {', '.join(f'`{one}`' for one in choices)}"
    return UsageError(what, f"did you mean `{close[0]}`? {hint}" if close else hint)


def _command(app: App, verbs: Sequence[str]) -> App:
    for verb in verbs:
        app = app[verb]
    return app


def _unused(app: App, error: UnusedCliTokensError) -> str:
    """Return that a verb has no such command of its own, or takes fewer words."""
    command, words = _command(app, error.command_chain or ()), list(error.unused_tokens or ())
    known = [name for name in command.resolved_commands() if not name.startswith("-")]
    close = closest(words[0], known) if words else []
    verb = " ".join(("stepdown", *(error.command_chain or ())))
    if close:
        return f"`{verb}` has no `{words[0]}`; did you mean `{close[0]}`?"
    if known:
        return f"`{verb}` has no `{' '.join(words)[:80]}`: it has {', '.join(f'`{one}`' for one in known)}"
    return f"`{verb}` takes no more words, and was given `{' '.join(words)[:80]}` too"


def _once_more(app: App, error: UnusedCliTokensError, tokens: Sequence[str]) -> str:
    """Return how a word too many is given where it stands behind the value of an option that takes several."""
    at = list(tokens).index(word) if (word := next(iter(error.unused_tokens or ()), "")) in tokens else 0
    option = tokens[at - 2] if at > 1 else ""
    for argument in _command(app, error.command_chain or ()).assemble_argument_collection():
        if option in argument.names and option.startswith("-") and get_origin(argument.hint) in {list, tuple}:
            return f"give the option again: `{option} {word}`; "
    return ""


def _unknown_option(app: App, verbs: Sequence[str], tokens: Sequence[str]) -> str:
    """Return what is wrong with the first word that looks like an option and is none of the verb's, "" without one."""
    known = {*_options(app, verbs), "--help", "--version"}
    given = (word.partition("=")[0] for word in tokens[: [*tokens, "--"].index("--")])
    for word in given:
        if re.fullmatch(r"--[a-z][a-z_-]+", word) and word.replace("_", "-") not in known:
            return _no_option(app, verbs, word)
    return ""


def _no_option(app: App, verbs: Sequence[str], word: str) -> str:
    close = closest(word, [name for name in _options(app, verbs) if not name.startswith("--empty-")])
    return f"there is no option `{word}`" + (f"; did you mean `{close[0]}`?" if close else "")


def _options(app: App, verbs: Sequence[str]) -> set[str]:
    return {name for argument in _command(app, verbs).assemble_argument_collection() for name in argument.names}
