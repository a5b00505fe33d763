"""Letters become numbers and come back, and a letter that is not known is named."""

import pytest
from hypothesis import given, settings, strategies as st

from mmf_teach.model.character_tokenizer import Vocabulary

LAWS = settings(deadline=None, derandomize=True, max_examples=150)
texts = st.text(st.characters(), min_size=1, max_size=60)


@LAWS
@given(texts)
def test_decode_undoes_encode(text):
    vocabulary = Vocabulary.of(text)
    numbers = vocabulary.encode(text)
    assert numbers.dtype == "int64" and numbers.shape == (len(text),)
    assert vocabulary.decode(numbers) == text
    assert vocabulary.decode(numbers.tolist()) == text


@LAWS
@given(texts)
def test_the_vocabulary_of_a_text_is_its_characters_each_once_by_code_point(text):
    vocabulary = Vocabulary.of(text)
    assert set(vocabulary.symbols) == set(text) and len(vocabulary) == len(set(text))
    codes = [ord(symbol) for symbol in vocabulary.symbols]
    assert codes == sorted(codes)
    assert vocabulary.encode("".join(vocabulary.symbols)).tolist() == list(range(len(vocabulary)))


@LAWS
@given(texts)
def test_reading_a_vocabulary_undoes_writing_it(text):
    vocabulary = Vocabulary.of(text)
    assert Vocabulary.from_json(list(vocabulary.symbols)) == vocabulary


def test_the_order_of_the_symbols_is_kept():
    assert Vocabulary(("b", "a")).encode("aab").tolist() == [1, 1, 0]


def test_an_empty_text_is_no_numbers_and_no_numbers_are_an_empty_text():
    vocabulary = Vocabulary(("a",))
    assert vocabulary.encode("").tolist() == [] and vocabulary.encode("").dtype == "int64"
    assert vocabulary.decode([]) == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [("bax", "'x' (U+0078, at position 2)"), ("é", "'é' (U+00E9, at position 0)"), ("a\x00b", r"'\x00' (U+0000, "),
     ("ab\nc", r"'\n' (U+000A, at position 2)"), ("ab😀", "(U+1F600, at position 2)")],
)
def test_the_first_unknown_character_is_named_with_its_code_and_place_in_one_line(text, told):
    with pytest.raises(ValueError) as refusal:
        Vocabulary(("a", "b")).encode(text)
    assert told in str(refusal.value) and "it knows 'ab'" in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "document",
    [[], {}, {"a": 0}, None, "ab", 3, ["a", "a"], ["ab"], [""], ["a", 1], [None], [["a"]], ["a", {"b": 1}], [True]],
)
def test_anything_but_a_list_of_different_single_characters_is_refused(document, without_type_checks):
    with pytest.raises(ValueError, match="a vocabulary is a list of different single characters"):
        Vocabulary.from_json(document)


def test_a_text_without_characters_has_no_vocabulary():
    with pytest.raises(ValueError, match="different single characters"):
        Vocabulary.of("")
