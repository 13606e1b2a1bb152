"""Makes the certificates of an installation: an authority that signs one certificate and is forgotten, and that one."""

from __future__ import annotations

import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    CertificatePublicKeyTypes,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID


def chain(
    organisation: str,
    valid: datetime.timedelta,
    slack: datetime.timedelta,
    *,
    now: datetime.datetime | None = None,
    key: CertificateIssuerPrivateKeyTypes | None = None,
) -> tuple[str, str]:
    """A private key in PEM, and its certificate and the authority's in PEM; both valid from ``slack`` before ``now``.

    ``key`` is the one that is signed, on P-256 when none is given.

    Names hold a random number, by which installations are told apart, and nothing of the user or the machine.
    """
    begins = (now or datetime.datetime.now(datetime.UTC)) - slack
    authority = ec.generate_private_key(ec.SECP256R1())
    key = key or ec.generate_private_key(ec.SECP256R1())
    number = x509.random_serial_number()
    told = f"{number:x}"[:12]
    of_authority = _name(organisation, f"Authority of {told}")
    known = x509.SubjectKeyIdentifier.from_public_key(authority.public_key())

    def begun(subject: x509.Name, public: CertificatePublicKeyTypes, serial: int) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(of_authority)
            .public_key(public)
            .serial_number(serial)
            .not_valid_before(begins)
            .not_valid_after(begins + slack + valid)
        )

    first = (
        begun(_name(organisation, told), key.public_key(), number)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(known), critical=False)
        .sign(authority, hashes.SHA256())
    )
    second = (
        begun(of_authority, authority.public_key(), x509.random_serial_number())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(known, critical=False)
        .sign(authority, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    pem = [certificate.public_bytes(serialization.Encoding.PEM).decode() for certificate in (first, second)]
    return private.decode(), "".join(pem)


def _name(organisation: str, common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    """Of content (``signs``), or of certificates and lists of revoked ones."""
    return x509.KeyUsage(
        digital_signature=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not signs,
        crl_sign=not signs,
        encipher_only=False,
        decipher_only=False,
    )
