"""Tokenizers out of published files: the metadata of a GGUF file, or ``tokenizer.json`` of a Hugging Face folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn, cast

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers

from luoxia.core.errors import MalformedFileError
from luoxia.models import tokenizer_json
from luoxia.models.tokenizer import Tokenizer
from luoxia.weights.gguf import GGUFFile

# Splitting patterns as their publishers give them in tokenizer.json.
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_QWEN2 = _LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")

# Names under which models end their turn; only those that the vocabulary marks as control tokens count.
_ENDINGS = (
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "</s>",
    "<end_of_turn>",
)
_CONTROL, _USER_DEFINED = 3, 4

MAX_PIECE = 256  # characters; to look for the halves of a longer one would take time without end


def _refuse(source: object, en: str, zh: str) -> NoReturn:
    raise MalformedFileError(
        f"the vocabulary in {source} cannot be used: {en}", f"{source} 中的词表无法使用：{zh}"
    )


def tokenizer_from_gguf(file: GGUFFile) -> Tokenizer:
    """Byte-level BPE (``gpt2``: GPT-2, SmolLM2, Llama 3, Qwen) or SentencePiece BPE (``llama``: Llama 1 and 2)."""
    meta, source = file.metadata, file.path
    tokens, types = meta.get("tokenizer.ggml.tokens"), meta.get("tokenizer.ggml.token_type", [])
    if not isinstance(tokens, list) or not tokens or not all(isinstance(t, str) for t in tokens):
        _refuse(source, "it has no list of tokens", "没有词表")
    if not isinstance(types, list) or len(types) not in (0, len(tokens)):
        _refuse(source, "token types and tokens differ in number", "词类型与词的数目不一致")
    kind = meta.get("tokenizer.ggml.model")
    engine = {"gpt2": _byte_level, "llama": _sentence_piece}.get(str(kind), _unknown)(file, tokens)
    marks = list(enumerate(types))
    control = [tokens[i] for i, t in marks if t == _CONTROL]
    engine.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in control if t])
    own = [tokens[i] for i, t in marks if t == _USER_DEFINED]
    engine.add_tokens([AddedToken(t, special=False, normalized=False) for t in own if t])

    def named(role: str) -> str | None:
        i = meta.get(f"tokenizer.ggml.{role}_token_id")
        return tokens[i] if isinstance(i, int) and 0 <= i < len(tokens) else None

    template = meta.get("tokenizer.chat_template")
    return assembled(
        engine,
        bos=named("bos"),
        eos=named("eos"),
        template=template if isinstance(template, str) else None,
        add_bos=bool(meta.get("tokenizer.ggml.add_bos_token", kind == "llama")),
        control=control,
    )


def assembled(
    engine: tokenizers.Tokenizer,
    *,
    bos: str | None,
    eos: str | None,
    template: str | None,
    add_bos: bool,
    control: list[str],
) -> Tokenizer:
    endings = {eos, *(e for e in _ENDINGS if e in control)} - {None}
    ids = (engine.token_to_id(cast(str, e)) for e in endings)
    return Tokenizer(
        engine,
        bos,
        eos,
        frozenset(i for i in ids if i is not None),
        template,
        add_bos,
        tuple(c for c in control if c),
    )


def _unknown(file: GGUFFile, _tokens: list[str]) -> tokenizers.Tokenizer:
    kind = str(file.metadata.get("tokenizer.ggml.model"))[:40]
    _refuse(file.path, f"tokenizer kind {kind!r} is not read", f"不支持的分词器类型 {kind!r}")


def _vocabulary(file: GGUFFile, tokens: list[str]) -> dict[str, int]:
    vocabulary = {token: i for i, token in enumerate(tokens)}
    if len(vocabulary) != len(tokens):
        _refuse(file.path, "tokens are repeated", "词有重复")
    return vocabulary


def _byte_level(file: GGUFFile, tokens: list[str]) -> tokenizers.Tokenizer:
    merges = file.metadata.get("tokenizer.ggml.merges")
    if not isinstance(merges, list):
        _refuse(file.path, "it has no list of merges", "没有合并表")
    pairs = [tuple(m.split(" ")) if isinstance(m, str) else () for m in merges]
    if any(len(pair) != 2 for pair in pairs):
        _refuse(file.path, "a merge is not a pair", "合并表中有非成对的项")
    pre = file.metadata.get("tokenizer.ggml.pre", "gpt-2")
    try:
        engine = tokenizers.Tokenizer(
            models.BPE(_vocabulary(file, tokens), cast(Any, pairs), ignore_merges=pre == "llama-bpe")
        )
    except Exception as error:  # the library raises bare Exception for a merge of unknown pieces
        _refuse(file.path, str(error)[:200], str(error)[:200])
    plain = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    if pre in ("gpt-2", "default"):
        engine.pre_tokenizer = words
    elif pre == "smollm":
        engine.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), words])
    elif pre in ("qwen2", "llama-bpe"):
        pattern = Regex(_QWEN2 if pre == "qwen2" else _LLAMA3)
        engine.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(pattern, "isolated"), plain])
        if pre == "qwen2":
            engine.normalizer = normalizers.NFC()
    else:
        _refuse(
            file.path,
            f"its way of splitting words, {str(pre)[:40]!r}, is not known",
            f"不认识的切词方式 {str(pre)[:40]!r}",
        )
    engine.decoder = decoders.ByteLevel()
    return engine


def _sentence_piece(file: GGUFFile, tokens: list[str]) -> tokenizers.Tokenizer:
    scores = file.metadata.get("tokenizer.ggml.scores")
    if not isinstance(scores, list) or len(scores) != len(tokens):
        _refuse(file.path, "scores and tokens differ in number", "分数与词的数目不一致")
    if not all(isinstance(score, int | float) and score == score for score in scores):
        _refuse(file.path, "a score is not a number", "有的分数不是数")
    vocabulary = _vocabulary(file, tokens)
    unknown = next((t for t in ("<unk>",) if t in vocabulary), None)
    engine = tokenizers.Tokenizer(
        models.BPE(
            vocabulary, _merges(vocabulary, scores), unk_token=unknown, fuse_unk=True, byte_fallback=True
        )
    )
    space = [normalizers.Replace(" ", "▁")]
    prefix = bool(file.metadata.get("tokenizer.ggml.add_space_prefix", True))
    engine.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), *space] if prefix else space)
    steps: list[Any] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    engine.decoder = decoders.Sequence([*steps, decoders.Strip(" ", 1, 0)] if prefix else steps)
    return engine


def _merges(vocabulary: dict[str, int], scores: list[float]) -> list[tuple[str, str]]:
    """SentencePiece keeps no merges: every way to put a piece together, the best-scored pieces first."""
    found: list[tuple[float, int, int, tuple[str, str]]] = []
    for piece, i in vocabulary.items():
        for cut in range(1, len(piece) if len(piece) <= MAX_PIECE else 0):
            left, right = piece[:cut], piece[cut:]
            if left in vocabulary and right in vocabulary:
                found.append((-scores[i], vocabulary[left], vocabulary[right], (left, right)))
    found.sort(key=lambda entry: entry[:3])
    return [pair for *_, pair in found]


def tokenizer_from_folder(folder: Path) -> Tokenizer:
    """``tokenizer.json`` with ``tokenizer_config.json`` beside it, as Hugging Face writes them."""
    path = folder / "tokenizer.json"
    try:
        engine = tokenizer_json.opened(path.read_text(encoding="utf-8"), path)
        config = _json_object(folder / "tokenizer_config.json")
        separate = folder / "chat_template.jinja"
        template = config.get("chat_template")
        if template is None and separate.is_file():
            template = separate.read_text(encoding="utf-8")
    except MalformedFileError:
        raise
    except OSError as error:
        _refuse(folder, f"{error.filename} is not there", f"没有 {error.filename}")
    except (ValueError, RecursionError) as error:
        _refuse(path, str(error)[:200], str(error)[:200])
    control = [t.content for _, t in sorted(engine.get_added_tokens_decoder().items()) if t.special]

    def named(role: str) -> str | None:
        entry = config.get(f"{role}_token")
        text = entry.get("content") if isinstance(entry, dict) else entry
        return text if isinstance(text, str) else None

    return assembled(
        engine,
        bos=named("bos"),
        eos=named("eos"),
        template=template if isinstance(template, str) else None,
        add_bos=bool(config.get("add_bos_token", False)),
        control=control,
    )


def tokenizer_files(tokenizer: Tokenizer) -> dict[str, bytes]:
    """What :func:`tokenizer_from_folder` reads it from again: the files' names and content."""
    config = {
        "bos_token": tokenizer.bos,
        "eos_token": tokenizer.eos,
        "add_bos_token": tokenizer.add_bos,
        "chat_template": tokenizer.template,
    }
    known = {key: value for key, value in config.items() if value is not None}
    return {
        "tokenizer.json": tokenizer.engine.to_str().encode(),
        "tokenizer_config.json": json.dumps(known, ensure_ascii=False, indent=1).encode(),
    }


def _json_object(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    value = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(value, dict):
        _refuse(path, "it is not a JSON object", "不是 JSON 对象")
    return value
