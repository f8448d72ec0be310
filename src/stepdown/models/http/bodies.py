"""The bytes of a response, within bounds that hold after they were decompressed."""

from collections.abc import AsyncIterator

from stepdown.models.http.connections import HttpResponse
from stepdown.models.http.limits import RetryableError

# A reply of 128,000 tokens with a log-probability each has some 15 MiB; a stream has 300 bytes around each token.
MOST_BYTES = 32 << 20
MOST_STREAMED = 256 << 20


def too_big(what: str, most: int = MOST_BYTES) -> RetryableError:
    """Return the fault of what is longer than anybody reads."""
    return RetryableError(f"{what} of over {most >> 20} MiB", mark="too big", paid=True)


async def read_body(response: HttpResponse) -> tuple[bytes, Exception | None]:
    """Return the body, and what broke it off; raises `RetryableError` for one of over 32 MiB.

    A body that broke off may be whole all the same: a server may be wrong about its length.
    """
    import aiohttp

    parts, size, whole = list[bytes](), 0, False
    try:
        while chunk := await response.read():
            parts.append(chunk)
            size += len(chunk)
            if size > MOST_BYTES:
                raise too_big("a reply")
        whole = True
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return b"".join(parts), error
    finally:
        if not whole:
            response.close()
    return b"".join(parts), None


async def stream_body(response: HttpResponse) -> AsyncIterator[bytes]:
    """Yield the body as it comes; raises `RetryableError` after 256 MiB."""
    size = 0
    while chunk := await response.read():
        size += len(chunk)
        if size > MOST_STREAMED:
            raise too_big("a stream", MOST_STREAMED)
        yield chunk
