"""One generation as it happens: what is given out, when, and what is said about it."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from tiny_text import byte_tokenizer, tiny_text_model

from luoxia.generate.constraint import Constraint
from luoxia.generate.decoding import CHUNK
from luoxia.generate.sampling import penalised
from luoxia.generate.stream import Emitter, score

BYTES = byte_tokenizer()
CHINESE = "落霞与孤鹜齐飞，秋水共长天一色。🦆👩‍🚀é"


@pytest.fixture(scope="module")
def tiny():
    return tiny_text_model()


def tokens_of(stream) -> list:
    return [token for piece in stream for token in piece.tokens]


def written(model, prompt: str, **sampling) -> list[int]:
    """The ids that a stream chooses; a stop text would hide some of them."""
    return [token.id for token in tokens_of(model.stream(prompt, logprobs=0, **sampling))]


def emitted(ids, stops) -> tuple[list[str], bool]:
    out, pieces = Emitter(BYTES, stops), []
    for token in ids:
        pieces.append(out.push(token))
        if out.stopped:
            break
    return [*pieces, out.rest()], out.stopped


def cut(ids, stops) -> tuple[str, bool]:
    """The same by definition: the text up to the stop that is whole first."""
    for n in range(1, len(ids) + 1):
        text = BYTES.decode(ids[:n])
        found = [text.find(stop) for stop in stops if stop in text]
        if found:
            return text[: min(found)], True
    return BYTES.decode(ids), False


STOPS = st.lists(st.text("ab天", min_size=1, max_size=4), max_size=3)


@given(st.text("ab天🦆", max_size=14), STOPS)
@example("abab", ["bab", "ba天"])
@example("aab", ["ab"])
@example("abab", ["abb", "b"])
def test_stop_texts_are_cut_wherever_they_come(text, stops):
    ids = BYTES.encode(text)
    pieces, stopped = emitted(ids, stops)
    assert ("".join(pieces), stopped) == cut(ids, stops)


@given(st.text("ab天🦆", max_size=14), STOPS)
def test_all_is_given_out_at_once_but_what_a_stop_text_could_begin_with(text, stops):
    out, given_out = Emitter(BYTES, stops), ""
    ids = BYTES.encode(text)
    for n, token in enumerate(ids, start=1):
        given_out += out.push(token)
        if out.stopped:
            return
        whole = bytes(b for c in text for b in c.encode())[:n].decode(errors="ignore")
        held = whole[len(given_out) :]
        assert whole == given_out + held
        assert not held or any(stop.startswith(held) for stop in stops)
        ends = (whole[-k:] for k in range(1, len(whole) + 1))
        assert max(
            (len(e) for e in ends if any(s.startswith(e) and s != e for s in stops)), default=0
        ) == len(held)


@given(st.lists(st.integers(0, 255), max_size=30))
def test_bytes_that_are_no_text_come_out_as_the_tokenizer_decodes_them(ids):
    assert "".join(emitted(ids, [])[0]) == BYTES.decode(ids)


def test_characters_are_given_out_whole():
    pieces, _ = emitted(BYTES.encode(CHINESE), [])
    assert [piece for piece in pieces if piece] == list(CHINESE)


def test_half_a_character_at_the_end_shows_as_a_mark():
    assert "".join(emitted(BYTES.encode("a天")[:-1], [])[0]) == "a\ufffd"


def test_after_a_stop_text_nothing_more_comes():
    out = Emitter(BYTES, ["b"])
    pieces = [out.push(token) for token in BYTES.encode("xb")]
    assert (pieces, out.stopped, out.rest()) == (["x", ""], True, "")


def test_of_two_stop_texts_in_one_token_the_first_counts(smollm):
    [token] = smollm.tokenizer.encode(" hello")
    out = Emitter(smollm.tokenizer, ["lo", "el"])
    assert (out.push(token), out.stopped) == (" h", True)


def test_the_same_seed_chooses_the_same_tokens_and_another_others(tiny, smollm):
    for model in (tiny, smollm):
        one, same, other = (
            written(model, "Once", max_new_tokens=16, temperature=1.0, seed=s) for s in (7, 7, 8)
        )
        assert one == same
        assert one != other


def test_chinese_and_emoji_come_in_whole_characters(smollm):
    # What the model sees it repeats: a strong pull to the characters of the prompt, each of several tokens.
    stream = smollm.stream(
        f"{CHINESE}\n" * 6, max_new_tokens=48, temperature=0, repetition_penalty=1.0, logprobs=0
    )
    pieces = list(stream)
    ids = [token.id for piece in pieces for token in piece.tokens]
    assert len(ids) == stream.completion_tokens
    assert "".join(pieces[:-1]) in f"{CHINESE}\n" * 9
    assert len(ids) > len(pieces) + 10
    assert "".join(pieces) == smollm.tokenizer.decode(ids)
    assert not any("\ufffd" in piece for piece in pieces[:-1])


@torch.no_grad()
def test_the_penalty_counts_the_prompt_and_all_that_was_written(tiny):
    ids = tiny.tokenizer.encode("water")
    for _ in range(20):
        logits = tiny.network(torch.tensor([ids]))[0, -1].numpy()
        ids.append(int(penalised(logits, ids, 3.0).argmax()))
    assert ids[5:] == written(tiny, "water", max_new_tokens=20, temperature=0, repetition_penalty=3.0)
    assert ids[5:] != written(tiny, "water", max_new_tokens=20, temperature=0, repetition_penalty=1.0)


@pytest.mark.parametrize(
    "knobs", [{}, {"temperature": 3.0, "top_k": 40, "repetition_penalty": 1.8, "seed": 1}]
)
def test_log_probabilities_are_the_models_own_before_any_knob(tiny, knobs):
    tokens = tokens_of(tiny.stream("water", max_new_tokens=20, logprobs=5, **knobs))
    ids = tiny.tokenizer.encode("water")
    with torch.no_grad():
        logits = tiny.network(torch.tensor([[*ids, *(t.id for t in tokens)]]))[0, len(ids) - 1 : -1]
    expected = logits.double().log_softmax(-1)
    assert len(tokens) == 20
    for token, row in zip(tokens, expected, strict=True):
        assert token.logprob == pytest.approx(row[token.id].item(), abs=1e-4)
        values, best = row.topk(5)
        assert [t[1] for t in token.top] == best.tolist()
        assert [t[2] for t in token.top] == pytest.approx(values.tolist(), abs=1e-4)
        assert token.token == tiny.tokenizer.token(token.id)


def test_a_constraint_does_not_change_what_the_model_finds_likely(smollm):
    free = tokens_of(smollm.stream("The capital of France is", max_new_tokens=1, logprobs=3, temperature=0))
    choice = Constraint.from_choices([" zebra"])
    bound = tokens_of(smollm.stream("The capital of France is", constraint=choice, logprobs=3, temperature=0))
    assert bound[0].top == free[0].top
    assert bound[0].logprob < bound[0].top[-1][2]


def test_scores_are_a_log_softmax_with_the_lower_id_first_among_equals():
    logits = np.array([1.0, 3.0, 2.0, 3.0, -np.inf], np.float32)
    found = score(logits, 2, 4, BYTES)
    expected = torch.from_numpy(logits).double().log_softmax(-1).tolist()
    assert [t[1] for t in found.top] == [1, 3, 2, 0]
    assert [t[2] for t in found.top] == pytest.approx([expected[i] for i in (1, 3, 2, 0)])
    assert found.logprob == pytest.approx(expected[2])
    assert score(logits + 1000, 2, 0, BYTES).logprob == pytest.approx(expected[2])
    assert score(logits, 2, 0, BYTES).top == ()


def test_every_token_is_scored_once_though_its_text_is_held_back(tiny):
    whole = tiny.stream("ab", max_new_tokens=12, temperature=0).text()
    for stop in (whole[5:9], whole[-1] + "never"):
        stream = tiny.stream("ab", max_new_tokens=12, temperature=0, stop=(stop,), logprobs=0)
        ids = [token.id for token in tokens_of(stream)]
        assert ids == written(tiny, "ab", max_new_tokens=12, temperature=0)[: stream.completion_tokens]
        assert len(ids) == stream.completion_tokens


def test_without_being_asked_nothing_is_scored(tiny):
    assert tokens_of(tiny.stream("ab", max_new_tokens=5)) == []


def test_a_stop_text_ends_the_work_too(tiny):
    whole = tiny.stream("ab", max_new_tokens=30, temperature=0).text()
    stop = whole[2:5]
    stream = tiny.stream("ab", max_new_tokens=30, temperature=0, stop=(stop,))
    assert stream.text() == whole[: whole.index(stop)]
    assert stream.finish_reason == "stop"
    assert stream.completion_tokens < 30


def test_the_models_own_end_is_no_part_of_the_answer(tiny):
    ids = written(tiny, "water", max_new_tokens=20, temperature=1.0, seed=3)
    last = next(n for n, token in enumerate(ids) if n > 3 and token not in ids[:n])
    stream = tiny_text_model(stop_ids=frozenset({ids[last]})).stream(
        "water", max_new_tokens=20, temperature=1.0, seed=3
    )
    assert stream.text() == tiny.tokenizer.decode(ids[:last])
    assert (stream.finish_reason, stream.completion_tokens) == ("stop", last + 1)


def test_the_reason_is_unknown_until_the_end(tiny):
    stream = tiny.stream("ab", max_new_tokens=3)
    assert stream.finish_reason is None
    next(stream)
    assert stream.finish_reason is None
    list(stream)
    assert stream.finish_reason == "length"
    stream.close()
    assert stream.finish_reason == "length"
    assert next(stream, "over") == "over"


@pytest.mark.parametrize(("prompt", "new"), [("x" * 63, 1), ("x" * 62, 2), ("x", 63)])
def test_the_context_is_filled_to_its_last_token_and_no_further(tiny, prompt, new):
    stream = tiny.stream(prompt, max_new_tokens=1000)
    list(stream)
    assert (stream.finish_reason, stream.prompt_tokens, stream.completion_tokens) == ("length", 64 - new, new)


def test_a_prompt_computed_by_chunks_is_read_whole():
    model = tiny_text_model(context=3 * CHUNK)
    prompt = "".join(chr(97 + i * i % 26) for i in range(2 * CHUNK + 100))
    [token] = tokens_of(model.stream(prompt, max_new_tokens=1, logprobs=1, temperature=0))
    with torch.no_grad():
        expected = model.network(torch.tensor([model.tokenizer.encode(prompt)]))[0, -1].log_softmax(-1)
    assert token.id == int(expected.argmax())
    assert token.logprob == pytest.approx(expected.max().item(), abs=1e-4)


def test_closed_while_the_prompt_is_read_it_stops_after_that_chunk(monkeypatch):
    model, chunks = tiny_text_model(context=4 * CHUNK), []
    stream = model.stream("x" * (3 * CHUNK))
    hidden = model.network.hidden

    def closing(ids, cache):
        chunks.append(ids.shape[1])
        closer = threading.Thread(target=stream.close)
        closer.start()
        closer.join()
        return hidden(ids, cache)

    monkeypatch.setattr(model.network, "hidden", closing)
    assert list(stream) == []
    assert (stream.finish_reason, stream.completion_tokens, chunks) == ("cancelled", 0, [CHUNK])


def test_closed_before_it_began_it_computes_nothing(tiny, monkeypatch):
    stream = tiny.stream("abc")
    stream.close()
    monkeypatch.setattr(tiny.network, "hidden", None)
    assert list(stream) == []
    assert (stream.finish_reason, stream.completion_tokens) == ("cancelled", 0)
    assert (stream.first_token_seconds, stream.tokens_per_second) == (0.0, 0.0)


def test_closed_between_tokens_it_gives_out_what_it_held_back(tiny):
    first = next(tiny.stream("sea", temperature=0))
    shown, held = first[:-1], first[-1]
    stream = tiny.stream("sea", temperature=0, stop=(held + "never",))
    assert next(stream) == shown
    stream.close()
    assert list(stream) == [held]
    assert (stream.finish_reason, stream.completion_tokens) == ("cancelled", len(shown) + 1)


def test_a_reader_in_another_thread_is_released_by_close(smollm):
    stream = smollm.stream("A very long story:", max_new_tokens=4000, temperature=1.0, seed=1)
    started, pieces = threading.Event(), []

    def read() -> None:
        for piece in stream:
            pieces.append(piece)
            started.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert started.wait(30)
    stream.close()
    reader.join(10)
    assert not reader.is_alive()
    assert stream.finish_reason == "cancelled"
    assert stream.completion_tokens < 4000


def test_streams_in_turn_equal_each_alone(tiny):
    def start():
        prompts = (("sea", 5), ("a mountain", 5), ("sea", 6))
        return [tiny.stream(p, max_new_tokens=20, temperature=1.0, seed=s, logprobs=2) for p, s in prompts]

    alone = [tokens_of(stream) for stream in start()]
    streams, together = start(), [[], [], []]
    for _ in range(20):
        for at in (0, 1, 2, 1):  # the second goes faster than the others
            together[at] += getattr(next(streams[at], None), "tokens", ())
    assert together == alone


def test_streams_in_threads_equal_each_alone(smollm):
    """The compiled decoder keeps one set of scratch arrays for all of them."""
    prompts = ["The sea", "A mountain path that leads up to", "One two three four five"]

    def start(prompt: str):
        return smollm.stream(prompt, max_new_tokens=16, temperature=1.0, seed=5)

    alone = [start(prompt).text() for prompt in prompts]
    together: dict[str, str] = {}
    threads = [threading.Thread(target=lambda p=p: together.update({p: start(p).text()})) for p in prompts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [together[prompt] for prompt in prompts] == alone


def test_nothing_is_locked_between_two_pieces(smollm, tiny):
    for model in (smollm, tiny):
        left = model.stream("The sea", max_new_tokens=20)
        next(left)
        assert not model.lock.locked()
        assert model.complete(["The sky"], max_new_tokens=2)[0].completion_tokens
        assert not model.lock.locked()


def test_times_are_taken(tiny):
    stream = tiny.stream("ab", max_new_tokens=20)
    assert (stream.seconds, stream.tokens_per_second) == (0.0, 0.0)
    next(stream)
    first = stream.first_token_seconds
    assert 0 < first <= stream.seconds
    list(stream)
    assert stream.first_token_seconds == first
    assert stream.tokens_per_second == pytest.approx(19 / (stream.seconds - first))
    only = tiny.stream("ab", max_new_tokens=1)
    list(only)
    assert only.tokens_per_second == 0.0
    assert 0 < only.first_token_seconds <= only.seconds
