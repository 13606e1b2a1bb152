"""`luoxia keys`: the certificate that credentials are signed with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from typer import Argument, Context, Option, Typer

from luoxia.cli.words import print_table, say, tell

app = Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True)
def usually(context: Context) -> None:
    if context.invoked_subcommand is None:
        show()


@app.command(
    help=say("Show the certificate, its number and how long it is valid.", "显示证书、编号与有效期。")
)
def show() -> None:
    from luoxia.provenance import keys

    signer = keys.signer()
    first = keys.parsed(signer.certificates)[0]
    print_table(
        [
            (say("certificate", "证书"), first.subject.rfc4514_string()),
            (say("signed by", "签发者"), first.issuer.rfc4514_string()),
            (say("number", "编号"), str(first.serial_number)),
            ("SHA-256", keys.fingerprint(first)),
            (say("algorithm", "算法"), signer.algorithm),
            (say("valid until", "有效期至"), f"{first.not_valid_after_utc:%Y-%m-%d}"),
            (say("key", "密钥"), signer.place),
        ]
    )


@app.command(help=say("Make a key and a certificate for this installation.", "为本机生成密钥与证书。"))
def create(
    anew: Annotated[
        bool,
        Option(
            "--anew",
            help=say(
                "Replace the ones there are; what they signed still counts as this installation's.",
                "替换现有的密钥与证书；其已签名的内容仍视为本机所签。",
            ),
        ),
    ] = False,
) -> None:
    from luoxia.provenance import keys

    path = keys.create(anew=anew)
    tell(f"Key and certificates are in {path}.", f"密钥与证书在 {path}。")
    show()


@app.command(name="import", help=say("Sign with a certificate of your own.", "改用您自己的证书签名。"))
def bring(
    key: Annotated[
        Path,
        Argument(metavar="KEY", help=say("The private key, PEM without a password.", "私钥，未加密的 PEM。")),
    ],
    certificates: Annotated[
        Path,
        Argument(
            metavar="CERTIFICATES",
            help=say(
                "PEM, the signing one first, then its authorities.", "PEM，签名证书在前，其后为签发机构。"
            ),
        ),
    ],
) -> None:
    from luoxia.provenance import keys

    keys.keep(key, certificates)
    show()


@app.command(help=say("Trust an authority whose certificates others sign with.", "信任他人证书的签发机构。"))
def trust(
    certificates: Annotated[
        Path, Argument(metavar="CERTIFICATES", help=say("Of the authority, in PEM.", "机构证书，PEM 格式。"))
    ],
) -> None:
    from luoxia.provenance import credential

    path = credential.trust(certificates)
    tell(f"Trusted from now on; kept as {path}.", f"自此信任；存于 {path}。")
