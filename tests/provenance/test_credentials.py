"""Credentials: what they say, that they hold, and that they stop to hold when anything moves."""

from __future__ import annotations

import datetime
import io
import json
import os
import shutil
import stat
import subprocess
import time
import wave
from pathlib import Path

import c2pa
import pytest
from PIL import Image

from luoxia.core.errors import UserError
from luoxia.provenance import certificates, credential, keys
from luoxia.provenance.credential import Claim

CLAIM = Claim(
    "L01ARZ3NDEKTSV4RRFFQ69G5FAV",
    title='a <cat> & "dog" 猫\u202e',
    models=({"id": "icons-64", "sha256": "ab" * 32},),
    licences=("CC BY 4.0",),
)
PICTURES = (".png", ".jpg", ".webp", ".tiff", ".gif")
FILMS = (".mp4", ".mov", ".m4a", ".mp3", ".flac")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (keys.KEY, keys.CERTIFICATE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def made(path: Path) -> Path:
    """A small file of the kind that the suffix says."""
    suffix = path.suffix
    if suffix in PICTURES:
        Image.effect_noise((64, 48), 50).convert("RGB").save(path)
    elif suffix == ".svg":
        path.write_text(
            '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><path d="M0 0h9"/></svg>'
        )
    elif suffix == ".pdf":
        Image.new("RGB", (64, 48), "red").save(path)
    elif suffix == ".wav":
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(bytes(range(256)) * 20)
    elif suffix == ".docx":
        import docx

        document = docx.Document()
        document.add_paragraph("秋水共长天一色")
        document.save(str(path))
    elif suffix == ".pptx":
        import pptx

        pptx.Presentation().save(str(path))
    else:
        film(path)
    return path


def film(path: Path) -> None:
    import av
    import numpy as np

    sound = path.suffix in (".m4a", ".mp3", ".flac")
    with av.open(str(path), "w") as file:
        if sound:
            stream = file.add_stream(
                {".m4a": "aac", ".mp3": "mp3", ".flac": "flac"}[path.suffix], rate=44_100
            )
            kind = "s16" if path.suffix == ".flac" else "fltp"
            wave_ = np.zeros((1, 44_100), np.int16 if kind == "s16" else np.float32)
            frame = av.AudioFrame.from_ndarray(wave_, kind, "mono")
            frame.sample_rate = 44_100
            frames = [frame]
        else:
            stream = file.add_stream("mpeg4", rate=8)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            pixels = np.random.default_rng(0).integers(0, 255, (4, 48, 64, 3), np.uint8)
            frames = [av.VideoFrame.from_ndarray(x, "rgb24") for x in pixels]
        for frame in frames:
            file.mux(stream.encode(frame))
        file.mux(stream.encode(None))


def signed(path: Path, claim: Claim = CLAIM) -> Path:
    credential.sign(made(path), claim, keys.signer())
    return path


@pytest.mark.parametrize("suffix", [*PICTURES, ".svg", ".pdf", ".wav", ".docx", ".pptx", *FILMS])
def test_every_format_says_what_it_is_and_by_whom(tmp_path: Path, suffix: str) -> None:
    path = signed(tmp_path / f"a{suffix}")
    found = credential.read(path)
    assert found is not None
    assert found.holds
    assert found.generated
    assert found.known == "own"
    assert found.creation == {
        "id": CLAIM.creation,
        "models": [{"id": "icons-64", "sha256": "ab" * 32}],
        "trainingDataLicences": ["CC BY 4.0"],
    }
    told = json.loads(c2pa.Reader.try_create(path).json())  # as others read it
    manifest = told["manifests"][told["active_manifest"]]
    action = next(a for a in manifest["assertions"] if a["label"] == "c2pa.actions.v2")["data"]["actions"][0]
    assert action["action"] == "c2pa.created"
    assert action["digitalSourceType"] == credential.MADE
    assert {status["code"] for status in told["validation_status"]} == {"signingCredential.untrusted"}


def test_office_files_are_whole_after_it(tmp_path: Path) -> None:
    import docx
    import pptx

    document = docx.Document(str(signed(tmp_path / "a.docx")))
    assert [p.text for p in document.paragraphs] == ["秋水共长天一色"]
    pptx.Presentation(str(signed(tmp_path / "a.pptx")))


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".wav", ".mp4", ".svg", ".gif"])
def test_a_flipped_bit_anywhere_breaks_it(tmp_path: Path, suffix: str) -> None:
    """In the content always; within the credential's own bytes it breaks, or nothing that is said moves."""
    path = signed(tmp_path / f"a{suffix}")
    whole, first = path.read_bytes(), credential.read(path)
    begin, end = place_of_credential(path, whole)
    flipped = tmp_path / f"b{suffix}"
    step = max(1, (len(whole) - end + begin) // 97)
    for at in [
        *range(0, begin, step),
        *range(begin, end, (end - begin) // 61),
        *range(end, len(whole), step),
    ]:
        flipped.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        try:
            found = credential.read(flipped)
        except UserError:
            continue  # no credential can be read any more
        if found is not None and found.holds:
            assert begin <= at < end, at
            assert found == first


def place_of_credential(path: Path, whole: bytes) -> tuple[int, int]:
    """Which bytes are the credential's own, and so outside of what it binds, as it says itself."""
    if (
        path.suffix == ".mp4"
    ):  # by boxes: its own, and the head and the free space that the specification leaves out
        at = whole.index(b"\xd8\xfe\xc3\xd6\x1b\x0e\x48\x3c\x92\x97\x58\x28\x87\x7e\xc4\x81") - 8
        return 0, whole.index(b"mdat", at + int.from_bytes(whole[at : at + 4], "big")) - 4
    told = json.loads(c2pa.Reader.try_create(path).detailed_json())
    bound = told["manifests"][told["active_manifest"]]["assertion_store"]["c2pa.hash.data"]["exclusions"][0]
    return bound["start"], bound["start"] + bound["length"]


def test_a_credential_of_another_file_does_not_hold(tmp_path: Path) -> None:
    whole = signed(tmp_path / "a.png").read_bytes()
    other = io.BytesIO()
    Image.new("RGB", (64, 48), "blue").save(other, "PNG")
    at = whole.index(b"caBX") - 4
    chunk = whole[at : at + 12 + int.from_bytes(whole[at : at + 4], "big")]
    copied = other.getvalue()
    (tmp_path / "b.png").write_bytes(copied[:33] + chunk + copied[33:])
    found = credential.read(tmp_path / "b.png")
    assert found is not None
    assert not found.holds
    assert "assertion.dataHash.mismatch" in found.faults
    assert found.known == "own"  # by us, and of something else


def test_a_change_names_what_it_was_made_from(tmp_path: Path) -> None:
    first = signed(tmp_path / "a.png")
    path = signed(tmp_path / "b.png", Claim("L2", parents=(first,), changed=True))
    found = credential.read(path)
    assert found is not None
    assert found.holds
    assert found.generated
    assert found.parents == ("a.png",)
    told = json.loads(c2pa.Reader.try_create(path).json())
    manifest = told["manifests"][told["active_manifest"]]
    assert [i["relationship"] for i in manifest["ingredients"]] == ["parentOf"]
    actions = [
        a for x in manifest["assertions"] if x["label"] == "c2pa.actions.v2" for a in x["data"]["actions"]
    ]
    assert [a["action"] for a in actions] == ["c2pa.opened", "c2pa.edited"]
    assert actions[1]["digitalSourceType"] == credential.CHANGED
    assert len(told["manifests"]) == 2  # the parent's own credential came along


def test_what_has_none_says_nothing(tmp_path: Path) -> None:
    assert credential.read(made(tmp_path / "a.png")) is None
    assert credential.read(tmp_path / "a.txt") is None
    with pytest.raises(UserError, match="no place for a credential"):
        credential.sign(tmp_path / "a.txt", CLAIM, keys.signer())
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match="cannot be signed"):
        credential.sign(tmp_path / "b.png", CLAIM, keys.signer())
    assert {p.name for p in tmp_path.iterdir()} == {"a.png", "b.png", "home"}  # nothing half-made is left


def test_nobody_is_trusted_silently(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = signed(tmp_path / "a.png")
    authority = keys.folder() / "certificates.pem"
    monkeypatch.setenv("LUOXIA_HOME", str(tmp_path / "elsewhere"))
    found = credential.read(path)
    assert found is not None
    assert found.holds
    assert found.known == ""
    credential.trust(authority)
    found = credential.read(path)
    assert found is not None
    assert found.known == "trusted"


def test_what_an_earlier_key_signed_stays_our_own(tmp_path: Path) -> None:
    path = signed(tmp_path / "a.png")
    first = keys.signer().certificates
    keys.create(anew=True)
    assert keys.signer().certificates != first
    found = credential.read(path)
    assert found is not None
    assert found.known == "own"


def keep_chain(tmp_path: Path, valid: datetime.timedelta, now: datetime.datetime) -> None:
    key, chain = certificates.chain("x", valid, datetime.timedelta(days=1), now=now)
    (tmp_path / "k.pem").write_text(key)
    (tmp_path / "c.pem").write_text(chain)
    keys.keep(tmp_path / "k.pem", tmp_path / "c.pem")


def test_an_expired_certificate_signs_nothing(tmp_path: Path) -> None:
    now = datetime.datetime.now(datetime.UTC)
    keep_chain(tmp_path, datetime.timedelta(days=9), now - datetime.timedelta(days=20))
    with pytest.raises(UserError, match="not valid at time of signing"):
        signed(tmp_path / "a.png")


def test_a_certificate_that_expired_since_is_told(tmp_path: Path) -> None:
    keep_chain(tmp_path, datetime.timedelta(seconds=6), datetime.datetime.now(datetime.UTC))
    path = signed(tmp_path / "a.png")
    first = credential.read(path)
    assert first is not None
    assert first.holds
    time.sleep(7)
    found = credential.read(path)
    assert found is not None
    assert not found.holds
    assert str(credential.said(found.faults[0])) == "the certificate has expired"


def test_the_key_is_its_owners_alone() -> None:
    path = keys.create() / "key.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.chmod(0o640)
    with pytest.raises(UserError, match="can be read by others"):
        keys.signer()


def test_many_at_once_make_one_key(tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: keys.signer().certificates, range(8)))
    assert len(set(found)) == 1


def test_a_signer_out_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key, chain = certificates.chain("Of mine", datetime.timedelta(days=9), datetime.timedelta(days=1))
    monkeypatch.setenv(keys.KEY, key)
    with pytest.raises(UserError, match="go together"):
        keys.signer()
    (tmp_path / "c.pem").write_text(chain)
    monkeypatch.setenv(keys.CERTIFICATE, str(tmp_path / "c.pem"))
    found = credential.read(signed(tmp_path / "a.png"))
    assert found is not None
    assert "Of mine" in found.signer
    assert not keys.folder().exists()


@pytest.mark.parametrize("kind", ["rsa", "ed25519", "secp384r1", "secp521r1"])
def test_other_kinds_of_keys_sign(tmp_path: Path, kind: str) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    key = {
        "rsa": lambda: rsa.generate_private_key(65537, 2048),
        "ed25519": ed25519.Ed25519PrivateKey.generate,
        "secp384r1": lambda: ec.generate_private_key(ec.SECP384R1()),
        "secp521r1": lambda: ec.generate_private_key(ec.SECP521R1()),
    }[kind]()
    private, chain = certificates.chain("x", datetime.timedelta(days=9), datetime.timedelta(days=1), key=key)
    assert serialization.load_pem_private_key(private.encode(), None)
    (tmp_path / "k.pem").write_text(private)
    (tmp_path / "c.pem").write_text(chain)
    keys.keep(tmp_path / "k.pem", tmp_path / "c.pem")
    found = credential.read(signed(tmp_path / "a.png"))
    assert found is not None
    assert found.holds
    assert found.known == "own"


def test_keys_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    long = datetime.timedelta(days=9), datetime.timedelta(days=1)
    (tmp_path / "k.pem").write_text(certificates.chain("x", *long)[0])
    (tmp_path / "c.pem").write_text(certificates.chain("x", *long)[1])
    with pytest.raises(UserError, match="not that of the first certificate"):
        keys.keep(tmp_path / "k.pem", tmp_path / "c.pem")
    (tmp_path / "k.pem").write_text("-----BEGIN PRIVATE KEY-----\nnone\n-----END PRIVATE KEY-----\n")
    with pytest.raises(UserError, match="no private key"):
        keys.keep(tmp_path / "k.pem", tmp_path / "c.pem")
    with pytest.raises(UserError, match="cannot be read"):
        keys.keep(tmp_path / "none.pem", tmp_path / "c.pem")
    assert not (keys.folder() / "key.pem").exists()


MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")


@pytest.mark.skipif(not (MODULE.exists() and shutil.which("softhsm2-util")), reason="needs SoftHSM")
def test_a_key_in_a_token_signs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pkcs11")
    key, chain = certificates.chain("Token", datetime.timedelta(days=9), datetime.timedelta(days=1))
    (tmp_path / "k.pem").write_text(key)
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    monkeypatch.setenv("SOFTHSM2_CONF", str(tmp_path / "softhsm.conf"))
    tool = ["softhsm2-util", "--module", str(MODULE)]
    for told in (
        ["--init-token", "--free", "--label", "luoxia", "--pin", "1234", "--so-pin", "5678"],
        [
            "--import",
            str(tmp_path / "k.pem"),
            "--token",
            "luoxia",
            "--label",
            "signing",
            "--id",
            "01",
            "--pin",
            "1234",
        ],
    ):
        subprocess.run([*tool, *told], check=True, capture_output=True, env=dict(os.environ))
    address = f"pkcs11:token=luoxia;object=signing?module-path={MODULE}&pin-value="
    monkeypatch.setenv(keys.CERTIFICATE, chain)
    monkeypatch.setenv(keys.KEY, address + "0000")
    with pytest.raises(UserError, match="cannot sign") as refused:
        keys.signer()
    assert "0000" not in str(refused.value)
    monkeypatch.setenv(keys.KEY, address + "1234")
    found = credential.read(signed(tmp_path / "a.png"))
    assert found is not None
    assert found.holds
    assert "Token" in found.signer
