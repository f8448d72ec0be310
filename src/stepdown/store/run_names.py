"""Which runs a word means: the one with this id, those that people call so, or those whose ids begin so."""

from stepdown.errors import UnknownName, UsageError
from stepdown.store.database import Database
from stepdown.store.schema import LABELS_SINCE

_MOST_CANDIDATES = 8


def ids_called(database: Database, word: str) -> list[str]:
    """Return the ids of the runs a word means, oldest first: by id, else by name, else by the beginning of an id."""
    if not word or not word.isprintable():
        return []
    found = _ids(database, "id = ?", word)
    if not found and database.value("pragma user_version") >= LABELS_SINCE:
        found = _ids(database, "id in (select run from labels where kind = 'name' and value = ?)", word)
    return found or _ids(database, "substr(id, 1, length(?1)) = ?1", word)


def id_called(database: Database, word: str) -> str:
    """Return the id of the only run a word means. Raises `UnknownName` for none, `UsageError` for several."""
    found = ids_called(database, word)
    if len(found) > 1:
        raise ambiguous(word, found)
    if not found:
        raise UnknownName("run", word, known_words(database))
    return found[0]


def ambiguous(word: str, runs: list[str]) -> UsageError:
    """Return the error of a word that means several runs where one is wanted."""
    named = ", ".join(f"`{one}`" for one in runs[:_MOST_CANDIDATES])
    more = f" and {len(runs) - _MOST_CANDIDATES} more" if len(runs) > _MOST_CANDIDATES else ""
    return UsageError(f"`{word}` means {len(runs)} runs", f"name one of {named}{more}; see `stepdown runs`")


def known_words(database: Database) -> list[str]:
    """Return what runs can be called: ids and names."""
    rows = [str(run) for (run,) in database.db.execute("select id from runs order by created, id")]
    if database.value("pragma user_version") >= LABELS_SINCE:
        named = "select distinct value from labels where kind = 'name' and value != ''"
        rows += [str(name) for (name,) in database.db.execute(named)]
    return rows


def _ids(database: Database, where: str, word: str) -> list[str]:
    rows = database.db.execute(f"select id from runs where {where} order by created, id", (word,))
    return [str(run) for (run,) in rows]
