from __future__ import annotations

import pytest

from luoxia.core.errors import UserError
from luoxia.provenance import ids


def test_an_id_is_a_ulid_behind_an_L_and_sorts_by_its_time() -> None:
    # The time's text is that of the specification's own example, 1469918176385 -> 01ARYZ6S41.
    assert ids.drawn(1_469_918_176_385)[:11] == "L01ARYZ6S41"
    drawn = [ids.drawn(at) for at in (0, 1, 31, 32, 10**12, 2**48 - 1)]
    assert drawn == sorted(drawn)
    assert all(len(id) == 27 and set(id[1:]) <= set(ids.ALPHABET) for id in drawn)


def test_the_number_is_the_last_48_bits() -> None:
    assert ids.number_of("L" + "0" * 25 + "Z") == 31
    assert ids.number_of("L" + "Z" * 26) == 2**48 - 1
    assert (
        ids.number_of("L7" + "0" * 15 + "8" + "0" * 9) == 0
    )  # bit 48 and what stands before it are not of it
    assert ids.number_of("L" + "0" * 16 + "7" + "0" * 9) == 7 << 45
    numbers = {ids.number_of(ids.drawn(5)) for _ in range(200)}
    assert len(numbers) == 200
    assert max(numbers) > 1 << 40


def test_an_id_is_read_as_people_type_it() -> None:
    assert ids.prefix(" l01ar-yz6s41 ") == "L01ARYZ6S41"
    assert ids.prefix("LoIl") == "L011"
    for wrong in ("", "L", "01ARYZ", "Lu", "L" + "0" * 27, "L/../x", "L%", "名"):
        with pytest.raises(UserError, match="no id of a creation"):
            ids.prefix(wrong)
