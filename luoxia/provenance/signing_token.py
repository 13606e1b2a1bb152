"""Signing with a key that never leaves its token: PKCS #11, addressed by RFC 7512.

``pkcs11:token=NAME;object=KEY?module-path=/path/to/module.so&pin-value=1234``; the PIN may stand in
``LUOXIA_SIGNING_PIN`` instead, and the module in ``PKCS11_MODULE``.
"""

from __future__ import annotations

import hashlib
import os
from typing import Any
from urllib.parse import parse_qsl, unquote

from luoxia.core.errors import UserError
from luoxia.provenance.keys import Signer, parsed

SIZES = {256: ("es256", hashlib.sha256), 384: ("es384", hashlib.sha384), 521: ("es512", hashlib.sha512)}


def signer(address: str, certificates: str) -> Signer:
    """The signer that ``address`` names. Raises :class:`UserError`."""
    try:
        import pkcs11  # type: ignore[import-not-found]
        from pkcs11.exceptions import PKCS11Error  # type: ignore[import-not-found]
    except ImportError as error:
        raise UserError(
            'tokens are spoken to by python-pkcs11; install it with: pip install "luoxia[pkcs11]"',
            '令牌经由 python-pkcs11 访问；请安装：pip install "luoxia[pkcs11]"',
        ) from error
    path, _, query = address.removeprefix("pkcs11:").partition("?")
    where = {k: unquote(v) for k, _, v in (part.partition("=") for part in path.split(";") if part)}
    asked = dict(parse_qsl(query))
    module = asked.get("module-path") or os.environ.get("PKCS11_MODULE")
    pin = asked.get("pin-value") or os.environ.get("LUOXIA_SIGNING_PIN")
    said = address.partition("?")[0]  # without the PIN
    if not module or not where.get("object"):
        raise UserError(
            f"{said}: give object=KEY, and the token's library as ?module-path=FILE or PKCS11_MODULE",
            f"{said}：请给出 object=密钥名，并以 ?module-path=文件 或 PKCS11_MODULE 指明令牌库",
        )
    algorithm, digest = _algorithm(certificates)

    def sign(data: bytes) -> bytes:
        """ECDSA in PKCS #11 is the two numbers in a row, of what is already hashed."""
        token = pkcs11.lib(module).get_token(token_label=where.get("token"))
        with token.open(user_pin=pin) as session:
            key: Any = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=where["object"])
            return key.sign(digest(bytes(data)).digest(), mechanism=pkcs11.Mechanism.ECDSA)

    try:
        _proven(sign(b"luoxia"), b"luoxia", certificates, said)
    except (PKCS11Error, OSError, RuntimeError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{said} cannot sign: {reason}", f"{said} 无法签名：{reason}") from error
    return Signer(algorithm, certificates, sign, said)


def _algorithm(certificates: str):
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    key = parsed(certificates)[0].public_key()
    if not isinstance(key, EllipticCurvePublicKey) or key.curve.key_size not in SIZES:
        raise UserError(
            "keys in tokens are P-256, P-384 or P-521 here", "令牌中的密钥须为 P-256、P-384 或 P-521"
        )
    return SIZES[key.curve.key_size]


def _proven(signature: bytes, data: bytes, certificates: str, said: str) -> None:
    """That the token's key is the first certificate's."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    key = parsed(certificates)[0].public_key()
    assert isinstance(key, EllipticCurvePublicKey)
    half = len(signature) // 2
    r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
    digest = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[key.curve.key_size]
    try:
        key.verify(encode_dss_signature(r, s), data, ECDSA(digest))
    except InvalidSignature as error:
        raise UserError(
            f"the key at {said} is not that of the first certificate", f"{said} 的密钥与首个证书不匹配"
        ) from error
