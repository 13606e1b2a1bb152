"""What signs credentials: a certificate of this installation, made at first use, or one of the user's own.

A signer comes from the first of these that is there: ``LUOXIA_SIGNING_KEY`` and ``LUOXIA_SIGNING_CERTIFICATE`` (PEM, or
paths of it, or for the key a ``pkcs11:`` address, RFC 7512); what :func:`keep` imported; what :func:`create` makes.
"""

from __future__ import annotations

import datetime
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from luoxia.core.errors import UserError, unreadable
from luoxia.core.folder import home, write_atomically

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

KEY, CERTIFICATE = "LUOXIA_SIGNING_KEY", "LUOXIA_SIGNING_CERTIFICATE"
VALID = datetime.timedelta(days=5 * 365)
SLACK = datetime.timedelta(days=1)  # by which clocks of others may be behind
LARGEST = 1 << 20  # bytes of a file of PEM
ORGANISATION = "Luoxia installation"


@dataclass(frozen=True)
class Signer:
    """``algorithm`` is COSE's name in small letters; ``certificates`` PEM, the signing one first; ``sign`` gives the
    signature of bytes in COSE's form. ``place`` says where the key is."""

    algorithm: str
    certificates: str
    sign: Callable[[bytes], bytes]
    place: str


def folder() -> Path:
    """Where this installation's key and certificates lie."""
    return home() / "keys"


def signer() -> Signer:
    """The signer of this installation, made now where there is none. Raises :class:`UserError`."""
    if os.environ.get(KEY) or os.environ.get(CERTIFICATE):
        if not (os.environ.get(KEY) and os.environ.get(CERTIFICATE)):
            raise UserError(
                f"{KEY} and {CERTIFICATE} go together: set both", f"{KEY} 与 {CERTIFICATE} 须同时设置"
            )
        key, certificates = os.environ[KEY], _pem(os.environ[CERTIFICATE])
        if key.startswith("pkcs11:"):
            from luoxia.provenance import signing_token

            return signing_token.signer(key, certificates)
        return _signer(_pem(key), certificates, KEY)
    key_path, chain_path = folder() / "key.pem", folder() / "certificates.pem"
    if not key_path.exists():
        create()
    _guard(key_path)
    return _signer(text_of(key_path), text_of(chain_path), str(key_path))


def create(*, anew: bool = False) -> Path:
    """Make a key and a certificate, signed by an authority whose own key is forgotten at once; where they lie.

    The chain has the form of the C2PA specification (section 14.5.1): P-256 with SHA-256, a signing certificate that is
    no authority, for e-mail protection, and its authority. What is there stays, unless ``anew``, when it is kept under
    the date of today.
    """
    path = folder()
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(path / ".lock"):
        if (path / "key.pem").exists() and not anew:
            return path
        from luoxia.provenance.certificates import chain

        key, certificates = chain(ORGANISATION, VALID, SLACK)
        _write(path, key, certificates)
    return path


def keep(key: Path, certificates: Path) -> Path:
    """Use the user's own from now on: PEM of a private key and of its certificates, the signing one first."""
    found = _signer(text_of(key), text_of(certificates), str(key))
    chain = parsed(found.certificates)
    if len(chain) < 2 and chain[0].issuer == chain[0].subject:
        raise UserError(
            f"{certificates} signs itself; credentials need a certificate that an authority signed, and the authority's",
            f"{certificates} 是自签名证书；凭证需要由机构签发的证书，并附上机构证书",
        )
    path = folder()
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(path / ".lock"):
        _write(path, text_of(key), text_of(certificates))
    return path


def parsed(certificates: str) -> list[Certificate]:
    """The certificates of PEM. Raises :class:`UserError`."""
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificates(certificates.encode())
    except ValueError as error:
        raise UserError(
            f"that is no certificate in PEM: {error}", f"这不是 PEM 格式的证书：{error}"
        ) from error
    return found


def fingerprint(certificate: Certificate) -> str:
    """SHA-256 of the certificate, in hexadecimal."""
    from cryptography.hazmat.primitives import hashes

    return certificate.fingerprint(hashes.SHA256()).hex()


def _aside(path: Path) -> None:
    """Key and certificates, by the time: what they signed names them."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y%m%d-%H%M%S")
    for name in ("certificates.pem", "key.pem"):
        (path / name).rename(path / f"{now}-{name}")


def _write(path: Path, key: str, certificates: str) -> None:
    """Put aside what is there; the key comes last, and for its owner's eyes from its first byte on."""
    if (path / "key.pem").exists():
        _aside(path)
    with write_atomically(path / "certificates.pem") as file:
        file.write(certificates.encode())
    before = os.umask(0o077)
    try:
        with write_atomically(path / "key.pem") as file:
            file.write(key.encode())
    finally:
        os.umask(before)


def _guard(path: Path) -> None:
    """Refuse a key that others on this machine may read."""
    if os.name == "posix" and path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UserError(
            f"{path} can be read by others on this machine: chmod 600 {path}, or make another with `luoxia keys create --anew`",
            f"本机其他用户可读取 {path}：请执行 chmod 600 {path}，或用 `luoxia keys create --anew` 另建",
        )


def _signer(key: str, certificates: str, place: str) -> Signer:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        private = load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError) as error:
        raise UserError(
            f"{place} holds no private key in PEM without a password",
            f"{place} 中没有未加密的 PEM 私钥",
        ) from error
    algorithm, sign = _signing(private, place)
    first = parsed(certificates)[0]
    if first.public_key() != private.public_key():
        raise UserError(
            f"the key in {place} is not that of the first certificate ({first.subject.rfc4514_string()})",
            f"{place} 中的私钥与首个证书（{first.subject.rfc4514_string()}）不匹配",
        )
    return Signer(algorithm, certificates, sign, place)


def _signing(private: PrivateKeyTypes, place: str) -> tuple[str, Callable[[bytes], bytes]]:
    """COSE's name of the algorithm that goes with a key, and how it signs."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    curves = {"secp256r1": ("es256", hashes.SHA256(), 32), "secp384r1": ("es384", hashes.SHA384(), 48),
              "secp521r1": ("es512", hashes.SHA512(), 66)}  # fmt: skip
    match private:
        case ec.EllipticCurvePrivateKey() if private.curve.name in curves:
            name, digest, size = curves[private.curve.name]

            def two_numbers(data: bytes) -> bytes:
                r, s = decode_dss_signature(private.sign(bytes(data), ec.ECDSA(digest)))
                return r.to_bytes(size, "big") + s.to_bytes(size, "big")

            return name, two_numbers
        case rsa.RSAPrivateKey() if private.key_size >= 2048:
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), hashes.SHA256().digest_size)
            return "ps256", lambda data: private.sign(bytes(data), pss, hashes.SHA256())
        case ed25519.Ed25519PrivateKey():
            return "ed25519", lambda data: private.sign(bytes(data))
    raise UserError(
        f"{place}: credentials are signed with P-256, P-384, P-521, Ed25519, or RSA of 2,048 bits or more",
        f"{place}：凭证签名支持 P-256、P-384、P-521、Ed25519，或 2,048 位以上的 RSA",
    )


def _pem(given: str) -> str:
    """PEM itself, or the path of a file of it."""
    return given if "-----BEGIN" in given else text_of(Path(given))


def text_of(path: Path) -> str:
    """A file of PEM. Raises :class:`UserError`."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    try:
        if len(data) > LARGEST:
            raise ValueError
        return data.decode("ascii")
    except ValueError as error:
        raise UserError(f"{path} is no PEM", f"{path} 不是 PEM 文件") from error
