"""Names in English and Chinese for drawings that are no emoji: one line each, ``icon|english|chinese``.

Left out are marks of companies and figures of films and games, and what no picture of 64 pixels shows.
"""

from __future__ import annotations

_FLAT_COLOR = """
about|information sign|信息标志
add-database|database with plus sign|带加号的数据库
add-image|picture with plus sign|带加号的图片
address-book|address book|通讯录
advance|forward arrow|前进箭头
advertising|megaphone|扩音器
answers|document with exclamation mark|带感叹号的文档
approval|approval seal|认证徽章
area-chart|area chart|面积图
assistant|customer support agent|客服人员
audio-file|audio file|音频文件
automotive|car|汽车
bearish|falling chart|下跌图
binoculars|binoculars|双筒望远镜
biomass|flask with a leaf|带叶子的烧瓶
biotech|dna|dna
bullish|rising chart|上涨图
business|briefcase|公文包
business-contact|business card|名片
businessman|businessman|商务男士
businesswoman|businesswoman|商务女士
calculator|calculator|计算器
callback|incoming call|来电
camcorder|camcorder|摄像机
camcorder-pro|professional camcorder|专业摄像机
cancel|prohibited sign|禁止标志
candle-sticks|candlestick chart|蜡烛图
capacitor|capacitor|电容器
charge-battery|charging battery|充电的电池
circuit|circuit board|电路板
close-up-mode|flower|花
collaboration|teamwork|团队合作
combo-chart|bar and line chart|组合图表
command-line|command line window|命令行窗口
comments|speech balloon|对话气泡
compact-camera|compact camera|卡片相机
conference-call|group of people|一群人
contacts|contact book|联系人
customer-support|customer support agent|客服人员
dam|dam|水坝
data-backup|data backup|数据备份
data-configuration|database with gear|带齿轮的数据库
data-encryption|database with key|带钥匙的数据库
data-protection|database with shield|带盾牌的数据库
database|database|数据库
decision|head with question mark|带问号的头
delete-database|database with cross|带叉号的数据库
department|office building|办公楼
diploma-1|diploma|证书
diploma-2|certificate|奖状
dislike|crossed-out heart|划掉的爱心
display|monitor|显示器
document|document|文档
donate|donation|捐款
doughnut-chart|doughnut chart|环形图
down|down arrow|向下箭头
download|download arrow|下载箭头
edit-image|picture with pencil|编辑图片
electricity|electric lightning|电力闪电
electronics|microchip|芯片
empty-battery|empty battery|没电的电池
empty-filter|empty funnel|空漏斗
empty-trash|empty trash can|空垃圾桶
end-call|end call button|挂断按钮
engineering|gear|齿轮
expired|clock with warning sign|带警告的时钟
export|export arrow|导出箭头
factory-breakdown|broken factory|破损的工厂
faq|question and answer bubbles|问答气泡
feedback|open envelope with arrow|带箭头的信封
file|file|文件
filing-cabinet|filing cabinet|档案柜
filled-filter|full funnel|满漏斗
film|film strip|胶片
film-reel|film reel|电影胶卷
flash-off|crossed-out lightning bolt|划掉的闪电
flash-on|lightning bolt|闪电
flow-chart|flow chart|流程图
folder|folder|文件夹
frame|picture frame|相框
full-battery|full battery|满电的电池
full-trash|full trash can|满的垃圾桶
gallery|photo gallery|相册
genealogy|family tree|家谱
globe|globe|地球
grid|grid|网格
headset|headset|头戴耳机
high-battery|battery|电池
home|house|房子
idea|light bulb|灯泡
image-file|image file|图片文件
in-transit|delivery truck|货车
info|information sign|信息标志
inspection|inspection list|检查清单
invite|open envelope with plus sign|带加号的信封
key|key|钥匙
landscape|landscape picture|风景图片
left|left arrow|向左箭头
library|library|图书馆
like|heart|爱心
line-chart|line chart|折线图
link|chain link|链接
list|list|列表
lock|closed padlock|锁
low-battery|low battery|电池电量不足
manager|manager|经理
menu|menu|菜单
middle-battery|half full battery|半电的电池
mind-map|mind map|思维导图
minus|minus sign|减号
missed-call|missed call|未接来电
money-transfer|money in an envelope|装钱的信封
multiple-devices|phone and tablet|手机和平板
music|musical note|音符
news|newspaper|报纸
next|next arrow|下一个箭头
night-landscape|night landscape|夜景
no-idea|crossed-out light bulb|划掉的灯泡
no-video|crossed-out video camera|划掉的摄像机
ok|check mark in a circle|圆圈里的勾号
old-time-camera|old camera|老式相机
online-support|customer support agent|客服人员
opened-folder|open folder|打开的文件夹
organization|office building|办公楼
overtime|calendar with clock|带时钟的日历
package|package|包裹
paid|shopping basket with check mark|打勾的购物篮
panorama|panorama|全景图
phone|telephone|电话
phone-android|smartphone|智能手机
photo-reel|camera film|相机胶卷
picture|picture|图片
pie-chart|pie chart|饼图
planner|calendar|日历
plus|plus sign|加号
podium-with-speaker|speaker at podium|讲台上的演讲者
podium-without-speaker|podium|讲台
portrait-mode|portrait of a man|男士肖像
previous|previous arrow|上一个箭头
print|printer|打印机
privacy|closed padlock|锁
process|cycle of arrows|循环箭头
puzzle|puzzle piece|拼图
questions|document with question mark|带问号的文档
radar-plot|radar chart|雷达图
rating|star in a circle|圆圈里的星星
reading|reading person|读书的人
reading-ebook|person reading tablet|看平板的人
redo|redo arrow|重做箭头
refresh|refresh arrows|刷新箭头
right|right arrow|向右箭头
rotate-camera|rotating camera|旋转相机
ruler|ruler|尺子
rules|paper with a list|写着清单的纸
safe|safe|保险箱
sales-performance|stacks of coins|几摞硬币
scatter-plot|scatter plot|散点图
search|magnifying glass|放大镜
selfie|selfie|自拍
services|gears|两个齿轮
settings|gear|齿轮
share|share arrow|分享箭头
shipped|delivery truck with check mark|打勾的货车
shop|shop|商店
signature|signature|签名
sim-card|sim card|手机卡
slr-back-side|back of a camera|相机背面
smartphone-tablet|smartphone and tablet|手机和平板电脑
sms|speech bubble with dots|带省略号的对话气泡
speaker|speaker|扬声器
sports-mode|running person|跑步的人
stack-of-photos|stack of photos|一叠照片
start|play button|播放按钮
statistics|chart on a board|展板上的图表
support|wrench|扳手
survey|clipboard|剪贴板
synchronize|sync arrows|同步箭头
tablet-android|tablet|平板电脑
template|web page layout|网页布局
timeline|timeline|时间线
todo-list|to-do list|待办清单
touchscreen-smartphone|touchscreen phone|触屏手机
tree-structure|tree diagram|树状图
undo|undo arrow|撤销箭头
unlock|open padlock|打开的锁
up|up arrow|向上箭头
upload|upload arrow|上传箭头
video-call|video call|视频通话
video-file|video file|视频文件
video-projector|projector|投影仪
voice-presentation|person speaking|说话的人
voicemail|voicemail|语音信箱
webcam|webcam|网络摄像头
workflow|workflow|工作流程
"""
_KAMELEON = """
aid-kit|first aid kit|急救箱
airconditioner|air conditioner|空调
airdrop-box|airdrop box|空投箱
antenna|radio tower|信号塔
anvil|anvil|铁砧
apartment-2|apartment building|公寓楼
article-file-2|article|文章
astronaut|astronaut|宇航员
baby-cart|baby carriage|婴儿车
bank|bank|银行
bank-check|bank check|支票
basket-2|shopping basket|购物篮
battery-medium|battery|电池
beach-2|beach|海滩
bomb|bomb|炸弹
box-open|open box|打开的箱子
box-trolley|box on a trolley|手推车上的箱子
briefcase|briefcase|公文包
bullhorn|megaphone|扩音器
businessman-globe|businessman with globe|商人和地球
businesswoman-3|businesswoman|商务女士
butterfly|butterfly|蝴蝶
cable-car|cable car|缆车
camera-front|camera|相机
cart|shopping cart|购物车
castle|castle|城堡
certificate-2|certificate|奖状
chair-4|chair|椅子
chalkboard|blackboard|黑板
chart-pie|pie chart|饼图
chicken|roast chicken|烤鸡
christmas-tree|christmas tree|圣诞树
cigarette|cigarette|香烟
clipboard-2|clipboard|剪贴板
cocktail|cocktail glass|鸡尾酒
coding-file-2|code file|代码文件
coffee-paper-glass|paper coffee cup|纸杯咖啡
cone|cone|圆锥
construction-blueprint|blueprint|蓝图
construction-worker-4|construction worker|建筑工人
coupons|scissors|剪刀
crab|crab|螃蟹
credit-card-3|credit card|信用卡
crosshair|crosshair|准星
dartboard|dartboard|飞镖盘
delivery|delivery truck|货车
dices|dice|骰子
donut|doughnut|甜甜圈
download-cloud|download cloud|下载云
drakkar|viking ship|维京船
drawer-2|drawers|抽屉柜
drum|drum|鼓
eco-tag|eco label|环保标签
education-globe|globe on a stand|地球仪
enter-key|enter key|回车键
excavator|excavator|挖掘机
eyeglasses|glasses|眼镜
farm|farm|农场
favorite-file|file with a heart|带爱心的文件
filter|funnel|漏斗
fireman-2|firefighter|消防员
glasses|glasses|眼镜
graph-magnifier|chart under a magnifying glass|放大镜下的图表
hammer|hammer|锤子
harp|harp|竖琴
hat-2|hat|帽子
heart-key|heart-shaped key|心形钥匙
heart-watch|stopwatch with a heart|带爱心的秒表
hook|crane hook|起重机吊钩
house-location|house with map pin|房子和定位标记
image-file|image file|图片文件
joystick|joystick|游戏操控杆
keyboard|musical keyboard|电子琴
ladybug|lady beetle|瓢虫
lamp|desk lamp|台灯
laptop|laptop|笔记本电脑
light-bulb|light bulb|灯泡
lighter|lighter|打火机
lockers|suitcase with key|行李箱和钥匙
luggage-cart|luggage cart|行李车
magic-wand|magic wand|魔棒
map|map|地图
map-pin|map pin|定位标记
medicine|medicine bottle|药瓶
meteor|comet|彗星
microphone-2|microphone|麦克风
microphone-3|studio microphone|录音室麦克风
microwave|microwave oven|微波炉
money-atm|cash machine|取款机
money-graph|money chart|金钱图表
motorbike|motorcycle|摩托车
mountain|mountain|山
movie-film|film strip|胶片
nail-varnish|nail polish bottle|指甲油瓶
newspaper|newspaper|报纸
nuclear-mushroom|mushroom cloud|蘑菇云
oven-glove|oven mitt|隔热手套
oxygen-tank|oxygen tank|氧气罐
party-poppers|party popper|拉炮彩带
peace|peace symbol|和平符号
pen|pen|笔
pencil-2|pencil|铅笔
pencil-ruler-2|pencil and ruler|铅笔和尺子
perfume|perfume bottle|香水瓶
photo-file-2|photo|照片
pine-tree|evergreen tree|松树
play|play button|播放按钮
plug|electric plug|电源插头
podium|winners' podium|领奖台
pointer|mouse pointer|鼠标指针
popcorn|popcorn|爆米花
postcard|postcard|明信片
power|power button|电源按钮
prism-2|prism|棱镜
quill-paper|quill and paper|羽毛笔和纸
rainbow|rainbow|彩虹
receptionist|receptionist|前台接待员
reindeer|reindeer|驯鹿
robot|robot|机器人
santa|santa claus|圣诞老人
scale-weight|kitchen scale|厨房秤
script-paper|scroll|卷轴
sea|sun over the sea|海上的太阳
servers|servers|服务器
service-bell|bellhop bell|服务铃
shopping-4|shopping bag|购物袋
skate|ice skate|冰鞋
smartphone|smartphone|智能手机
sneakers-3|running shoe|跑鞋
soccer-field|soccer field|足球场
sofa-3|sofa|沙发
soldier|soldier|士兵
space-shuttle|space shuttle|航天飞机
speaker|speaker with sound waves|发声的扬声器
sprout|hand holding a seedling|手捧幼苗
stamp-paper|stamped paper|盖章的文件
steering-wheel|steering wheel|方向盘
stethoscope|stethoscope|听诊器
strawberry|strawberry|草莓
taxi-2|taxi|出租车
tea-cup|tea cup|茶杯
test-tube|flask|烧瓶
text-file|text file|文本文件
theater|theatre stage|剧院舞台
towel|towel on a hanger|衣架上的毛巾
traffic-light|vertical traffic light|红绿灯
truck|truck|卡车
truck-front|oncoming truck|迎面驶来的卡车
ufo|flying saucer|飞碟
upload-cloud-computer|upload cloud|上传云
vespa|motor scooter|小型摩托车
wallet|wallet|皮夹
webcam|webcam|网络摄像头
wind-flag|windsock|风向袋
wind-vane|weather vane|风向标
wind-wheel|wind turbine|风力发电机
wrench|wrench|扳手
yacht|yacht|游艇
yin-yang|yin yang|阴阳
"""


def _read(lines: str) -> dict[str, tuple[str, str]]:
    rows = (line.split("|") for line in lines.strip().splitlines())
    return {icon: (en, zh) for icon, en, zh in rows}


EXTRA = {
    "flat-color-icons": _read(_FLAT_COLOR),
    "streamline-kameleon-color": _read(_KAMELEON),
}
