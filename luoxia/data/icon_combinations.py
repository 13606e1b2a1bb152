"""Combinations that training never composes, to ask a model for what it has not seen."""

from __future__ import annotations

from dataclasses import dataclass

from luoxia.core.language import Text


@dataclass(frozen=True)
class Combination:
    """``kind`` "colour", "worn", "pair" or "style"; ``parts`` its two halves: a colour, emoji's key or style, and the
    family of what it comes with."""

    kind: str
    parts: tuple[str, str]
    caption: Text


_COLOUR = """
blue|cat|a blue cat|蓝色的猫
green|dog|a green dog|绿色的狗
purple|apple|a purple apple|紫色的苹果
pink|rocket|a pink rocket|粉色的火箭
turquoise|bear|a turquoise bear|青绿色的熊
red|elephant|a red elephant|红色的大象
blue|banana|a blue banana|蓝色的香蕉
orange|fish|an orange fish|橙色的鱼
green|pig|a green pig|绿色的猪
purple|frog|a purple frog|紫色的青蛙
pink|tree|a pink tree|粉色的树
yellow|whale|a yellow whale|黄色的鲸鱼
blue|strawberry|a blue strawberry|蓝色的草莓
red|key|a red key|红色的钥匙
green|crown|a green crown|绿色的皇冠
purple|guitar|a purple guitar|紫色的吉他
pink|octopus|a pink octopus|粉色的章鱼
blue|fox|a blue fox|蓝色的狐狸
turquoise|teapot|a turquoise teapot|青绿色的茶壶
yellow|turtle|a yellow turtle|黄色的乌龟
blue|tulip|a blue tulip|蓝色的郁金香
orange|butterfly|an orange butterfly|橙色的蝴蝶
green|car|a green car|绿色的汽车
purple|bicycle|a purple bicycle|紫色的自行车
red|umbrella|a red umbrella|红色的雨伞
pink|sailboat|a pink sailboat|粉色的帆船
blue|pizza|a blue pizza|蓝色的披萨
green|carrot|a green carrot|绿色的胡萝卜
red|tiger|a red tiger|红色的老虎
purple|star|a purple star|紫色的星星
"""
_WORN = """
1F576|cat|a cat wearing sunglasses|戴墨镜的猫
1F451|dog|a dog wearing a crown|戴皇冠的狗
1F3A9|frog|a frog wearing a top hat|戴礼帽的青蛙
1F453|bear|a bear wearing glasses|戴眼镜的熊
1F393|panda|a panda wearing a graduation cap|戴学士帽的熊猫
1F451|rabbit|a rabbit wearing a crown|戴皇冠的兔子
1F576|pig|a pig wearing sunglasses|戴墨镜的猪
1F380|fox|a fox wearing a bow|戴蝴蝶结的狐狸
1F3A9|tiger|a tiger wearing a top hat|戴礼帽的老虎
1F453|monkey|a monkey wearing glasses|戴眼镜的猴子
1F451|grinning face|a grinning face wearing a crown|戴皇冠的笑脸
1F3A9|robot|a robot wearing a top hat|戴礼帽的机器人
1F576|robot|a robot wearing sunglasses|戴墨镜的机器人
1F393|cat|a cat wearing a graduation cap|戴学士帽的猫
1F451|tomato|a tomato wearing a crown|戴皇冠的西红柿
1F3A9|lemon|a lemon wearing a top hat|戴礼帽的柠檬
1F380|koala|a koala wearing a bow|戴蝴蝶结的考拉
1F453|mouse|a mouse wearing glasses|戴眼镜的老鼠
1F576|alien|an alien wearing sunglasses|戴墨镜的外星人
1F451|strawberry|a strawberry wearing a crown|戴皇冠的草莓
"""
_PAIR = """
cat|rocket|a cat and a rocket|猫和火箭
dog|umbrella|a dog and an umbrella|狗和雨伞
apple|key|an apple and a key|苹果和钥匙
sun|bicycle|a sun and a bicycle|太阳和自行车
rabbit|carrot|a rabbit and a carrot|兔子和胡萝卜
pizza|star|a pizza and a star|披萨和星星
panda|guitar|a panda and a guitar|熊猫和吉他
tree|car|a tree and a car|树和汽车
fish|anchor|a fish and an anchor|鱼和船锚
heart|key|a heart and a key|爱心和钥匙
penguin|balloon|a penguin and a balloon|企鹅和气球
coffee|book|a coffee and a book|咖啡和书
lion|crown|a lion and a crown|狮子和皇冠
owl|moon|an owl and a moon|猫头鹰和月亮
elephant|mouse|an elephant and a mouse|大象和老鼠
rose|envelope|a rose and an envelope|玫瑰和信封
banana|monkey|a banana and a monkey|香蕉和猴子
bear|honey pot|a bear and a honey pot|熊和蜂蜜罐
whale|sailboat|a whale and a sailboat|鲸鱼和帆船
robot|light bulb|a robot and a light bulb|机器人和灯泡
tulip|butterfly|a tulip and a butterfly|郁金香和蝴蝶
house|tree|a house and a tree|房子和树
strawberry|cake|a strawberry and a cake|草莓和蛋糕
frog|umbrella|a frog and an umbrella|青蛙和雨伞
dragon|castle|a dragon and a castle|龙和城堡
snowman|christmas tree|a snowman and a christmas tree|雪人和圣诞树
camera|mountain|a camera and a mountain|相机和山
fox|mushroom|a fox and a mushroom|狐狸和蘑菇
alarm clock|coffee|an alarm clock and a coffee|闹钟和咖啡
hammer|nut and bolt|a hammer and a nut and bolt|锤子和螺丝
"""
_STYLE = """
3d|rocket|a rocket, 3d style|火箭，立体风格
flat|panda|a panda, flat style|熊猫，扁平风格
cartoon|guitar|a guitar, cartoon style|吉他，卡通风格
minimal|elephant|an elephant, minimal style|大象，简约风格
outline|strawberry|a strawberry, outline style|草莓，描边风格
rounded|umbrella|an umbrella, rounded style|雨伞，圆润风格
classic|turtle|a turtle, classic style|乌龟，经典风格
3d|pizza|a pizza, 3d style|披萨，立体风格
flat|camera|a camera, flat style|相机，扁平风格
cartoon|butterfly|a butterfly, cartoon style|蝴蝶，卡通风格
minimal|bicycle|a bicycle, minimal style|自行车，简约风格
outline|robot|a robot, outline style|机器人，描边风格
rounded|rabbit|a rabbit, rounded style|兔子，圆润风格
classic|crown|a crown, classic style|皇冠，经典风格
3d|octopus|an octopus, 3d style|章鱼，立体风格
flat|tulip|a tulip, flat style|郁金香，扁平风格
cartoon|hammer|a hammer, cartoon style|锤子，卡通风格
minimal|owl|an owl, minimal style|猫头鹰，简约风格
outline|lion|a lion, outline style|狮子，描边风格
3d|fox|a fox, 3d style|狐狸，立体风格
"""


def _read(kind: str, lines: str) -> list[Combination]:
    rows = [line.split("|") for line in lines.strip().splitlines()]
    return [Combination(kind, (one, other), Text(en, zh)) for one, other, en, zh in rows]


NEW_COMBINATIONS = (
    *_read("colour", _COLOUR),
    *_read("worn", _WORN),
    *_read("pair", _PAIR),
    *_read("style", _STYLE),
)
_KEPT_BACK = {(c.kind, c.parts if c.kind != "pair" else frozenset(c.parts)) for c in NEW_COMBINATIONS}


def kept_back(kind: str, one: str, other: str) -> bool:
    """Whether training must not compose this."""
    return (kind, frozenset((one, other)) if kind == "pair" else (one, other)) in _KEPT_BACK
