"""Words found by their bytes are those that the expression for words finds."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepdown.corpus.selection.filters import words
from stepdown.corpus.selection.word_hashes import hashed_words

polars = pytest.importorskip("polars", reason="corpora need the extra `data`")
SIGNS = "ab c1 2.,:*+-/=<>^%_\n'“×÷−→•AZ()$  éÉßĲ\x01\x00\x04ſKИи٣𝟙"
TEXTS = st.lists(st.text(st.sampled_from(SIGNS)) | st.text() | st.integers(1, 120).map("xY".__mul__), max_size=20)


@given(TEXTS)
def test_every_text_has_its_words_each_with_a_hash_of_its_own(texts: list[str]) -> None:
    texts = [text.encode(errors="replace").decode() for text in texts]
    hashes, counts = hashed_words(polars.Series("text", texts, dtype=polars.String))
    expected = [words(text) for text in texts]
    assert counts.tolist() == [len(one) for one in expected]
    pairs = set(zip(chain.from_iterable(expected), hashes.tolist(), strict=True))
    assert len(pairs) == len({word for word, _ in pairs}) == len({number for _, number in pairs})
