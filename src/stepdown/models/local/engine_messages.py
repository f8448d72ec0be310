"""What a client and the resident engine say to one another, beside a worker's commands: lines of JSON."""

import msgspec

from stepdown.models.local.worker import Failed, Finished, TextDelta

# A line of a client holds a prompt at most.
MOST_LINE = 1 << 24


class Hello(msgspec.Struct, frozen=True):
    """The first line of a client: its proof that it has the token, and which model it asks, "" for none.

    `source` is what the client takes for the model's: an engine whose model has another one refuses. `stop`, of one
    that asks none, tells the engine to end.
    """

    nonce: str
    proof: str
    model: str = ""
    engine: str = ""
    source: str = ""
    logprobs: bool = False
    stop: bool = False


class Welcome(msgspec.Struct, frozen=True, tag=True):
    """The engine's answer to a `Hello`: its own proof; `refusal` says why it does not answer for that model."""

    proof: str
    refusal: str = ""


class LoadingNow(msgspec.Struct, frozen=True, tag=True):
    """The engine loads the model now, which takes about so long."""

    name: str
    seconds: float
    made_ready: bool


EngineMessage = Welcome | LoadingNow | TextDelta | Finished | Failed
encode = msgspec.json.encode
decode_hello = msgspec.json.Decoder(Hello).decode
decode_message = msgspec.json.Decoder(EngineMessage).decode
