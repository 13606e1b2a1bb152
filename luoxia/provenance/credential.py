"""The signed credential in a file: C2PA 2, by the content authenticity initiative's own library.

It says that content was made or changed by a model, by which one and with what licences, and binds this to every byte
of the file. Where a file goes, its label and marks must be in it before: what is written later breaks the binding.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from luoxia.core.errors import UserError
from luoxia.core.folder import write_atomically
from luoxia.core.language import Text
from luoxia.provenance.keys import Signer, fingerprint, folder, parsed, text_of

MADE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
CHANGED = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
CREATION = "luoxia.creation"  # our own assertion
MIME = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".tif": "image/tiff",
    ".tiff": "image/tiff", ".gif": "image/gif", ".svg": "image/svg+xml", ".mp4": "video/mp4", ".m4v": "video/x-m4v",
    ".mov": "video/quicktime", ".m4a": "audio/mp4", ".wav": "audio/wav", ".mp3": "audio/mpeg", ".flac": "audio/flac",
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
}  # fmt: skip
PACKED = (".docx", ".pptx")
SETTINGS = {  # the library would fetch manifests and lists of revoked certificates from addresses in a file
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
}
BENIGN = ("signingCredential.untrusted", "signingCredential.trusted")
END = "-----END CERTIFICATE-----\n"


@dataclass(frozen=True)
class Claim:
    """What is said of content. ``models`` are {"id", "sha256"} and more, ``licences`` those of their training data;
    ``parents`` the files it was made from, which ``changed`` makes it a change of. ``facts`` go along as they are."""

    creation: str
    title: str = ""
    models: tuple[Mapping[str, str], ...] = ()
    licences: tuple[str, ...] = ()
    parents: tuple[Path, ...] = ()
    changed: bool = False
    software: Mapping[str, str] = field(default_factory=lambda: {"name": "Luoxia"})
    facts: Mapping[str, Any] = field(default_factory=dict)

    def manifest(self) -> dict[str, Any]:
        """As the library takes it; ingredients are added one by one."""
        said = {
            "id": self.creation,
            "models": [dict(model) for model in self.models],
            "trainingDataLicences": list(self.licences),
            **self.facts,
        }
        assertions: list[dict[str, Any]] = [{"label": CREATION, "data": said}]
        if not self.changed:
            created = {
                "action": "c2pa.created",
                "digitalSourceType": MADE,
                "softwareAgent": dict(self.software),
            }
            assertions.insert(0, {"label": "c2pa.actions.v2", "data": {"actions": [created]}})
        return {"claim_generator_info": [dict(self.software)], "title": self.title or self.creation,
                "assertions": assertions}  # fmt: skip


@dataclass(frozen=True)
class Credential:
    """What a file's credential says. ``holds``: the signature is right, and so is every hash; ``faults`` are the
    library's codes of what does not. ``signer`` is what the certificate calls itself, ``serial`` its number; whose it
    is, ``known`` tells: "own" (this installation's), "trusted" (of an authority the user trusts), or ""."""

    holds: bool
    faults: tuple[str, ...]
    signer: str
    serial: str
    known: str
    generator: str
    generated: bool
    creation: Mapping[str, Any]
    parents: tuple[str, ...] = ()


def signs(path: Path) -> bool:
    """Whether files of this kind have a place for a credential."""
    return path.suffix.lower() in MIME


def sign(path: Path, claim: Claim, signer: Signer) -> None:
    """Put a credential into the file at ``path``, in place. Raises :class:`UserError` with the reason."""
    import c2pa

    suffix = path.suffix.lower()
    if suffix not in MIME:
        raise UserError(
            f"{path}: there is no place for a credential in files of this kind",
            f"{path}：此类文件没有放置凭证的位置",
        )
    if suffix in PACKED:
        _store(path)
    signed = path.with_name(f".{path.stem}.signed{suffix}")
    try:
        algorithm = c2pa.C2paSigningAlg[signer.algorithm.upper()]
        with (
            c2pa.Signer.from_callback(lambda data: signer.sign(data), algorithm, signer.certificates) as by,
            c2pa.Builder(claim.manifest(), _context()) as builder,
        ):
            _ingredients(builder, claim)
            builder.sign_file(path, signed, by)
        os.replace(signed, path)
    except (c2pa.C2paError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{path} cannot be signed: {reason}", f"{path} 无法签名：{reason}") from error
    finally:
        signed.unlink(missing_ok=True)


def read(path: Path, mime: str | None = None) -> Credential | None:
    """The credential in the file at ``path``, or None where there is none; ``mime`` where its name does not tell.

    Raises :class:`UserError` for one that cannot be read at all.
    """
    import c2pa

    mime = mime or MIME.get(path.suffix.lower())
    if mime is None:
        return None
    try:
        authorities, serials = _own()
        found = _read(path, mime, _context(authorities))
        if found is None:
            return None
        told = _told(*found)
        if told.known and told.serial in serials:
            return replace(told, known="own")
        anchors = _anchors()
        if not anchors:
            return replace(told, known="")
        trusted = _read(path, mime, _context(anchors))
    except (c2pa.C2paError, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(
            f"{path}: its credential cannot be read ({reason})", f"{path}：凭证无法读取（{reason}）"
        ) from error
    return _told(*trusted) if trusted else None


def _read(path: Path, mime: str, context: Any) -> tuple[dict[str, Any], str] | None:
    """The library's report of a credential, and the state that it found it in."""
    import c2pa

    with path.open("rb") as file:
        reader = c2pa.Reader.try_create(mime, file, context=context)
        if reader is None:
            return None
        with reader:
            return json.loads(reader.json()), str(reader.get_validation_state())


def trust(certificates: Path) -> Path:
    """Trust the authorities in a file of PEM from now on; where they are kept."""
    found = text_of(certificates)
    chosen = parsed(found)
    path = folder() / "trusted"
    name = fingerprint(chosen[0])[:16] + ".pem"
    with write_atomically(path / name) as file:
        file.write(found.encode())
    return path / name


def _told(store: dict[str, Any], state: str) -> Credential:
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})  # none, where it is broken
    faults = tuple(
        status["code"] for status in store.get("validation_status", ()) if status["code"] not in BENIGN
    )
    results = store.get("validation_results", {}).get("activeManifest", {})
    right = {status["code"] for status in results.get("success", ())}
    signature = manifest.get("signature_info", {})
    actions = [
        action
        for assertion in manifest.get("assertions", ())
        if assertion["label"].startswith("c2pa.actions")
        for action in assertion["data"].get("actions", ())
    ]
    data = next(
        (a["data"] for a in manifest.get("assertions", ()) if a["label"].split("__")[0] == CREATION), {}
    )
    by = [info.get("name", "") for info in manifest.get("claim_generator_info", ())]
    return Credential(
        holds=state in ("Valid", "Trusted") and not faults,
        faults=faults,
        signer=", ".join(filter(None, (signature.get("common_name"), signature.get("issuer")))),
        serial=str(signature.get("cert_serial_number", "")),
        known="trusted" if "signingCredential.trusted" in right else "",
        generator=", ".join(filter(None, by)),
        generated=any(action.get("digitalSourceType") in (MADE, CHANGED) for action in actions),
        creation=data if isinstance(data, dict) else {},
        parents=tuple(str(i.get("title", "")) for i in manifest.get("ingredients", ())),
    )


def _ingredients(builder: Any, claim: Claim) -> None:
    """The files that content was made from, the first opened and changed where it is a change."""
    opened = []
    for number, parent in enumerate(claim.parents):
        if parent.suffix.lower() not in MIME:
            continue
        name = f"luoxia.parent.{number}"
        of = {"title": parent.name, "relationship": "parentOf" if claim.changed and not opened else "inputTo",
              "label": name}  # fmt: skip
        with parent.open("rb") as file:
            builder.add_ingredient(of, MIME[parent.suffix.lower()], file)
        opened.append(name)
    if claim.changed:
        opening = {"action": "c2pa.opened", "parameters": {"ingredientIds": opened[:1]}}
        edited = {
            "action": "c2pa.edited",
            "digitalSourceType": CHANGED,
            "softwareAgent": dict(claim.software),
        }
        for action in (opening, edited) if opened else (edited | {"action": "c2pa.created"},):
            builder.add_action(action)


def _store(path: Path) -> None:
    """Pack a zip archive again without compression, the only one that the library reads."""
    unpacked = path.with_name(f".{path.stem}.stored{path.suffix}")
    with zipfile.ZipFile(path) as packed, zipfile.ZipFile(unpacked, "w", zipfile.ZIP_STORED) as stored:
        for member in packed.infolist():
            stored.writestr(zipfile.ZipInfo(member.filename, member.date_time), packed.read(member))
    os.replace(unpacked, path)


@cache
def _context(authorities: str = "") -> Any:
    """The library's settings, with trust in ``authorities`` (PEM) alone."""
    import c2pa

    return c2pa.Context.from_dict({**SETTINGS, "trust": {"user_anchors": authorities} if authorities else {}})


def _anchors() -> str:
    """The authorities that the user trusts."""
    return "".join(path.read_text(encoding="ascii") for path in sorted((folder() / "trusted").glob("*.pem")))


def _own() -> tuple[str, set[str]]:
    """The authorities behind the certificates that this installation signs with or did, and these ones' numbers: an
    authority may have others."""
    chains = [path.read_text(encoding="ascii") for path in sorted(folder().glob("*certificates.pem"))]
    parts = [text.partition(END) for text in chains]
    return "".join(rest for _, _, rest in parts), {str(parsed(text)[0].serial_number) for text in chains}


FAULTS = {
    "assertion.dataHash.mismatch": Text("its content was changed after it was signed", "内容在签名后被改动"),
    "assertion.bmffHash.mismatch": Text("its content was changed after it was signed", "内容在签名后被改动"),
    "assertion.boxesHash.mismatch": Text("its content was changed after it was signed", "内容在签名后被改动"),
    "assertion.collectionHash.mismatch": Text(
        "its content was changed after it was signed", "内容在签名后被改动"
    ),
    "assertion.hashedURI.mismatch": Text("what the credential says was changed", "凭证内容被改动"),
    "claimSignature.mismatch": Text("the signature is wrong", "签名错误"),
    "claimSignature.outsideValidity": Text("the certificate is not valid at this time", "证书不在有效期内"),
    "signingCredential.expired": Text("the certificate has expired", "证书已过期"),
    "signingCredential.revoked": Text("the certificate was revoked", "证书已吊销"),
    "signingCredential.invalid": Text("the certificate may not sign content", "证书不可用于内容签名"),
}


def said(code: str) -> Text:
    """A fault of a credential in words."""
    return FAULTS.get(code, Text(code, code))
