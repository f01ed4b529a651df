"""What is wrong with a certificate is said alike, whichever system has looked at it."""

from __future__ import annotations

import ssl

import pytest

from rheed_acquire.streaming.transport_errors import no_answer

URL = "https://store.lab.example/x"


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (9, "is not valid now"),
        (10, "is not valid now"),
        (0x800B0101, "is not valid now"),
        (-67818, "is not valid now"),
        (62, "is for another name"),
        (64, "is for another name"),
        (0x800B010F, "is for another name"),
        (-67602, "is for another name"),
        (20, "is not trusted"),
        (0x800B0109, "is not trusted"),
        (-67843, "is not trusted"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_known_by_the_numbers_of_each_system(
    number: int, words: str
) -> None:
    error = ssl.SSLCertVerificationError("in the words of the system")
    error.verify_message, error.verify_code = "in its words", number
    told = no_answer(error, URL, None)
    assert f"the certificate of store.lab.example {words} (in its words" in str(told)
    assert told.is_advice
    assert told.unsent
