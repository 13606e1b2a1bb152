"""The tokenizer beside a CLIP in a Hugging Face folder: ``tokenizer.json``, or OpenAI's ``vocab.json`` and ``merges.txt``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NoReturn

import tokenizers
from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers

from luoxia.core.errors import MalformedFileError
from luoxia.models import tokenizer_json
from luoxia.models.clip_tokenizer import CLIPTokenizer

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
LARGEST = 64 << 20  # bytes of a vocabulary's file
WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"


def read(folder: Path) -> CLIPTokenizer:
    """Raises :class:`MalformedFileError` for files that are missing, broken, or have no begin and end."""
    try:
        config = (
            _json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
        )
        if (folder / "tokenizer.json").is_file():
            engine = tokenizer_json.opened(_text(folder / "tokenizer.json"), folder)
        else:
            vocabulary, merges = _json(folder / "vocab.json"), _merges(_text(folder / "merges.txt"))
            with tokenizer_json.refusing(folder):
                engine = published(vocabulary, merges)
        begin, end = (
            engine.token_to_id(_named(config, role, usual)) for role, usual in (("bos", BEGIN), ("eos", END))
        )
    except MalformedFileError:
        raise
    except OSError as error:
        _refuse(folder, f"{error.filename} is not there", f"没有 {error.filename}")
    except (ValueError, TypeError, RecursionError) as error:
        _refuse(folder, str(error)[:200], str(error)[:200])
    if begin is None or end is None:
        _refuse(folder, "it has no token for begin or end", "缺少起始或结束标记")
    return CLIPTokenizer(engine, begin, end)


def published(vocabulary: dict[str, int], merges: list[tuple[str, str]]) -> tokenizers.Tokenizer:
    """OpenAI's byte-level BPE of lower-cased words that end in ``</w>``, as ``transformers`` puts it together."""
    engine = tokenizers.Tokenizer(
        models.BPE(
            vocabulary,
            merges,
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
            fuse_unk=False,
            unk_token=END,
        )
    )
    engine.normalizer = normalizers.Sequence(  # type: ignore[assignment]
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    engine.pre_tokenizer = pre_tokenizers.Sequence(  # type: ignore[assignment]
        [
            pre_tokenizers.Split(Regex(WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    engine.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    return engine


def _merges(text: str) -> list[tuple[str, str]]:
    lines = [line for line in text.splitlines() if line and not line.startswith("#version")]
    pairs = [tuple(line.split(" ")) for line in lines]
    if any(len(pair) != 2 for pair in pairs):
        raise ValueError("a line of merges.txt is no pair")
    return pairs  # type: ignore[return-value]


def _named(config: dict[str, Any], role: str, usual: str) -> str:
    entry = config.get(f"{role}_token")
    text = entry.get("content") if isinstance(entry, dict) else entry
    return text if isinstance(text, str) else usual


def _text(path: Path) -> str:
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path.name} is larger than {LARGEST >> 20} MiB")
    return path.read_text(encoding="utf-8")


def _json(path: Path) -> dict[str, Any]:
    value = json.loads(_text(path))
    if not isinstance(value, dict):
        raise TypeError(f"{path.name} is not a JSON object")
    return value


def _refuse(folder: Path, en: str, zh: str) -> NoReturn:
    raise MalformedFileError(
        f"the vocabulary in {folder} cannot be used: {en}", f"{folder} 中的词表无法使用：{zh}"
    )
