"""What was measured of language models, as a page, as plots, and as tables for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from luoxia.core import language
from luoxia.core.language import Text
from luoxia.core.page import grid_table, page, table
from luoxia.evaluate.pictures import curves

NAMES = {
    "model": Text("model", "模型"),
    "text": Text("text", "文本"),
    "tokens": Text("tokens", "词元数"),
    "size": Text("bytes", "字节数"),
    "perplexity": Text("perplexity", "困惑度"),
    "bits_per_byte": Text("bits per byte", "每字节比特数"),
    "window": Text("window", "窗口"),
    "stride": Text("stride", "步长"),
    "task": Text("task", "任务"),
    "shots": Text("examples shown", "示例数"),
    "accuracy": Text("accuracy", "准确率"),
    "interval": Text("95 % interval", "95% 区间"),
    "chance": Text("by lot", "随机"),
    "items": Text("items", "题数"),
    "draws": Text("draws of examples", "示例抽取次数"),
    "summed": Text("summed likelihood", "似然求和"),
    "per_token": Text("likelihood per token", "每词元似然"),
    "normalised": Text("over the unconditional", "除以无条件似然"),
    "calibrated": Text("over a blank item's", "除以空白题似然"),
    "constrained": Text("constrained writing", "约束生成"),
    "exact": Text("written word for word", "逐字写对"),
    "number": Text("the last number written", "写出的最后一个数"),
    "samples": Text("samples", "样本数"),
    "distinct_1": Text("distinct-1", "distinct-1"),
    "distinct_2": Text("distinct-2", "distinct-2"),
    "distinct_3": Text("distinct-3", "distinct-3"),
    "self_bleu": Text("self-BLEU-4", "self-BLEU-4"),
    "repetition": Text("repeated 4-grams within a sample", "样本内重复的 4 元组"),
    "length_mean": Text("length in words and characters, mean", "长度（词与字），平均"),
    "length_median": Text("… median", "…中位数"),
    "length_std": Text("… standard deviation", "…标准差"),
    "empty": Text("empty samples", "空样本"),
    "tokens_mean": Text("tokens, mean", "词元数，平均"),
    "cut_off": Text("share cut off at the limit", "达到上限被截断的比例"),
    "against": Text("compared with", "比对的训练文本"),
    "overlap_median": Text("longest passage from it, characters, median", "最长相同片段（字符），中位数"),
    "overlap_longest": Text("… largest", "…最大"),
    "overlap_long": Text("samples with 50 characters or more from it", "含 50 字符以上相同片段的样本"),
    "overlap_share": Text("share of characters in such passages", "此类片段占字符的比例"),
    "held_out_overlap_median": Text("the same of held-out passages, median", "留出文本的同项，中位数"),
    "held_out_overlap_longest": Text("… largest", "…最大"),
}  # fmt: skip
WAYS = ("summed", "per_token", "normalised", "calibrated", "constrained")
SHOWN = 200  # pairs of samples on a page


def tables(report: Mapping[str, Any], lang: str) -> list[list[tuple[str, ...]]]:
    """Tables of texts, a heading first, for a terminal and for the page."""
    several = len(report["models"]) > 1
    found = list[list[tuple[str, ...]]]()
    if report["perplexity"]:
        keys = ("model", "text", "tokens", "size", "perplexity", "bits_per_byte", "window", "stride")
        found.append(_table(report["perplexity"], keys, several, lang))
    if report["few_shot"]:
        found.append(_table(list(_few_shot(report["few_shot"])), None, several, lang))
    if report["samples"]:
        found.append(_side_by_side(report["samples"], lang))
    return found


def plots(report: Mapping[str, Any]) -> dict[str, str]:
    """Accuracy over examples shown, an SVG for each task with a line for each model."""
    lang = language.current()
    found = dict[str, str]()
    for task in dict.fromkeys(study["task"] for study in report["few_shot"]):
        studies = [study for study in report["few_shot"] if study["task"] == task]
        named = {s["model"]: s["model"] if len(studies) > 1 else _name("accuracy", lang) for s in studies}
        series = {named[s["model"]]: [(row["shots"], row["accuracy"]) for row in s["rows"]] for s in studies}
        bands = {
            named[s["model"]]: [(row["shots"], row["low"], row["high"]) for row in s["rows"]] for s in studies
        }
        if studies[0]["chance"]:
            shots = [row["shots"] for row in studies[0]["rows"]]
            series[_name("chance", lang)] = [(shot, studies[0]["chance"]) for shot in shots]
        found[re.sub(r"[^\w.-]", "-", task)] = curves(
            series,
            title=task,
            x_label=_name("shots", lang),
            y_label=_name("accuracy", lang),
            reach=(0.0, 1.0),
            bands=bands,
            width=420,
            height=280,
        )
    return found


def notes(report: Mapping[str, Any], lang: str) -> list[str]:
    """What the numbers depend on, and what was done otherwise than asked."""
    lines = [_depends(report).in_(lang)] if report["few_shot"] else []
    for study in report["few_shot"]:
        lines += [text.in_(lang) for text in _said(study)]
    for row in report["perplexity"]:
        if not row["whole"]:
            lines.append(
                Text(
                    f"{row['text']}: its first {row['tokens'] + 1} tokens are measured, not all of it.",
                    f"{row['text']}：只测量了开头的 {row['tokens'] + 1} 个词元，并非全文。",
                ).in_(lang)
            )
    return list(dict.fromkeys(lines))


def section(report: Mapping[str, Any], lang: str) -> str:
    """The evaluation as HTML."""
    heads = {
        "perplexity": Text("Foretelling text", "预测文本"),
        "few_shot": Text("Learning from examples in the prompt", "从提示中的示例学习"),
        "samples": Text("Samples", "样本"),
    }
    parts = list[str]()
    present = [key for key in heads if report[key]]
    for key, rows in zip(present, tables(report, lang), strict=True):
        parts.append(f"<h3>{heads[key].in_(lang)}</h3>{grid_table(rows[0], rows[1:])}")
        if key == "few_shot":
            parts.append(_list(notes(report, lang)))
            parts.append(
                f'<div class="row">{"".join(f"<figure>{svg}</figure>" for svg in plots(report).values())}</div>'
            )
            parts.append(_prompts(report["few_shot"], lang))
        elif key == "perplexity" and not report["few_shot"]:
            parts.append(_list(notes(report, lang)))
        elif key == "samples":
            parts.append(_answers(report["samples"], lang))
    return f"<h2>{Text('Evaluation', '评估').in_(lang)}</h2>{''.join(parts)}"


def whole(report: Mapping[str, Any]) -> str:
    """The page of an evaluation that belongs to no run's page."""
    lang = language.current()
    models = Text(" and ", "与").in_(lang).join(report["models"])
    licences = list(dict.fromkeys(line for study in report["few_shot"] for line in study["licence"]))
    facts = {"seed": report["seed"], "limit": report["limit"], **report["versions"]}
    head = Text("Settings", "设置").in_(lang)
    body = f"{section(report, lang)}<h2>{head}</h2>{table(facts)}{_list(licences)}"
    return page(f"{models} · {Text('evaluation', '评估').in_(lang)}", body, lang)


def _few_shot(studies: Iterable[Mapping[str, Any]]) -> Iterable[dict[str, Any]]:
    for study in studies:
        for row in study["rows"]:
            shown = {
                "model": study["model"],
                "task": study["task"],
                "shots": row["shots"],
                "accuracy": row["accuracy"],
            }
            shown |= {"interval": f"{row['low']:.3f} – {row['high']:.3f}"}
            shown |= {way: row[way] for way in WAYS if way in row}
            yield shown | {"chance": study["chance"] or "", "items": study["items"]}


def _depends(report: Mapping[str, Any]) -> Text:
    draws = max(study["draws"] for study in report["few_shot"])
    return Text(
        f"Examples are drawn {draws} times for each number of them, from others than the items measured; one draw serves all "
        "items. Intervals: Wilson's where nothing is drawn, else the bootstrap over draws and items, never narrower than "
        f"Wilson's. At most {report['limit']} items of a task are measured, seed {report['seed']}.",
        f"每种示例数各抽取 {draws} 次示例，与被测题目不重复；一次抽取用于全部题目。区间：无抽取时为 Wilson 区间，"
        f"否则为对抽取与题目的自助法，且不窄于 Wilson 区间。每个任务至多测 {report['limit']} 题，种子 {report['seed']}。",
    )


def _said(study: Mapping[str, Any]) -> list[Text]:
    task, found = study["task"], list[Text]()
    ways = Text(_name(study["rule"], "en"), _name(study["rule"], "zh"))
    found.append(
        Text(
            f"{task}: {study['items']} items, examples from {study['pool']} others; what counts: {ways.en}.",
            f"{task}：{study['items']} 题，示例取自另外 {study['pool']} 题；判定方式：{ways.zh}。",
        )
    )
    if study["fit"] is not None:
        found.append(
            Text(
                f"{task}: {study['fit']} examples fit the context beside the longest item; more were asked for, and so many "
                "are shown instead.",
                f"{task}：上下文除最长题目外可容纳 {study['fit']} 个示例；所要求的更多，改为展示这么多。",
            )
        )
    if study["too_long"]:
        found.append(
            Text(
                f"{task}: {study['too_long']} items do not fit the context even alone and are left out.",
                f"{task}：{study['too_long']} 题单独也放不进上下文，已略去。",
            )
        )
    if study["left_out"]:
        found.append(
            Text(
                f"{task}: {study['left_out']} items of the source are of another form and are left out.",
                f"{task}：来源中有 {study['left_out']} 题形式不同，已略去。",
            )
        )
    return found


def _prompts(studies: Iterable[Mapping[str, Any]], lang: str) -> str:
    """How each task is put to the model: the first item behind one example."""
    head = Text("The prompts, with one example", "提示（含一个示例）").in_(lang)
    shown = {study["task"]: study["prompt"] for study in studies}
    lines = "".join(
        f"<dt>{escape(task)}</dt><dd><pre>{escape(text)}</pre></dd>" for task, text in shown.items()
    )
    return f"<details><summary>{head}</summary><dl>{lines}</dl></details>"


def _side_by_side(samples: list[dict[str, Any]], lang: str) -> list[tuple[str, ...]]:
    """Scores in rows, models in columns."""
    keys = [key for key in NAMES if any(key in each["scores"] for each in samples)]
    rows = [
        (_name(key, lang), *(_shown(each["scores"].get(key, ""), lang) for each in samples)) for key in keys
    ]
    return [("", *(each["model"] for each in samples)), *rows]


def _answers(samples: list[dict[str, Any]], lang: str) -> str:
    """Prompts in rows, the models' answers beside each other; below an answer the longest passage of training in it."""
    prompt = Text("prompt", "提示").in_(lang)
    head = "".join(f"<th>{escape(text)}</th>" for text in (prompt, *(each["model"] for each in samples)))
    lines = list[str]()
    for rows in list(zip(*(each["rows"] for each in samples), strict=False))[:SHOWN]:
        cells = "".join(f"<td>{_answer(row, lang)}</td>" for row in rows)
        lines.append(f"<tr><td>{escape(rows[0]['prompt'])}</td>{cells}</tr>")
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _answer(row: Mapping[str, Any], lang: str) -> str:
    text = escape(row["text"]).replace("\n", "<br>")
    overlap = row.get("overlap")
    if not overlap or not overlap["length"]:
        return text
    told = Text(
        f"{overlap['length']} characters in training: “{overlap['passage']}”",
        f"训练文本中有 {overlap['length']} 个字符：“{overlap['passage']}”",
    )
    return f"{text}<br><small>{escape(told.in_(lang))}</small>"


def _table(
    rows: list[dict[str, Any]], keys: tuple[str, ...] | None, several: bool, lang: str
) -> list[tuple[str, ...]]:
    wanted = list(keys or dict.fromkeys(key for row in rows for key in row))
    if not several:
        wanted.remove("model")
    body = [tuple(_shown(row.get(key, ""), lang) for key in wanted) for row in rows]
    return [tuple(_name(key, lang) for key in wanted), *body]


def _shown(value: Any, lang: str) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}" if abs(value) < 1000 else f"{value:.0f}"
    return _name(value, lang) if isinstance(value, str) else str(value)


def _list(lines: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f"<ul>{items}</ul>" if items else ""


def _name(key: str, lang: str) -> str:
    return NAMES[key].in_(lang) if key in NAMES else key
