"""The certificate by which the local server speaks HTTPS."""

from __future__ import annotations

import ssl
from pathlib import Path

from rheed_acquire.errors import SettingsError


def load_certificate(certificate: Path | None, key: Path | None) -> ssl.SSLContext | None:
    """Read a certificate and its private key, both PEM; None where neither is given.

    Parameters
    ----------
    certificate
        With the certificates of its authorities behind it, where clients do not know them.
    key
        Without a passphrase: nobody is there to type one.

    Raises
    ------
    SettingsError
        One is given without the other, cannot be read, is not what it should be, or they do not belong
        together.
    """
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        given, missing = ("--tls-key", "--tls-cert") if certificate is None else ("--tls-cert", "--tls-key")
        raise SettingsError(f"{given} needs {missing} beside it: a certificate and its private key, both PEM")
    if "-----BEGIN CERTIFICATE-----" not in _read(certificate, "--tls-cert"):
        raise SettingsError(
            f"the certificate {certificate} (--tls-cert) is not a PEM file with a certificate"
        )
    if "PRIVATE KEY-----" not in _read(key, "--tls-key"):
        raise SettingsError(f"the private key {key} (--tls-key) is not a PEM file with a private key")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2

    def refuse_passphrase() -> str:
        raise SettingsError(
            f"the private key {key} (--tls-key) has a passphrase: give one without, readable by you alone"
        )

    try:
        context.load_cert_chain(certificate, key, refuse_passphrase)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise SettingsError(
                f"the private key {key} (--tls-key) is not that of the certificate {certificate} (--tls-cert)"
            ) from error
        raise SettingsError(
            f"the certificate {certificate} (--tls-cert) and the private key {key} (--tls-key) cannot be "
            f"used: {error.reason or error}"
        ) from error
    return context


def _read(file: Path, flag: str) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError as error:
        raise SettingsError(f"{file} ({flag}) cannot be read: {error.strerror}") from error
