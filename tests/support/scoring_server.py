"""A server that tells of a small model what vLLM tells: `/tokenize`, and `/v1/completions` with `prompt_logprobs`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from loopback_server import JsonHandler, serving
from small_students import small_tokenizer

Answer = dict[str, Any]


class ScoringModel:
    """The model of a folder and its tokenizer, by the bodies of requests.

    `silent` leaves log-probabilities out; `end` is the token that ends a text, the tokenizer's where None. As in vLLM,
    what looks like a special token in a text is one.
    """

    def __init__(self, folder: Path, *, silent: bool = False, end: int | None = None) -> None:
        from transformers import AutoModelForCausalLM

        self.model: Any = AutoModelForCausalLM.from_pretrained(folder).eval()
        self.tokenizer, self.silent = small_tokenizer(), silent
        self.end = self.tokenizer.eos_token_id if end is None else end

    def answer(self, path: str, body: Answer) -> Answer | None:
        """Return what is answered; None for a path that it does not have."""
        if path == "/tokenize":
            return {"tokens": self._tokens(body)}
        return {"choices": [self._completion(body)]} if path == "/v1/completions" else None

    def _tokens(self, body: Answer) -> list[int]:
        if "messages" in body:
            text = self.tokenizer.apply_chat_template(body["messages"], tokenize=False, add_generation_prompt=True)
            return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        return list(self.tokenizer(body["prompt"], add_special_tokens=False)["input_ids"])

    def _completion(self, body: Answer) -> Answer:
        import torch

        row = torch.tensor([body["prompt"]])
        with torch.no_grad():
            scores = self.model(row).logits[0].log_softmax(-1)
            written = self.model.generate(
                row, max_new_tokens=body["max_tokens"], do_sample=False, eos_token_id=self.end
            )[0, row.shape[1] :].tolist()
        after = zip(scores[:-1], body["prompt"][1:], strict=True)
        told = [None, *({str(token): {"logprob": float(at[token])}} for at, token in after)]
        ended = written[-1] == self.end
        text = self.tokenizer.decode(written[: len(written) - ended], skip_special_tokens=True)
        found = {"text": text, "finish_reason": "stop" if ended else "length"}
        return found if self.silent else {**found, "prompt_logprobs": told}


@contextmanager
def scoring_server(folder: Path, *, silent: bool = False, end: int | None = None) -> Iterator[str]:
    """Serve the model of a folder on this machine; gives its base URL."""
    scored = ScoringModel(folder, silent=silent, end=end)

    class Handler(JsonHandler):
        def do_POST(self) -> None:
            self.send(scored.answer(self.path, msgspec.json.decode(self.body())))

    with serving(Handler) as address:
        yield f"{address}/v1"
