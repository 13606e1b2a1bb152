import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from luoxia.provenance.label import ALLOWED, LARGEST, LONGEST, NAMES, Label, LabelError

LABEL = Label.first("001191440300708461136T1XGW3", "L01ARZ3NDEKTSV4RRFFQ69G5FAV")
values = st.text(sorted(ALLOWED), min_size=1, max_size=40)
labels = st.builds(
    Label, st.sampled_from("123"), values, values, values, values, st.just("") | values, st.just("") | values
)


def test_the_form_of_annex_e() -> None:
    assert LABEL.to_annex_json() == (
        '{"AIGC": {"Label":"1","ContentProducer":"001191440300708461136T1XGW3",'
        '"ProduceID":"L01ARZ3NDEKTSV4RRFFQ69G5FAV","ReservedCode1":"",'
        '"ContentPropagator":"001191440300708461136T1XGW3","PropagateID":"L01ARZ3NDEKTSV4RRFFQ69G5FAV",'
        '"ReservedCode2":""}}'
    )


def test_the_first_propagator_is_the_producer() -> None:
    assert (LABEL.content_propagator, LABEL.propagate_id) == (LABEL.content_producer, LABEL.produce_id)


@given(labels)
def test_both_forms_come_back(label: Label) -> None:
    assert Label.parse(label.to_json()) == label
    assert Label.parse(label.to_annex_json()) == label
    assert label.to_json().isascii()
    assert "\n" not in label.to_json()


@pytest.mark.parametrize(
    "value", ["", "a b", "落霞", "a\\", "a\n", "a\x00", "\u202e", "a\x7f", "x" * (LONGEST + 1), 7, None]
)
@pytest.mark.parametrize(
    "field", ["label", "content_producer", "produce_id", "content_propagator", "propagate_id"]
)
def test_what_annex_e_does_not_allow_cannot_be_made(field: str, value: object) -> None:
    with pytest.raises(LabelError, match=NAMES[field]):
        Label(**{**dict.fromkeys(NAMES, "1"), field: value})  # type: ignore[arg-type]


def test_only_three_values_of_label() -> None:
    for value in "123":
        assert Label(value, "p", "i", "p", "i").label == value
    with pytest.raises(LabelError, match="may be 1, 2 or 3"):
        Label("4", "p", "i", "p", "i")


def _changed(**changes: object) -> str:
    fields = json.loads(LABEL.to_json())
    return json.dumps({key: value for key, value in {**fields, **changes}.items() if value is not ...})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[]", "no JSON object"),
        ("1", "no JSON object"),
        ('{"AIGC": []}', "no JSON object"),
        (_changed(Label=1), "Label is no string"),
        (_changed(ProduceID=...), "has no ProduceID"),
        (_changed(Extra=""), "a field 'Extra'"),
        (LABEL.to_json().replace('"Label":"1"', '"Label":"1","Label":"2"'), "a field twice"),
        ('{"AIGC": ' * 2000 + "1" + "}" * 2000, "longer than"),
        ("[" * LARGEST, "is not JSON"),
        ("9" * LARGEST, "is not JSON"),
        (" " * (LARGEST + 1), "longer than"),
    ],
)
def test_what_is_no_label_is_told_in_one_line(text: str, says: str) -> None:
    with pytest.raises(LabelError, match=says) as raised:
        Label.parse(text)
    assert "\n" not in str(raised.value)
    assert raised.value.text.zh != raised.value.text.en
