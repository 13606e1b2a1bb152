"""Words for the icons' captions: colours, numbers, measure words, plurals."""

from __future__ import annotations

from luoxia.core.language import Text

COLOURS = {  # name: words, sRGB
    "red": (Text("red", "红色"), (224, 49, 49)),
    "orange": (Text("orange", "橙色"), (245, 130, 32)),
    "yellow": (Text("yellow", "黄色"), (250, 204, 21)),
    "green": (Text("green", "绿色"), (55, 170, 75)),
    "turquoise": (Text("turquoise", "青绿色"), (30, 180, 170)),
    "light blue": (Text("light blue", "浅蓝色"), (125, 200, 245)),
    "blue": (Text("blue", "蓝色"), (40, 100, 220)),
    "purple": (Text("purple", "紫色"), (135, 75, 195)),
    "pink": (Text("pink", "粉色"), (247, 130, 180)),
    "brown": (Text("brown", "棕色"), (130, 80, 45)),
    "grey": (Text("grey", "灰色"), (140, 140, 145)),
    "black": (Text("black", "黑色"), (40, 40, 45)),
    "white": (Text("white", "白色"), (246, 246, 246)),
}
GROUNDS = {  # also paler ones, on which a drawing stands out
    **COLOURS,
    "light green": (Text("light green", "浅绿色"), (190, 232, 180)),
    "light pink": (Text("light pink", "浅粉色"), (252, 210, 222)),
    "light yellow": (Text("light yellow", "浅黄色"), (255, 240, 170)),
    "lilac": (Text("lilac", "淡紫色"), (205, 190, 240)),
    "cream": (Text("cream", "米色"), (247, 238, 214)),
    "dark blue": (Text("dark blue", "深蓝色"), (25, 45, 105)),
    "dark green": (Text("dark green", "深绿色"), (20, 85, 55)),
}
SHAPES = {
    "circle": Text("circle", "圆底"),
    "square": Text("square", "方底"),
    "rounded square": Text("rounded square", "圆角方底"),
    "hexagon": Text("hexagon", "六边形底"),
    "diamond": Text("diamond", "菱形底"),
    "background": Text("background", "背景"),
}
NUMBERS = {2: Text("two", "两"), 3: Text("three", "三"), 4: Text("four", "四"), 5: Text("five", "五")}
WORN = {  # key of the emoji that is put on: words, where it goes, width against the wearer's
    "1F576": (Text("sunglasses", "墨镜"), "eyes", 0.80),
    "1F453": (Text("glasses", "眼镜"), "eyes", 0.80),
    "1F451": (Text("a crown", "皇冠"), "top", 0.62),
    "1F3A9": (Text("a top hat", "礼帽"), "top", 0.70),
    "1F393": (Text("a graduation cap", "学士帽"), "top", 0.82),
    "1F380": (Text("a bow", "蝴蝶结"), "corner", 0.42),
}
PLURALS = {
    "mouse": "mice", "fish": "fish", "sheep": "sheep", "wolf": "wolves", "leaf": "leaves", "knife": "knives",
    "person": "people", "man": "men", "woman": "women", "ox": "oxen", "goose": "geese", "tooth": "teeth",
    "foot": "feet", "child": "children", "deer": "deer", "bison": "bison", "shrimp": "shrimp", "squid": "squid",
    "policeman": "policemen", "snowman": "snowmen", "loaf": "loaves", "bus": "buses", "cactus": "cacti",
    "octopus": "octopuses", "glass": "glasses", "dress": "dresses", "people": "people", "men": "men", "women": "women",
    "moose": "moose", "tomato": "tomatoes", "potato": "potatoes", "mango": "mangoes", "volcano": "volcanoes",
    "hero": "heroes", "superhero": "superheroes", "mosquito": "mosquitoes", "merman": "mermen",
}  # fmt: skip
SAME = frozenset(("fish", "sheep", "deer", "bison", "shrimp", "squid", "moose"))  # one and many
MASS = frozenset((
    "bread", "flatbread", "cooked rice", "curry rice", "shaved ice", "soft ice cream", "ice cream", "sushi", "bacon",
    "butter", "salt", "popcorn", "oden", "sake", "garlic", "broccoli", "ginger", "spaghetti", "water wave",
    "fire", "fog", "milky way", "money with wings", "collision", "sweat droplets", "dizzy", "music",
    "dna", "thread", "yarn", "mahjong red dragon", "rock", "wood", "coral", "ice", "hockey", "ice hockey", "field hockey",
    "american football", "basketball hoop", "badminton", "lacrosse", "cricket game", "ping pong", "pool 8 ball",
    "toilet paper", "soap", "custard", "herb",
    "thumbs up", "thumbs down", "folded hands", "ok hand", "sunrise", "sunset", "night with stars", "cityscape",
    "cityscape at dusk", "sunrise over mountains", "bridge at night", "sun behind rain cloud", "mending heart",
    "no smoking", "no littering", "no bicycles", "no pedestrians", "no mobile phones", "no one under eighteen",
    "non-potable water", "potable water", "left luggage", "customs", "passport control", "baggage claim", "recycling",
))  # fmt: skip

_COUNTERS = {
    12: "张", 13: "只", 14: "颗", 34: "只", 35: "只", 36: "只", 37: "只", 38: "条", 39: "只", 40: "朵", 41: "棵",
    51: "座", 52: "座", 55: "艘", 61: "枚", 65: "件", 68: "把", 69: "部",
    70: "台", 72: "本", 78: "把", **dict.fromkeys(range(23, 30), "个"),
}  # fmt: skip
_BY_ENDING = {  # the end of a name is surer than the subgroup
    "马": "匹", "牛": "头", "猪": "头", "大象": "头", "蛇": "条", "狗": "只", "龙": "条", "头": "个", "脸": "张",
    "章鱼": "只", "螃蟹": "只", "虾": "只", "海豹": "头", "海螺": "个", "贝壳": "个", "珊瑚": "株", "鲸": "头",
    "叶": "片", "叶子": "片", "草": "株", "花": "朵", "伞": "把", "车": "辆", "船": "艘", "飞机": "架", "火箭": "枚",
    "椅": "把", "床": "张", "鞋": "只", "靴": "只", "袜": "只", "裤": "条", "裙": "条", "围巾": "条", "领带": "条",
    "帽": "顶", "帽子": "顶", "皇冠": "顶", "眼镜": "副", "墨镜": "副", "手套": "副", "包": "个", "戒指": "枚",
    "钥匙": "把", "灯": "盏", "刀": "把", "剑": "把", "笔": "支", "蜡烛": "支", "书": "本", "信": "封", "信封": "个",
    "树": "棵", "仙人掌": "棵", "星": "颗", "心": "颗", "云": "朵", "钢琴": "架", "鼓": "面", "琴": "把", "山": "座",
    "房": "座", "屋": "座", "塔": "座", "城堡": "座", "桥": "座", "碟": "个", "卡": "张", "票": "张", "门": "扇",
    "窗": "扇", "镜": "面", "旗": "面", "香蕉": "根", "胡萝卜": "根", "黄瓜": "根", "玉米": "根", "羽毛": "根",
    "茶": "杯", "酒": "杯", "热饮": "杯", "咖啡": "杯", "米饭": "份", "咖喱饭": "份", "意粉": "份", "关东煮": "份",
    "盒饭": "份", "寿司": "份", "列车": "列", "火车": "列", "轮椅": "辆", "直升机": "架", "锚": "个", "船锚": "个",
    "救生圈": "个", "砖块": "块", "岩石": "块", "木头": "根", "木马": "匹", "汤匙": "把", "勺子": "把", "刀叉": "副",
    "筷子": "双", "巢": "个", "滑梯": "个", "电车": "辆", "小巴": "辆", "摩托艇": "艘", "冰块": "块", "皮卡": "辆",
    "手表": "块", "奖杯": "座", "金牌": "枚", "卫星": "颗", "行星": "颗", "彩虹": "道", "雪花": "片", "星星": "颗",
    "云朵": "朵", "衬衫": "件", "香槟": "瓶", "奶酪": "块", "蛋糕": "块", "饼干": "块", "巧克力": "块", "糖果": "颗",
    "箭": "支", "枪": "把", "电话": "部", "电脑": "台", "电视": "台", "相机": "台", "人": "个", "飞碟": "个",
}  # fmt: skip


_WHOLE = {  # names whose end misleads
    "热狗": "根", "运动背心": "件", "球门": "个", "河马": "头", "蜗牛": "只", "护目镜": "副", "左斜的放大镜": "个",
    "右斜的放大镜": "个", "显微镜": "台", "望远镜": "架", "花束": "束", "西兰花": "棵", "爆米花": "份", "梅花": "个",
    "火花": "个", "光盘": "张", "电脑光盘": "张", "蟹": "只", "螃蟹": "只", "牡蛎": "只", "袜子": "双", "手袋": "个",
    "购物袋": "个", "宝石": "颗", "念珠": "串", "唇膏": "支", "发夹": "个", "空巢": "个", "有蛋的巢": "个", "蘑菇": "个",
    "电池": "节", "毛毛虫": "条", "蠕虫": "条", "幼苗": "株", "珊瑚": "株", "海豚": "只", "热饮": "杯", "钱包": "个",
    "炸弹": "颗", "齿轮": "个", "盾牌": "面", "磁铁": "块", "工具箱": "个", "天平": "架", "挂钩": "个", "回旋镖": "个",
    "铃铛": "个", "军用头盔": "顶", "白十字头盔": "顶", "折扇": "把", "鼠标": "个", "电脑鼠标": "个", "键盘": "个",
    "软盘": "张", "算盘": "把", "轨迹球": "个", "小号": "支", "长号": "支", "长笛": "支", "萨克斯管": "支", "沙球": "对",
    "打开的书本": "本", "斧头": "把", "球": "个", "桃心": "颗", "拖拉机": "辆", "直升机": "架", "卫星": "颗", "锁": "把",
    "高尔夫球洞": "个", "葡萄": "串", "樱桃": "颗", "香肠": "根", "树叶": "片", "草莓": "颗", "龙头": "个",
}  # fmt: skip


def classifier(subgroup: int, zh: str) -> str:
    """The measure word that a Chinese speaker counts the thing with."""
    if zh in _WHOLE:
        return _WHOLE[zh]
    for length in range(min(4, len(zh)), 0, -1):
        if zh[-length:] in _BY_ENDING:
            return _BY_ENDING[zh[-length:]]
    return _COUNTERS.get(subgroup, "个")
