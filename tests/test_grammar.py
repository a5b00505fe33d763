"""The made-up language has exactly the entropy it is said to have, and its answers follow from its facts."""

import re
from collections import Counter, defaultdict
from dataclasses import replace
from functools import cache
from itertools import product
from math import exp, log, perm

import numpy as np
import pytest
from scipy.stats import chisquare

from mmf_teach.training.floor import STORIES
from mmf_teach.training.grammar import NAMES, RULES, THINGS, Grammar, derive, totals

MASS_LEFT_OUT = 1e-6                         # of all derivations, those too unlikely to be counted one by one
NEGLIGIBLE = 3e-12                           # a kind of derivation less likely than this is left out
ENUMERATION_TOLERANCE = 1e-4                 # nats or characters: what is left out, times a surprise of about 30
ROUNDING = 1e-9                              # surprises of equal derivations, added up in another order
STANDARD_ERRORS = 4                          # an honest average is further off once in 16,000 seeds; the seed is fixed
UNLIKELY = 0.001
SIZES = [(4, 3, 2), (1, 0, 1), (8, 2, 5), (3, 1, 0)]


def combined(left: dict, right: dict) -> dict:
    """Kinds of derivation one after the other: surprises and lengths add up, numbers multiply."""
    both = defaultdict(float)
    for (surprise, length), count in left.items():
        for (more, longer), times in right.items():
            together = surprise + more
            if count * times * exp(-together) > NEGLIGIBLE:
                both[round(together, 9), length + longer] += count * times
    return both


@cache
def census(symbol: str) -> dict[tuple[float, int], float]:
    """How many derivations a symbol has, by their surprise in nats and their length in characters.

    Found by writing derivations out, level by level of the recursion, until what is left is negligible.
    """
    if symbol not in RULES:
        return {(0.0, len(symbol)): 1.0}

    def written_out(rules, of_the_symbol_itself):
        level = Counter()
        for probability, parts in rules:
            kinds = {(-log(probability), 0): 1.0}
            for part in parts:
                kinds = combined(kinds, of_the_symbol_itself if part == symbol else census(part))
            level.update(kinds)
        return level

    recursive = [rule for rule in RULES[symbol] if symbol in rule[1]]
    level = written_out([rule for rule in RULES[symbol] if symbol not in rule[1]], None)
    found = Counter(level)
    while level := written_out(recursive, level):
        found.update(level)
    return found


def derivations(symbol: str, smallest: float):
    """Every text that the symbol derives with at least this probability, once for each derivation."""
    unfinished = [("", (symbol,), 1.0)]
    while unfinished:
        text, parts, p = unfinished.pop()
        if not parts:
            yield text, p
        elif parts[0] not in RULES:
            unfinished.append((text + parts[0], parts[1:], p))
        else:
            for probability, expansion in RULES[parts[0]]:
                if p * probability >= smallest:
                    unfinished.append((text, expansion + parts[1:], p * probability))


@cache
def probability(symbol: str, text: str) -> float:
    """That the symbol derives exactly this text, in whatever way: all ways to split the text are tried."""
    if symbol not in RULES:
        return float(symbol == text)
    return sum(share * split_probability(parts, text) for share, parts in RULES[symbol])


@cache
def split_probability(parts: tuple[str, ...], text: str) -> float:
    if not parts:
        return float(not text)
    first, rest = parts[0], parts[1:]
    if first not in RULES:
        return split_probability(rest, text[len(first) :]) if text.startswith(first) else 0.0
    cuts = [len(text)] if not rest else range(1, len(text))
    if rest and rest[0] not in RULES:        # only where the next written part can begin
        cuts = [cut for cut in cuts if text.startswith(rest[0], cut)]
    return sum(probability(first, text[:cut]) * split_probability(rest, text[cut:]) for cut in cuts)


def read(story: str) -> tuple[list[tuple[str, str]], list[str], list[tuple[str, str]]]:
    """A story taken apart again: facts, sentences, and questions with their answers."""
    *facts_and_sentences, last = re.findall(r".*?\. |.*?\n", story)
    assert last == "\n"
    facts, sentences, answers = [], [], []
    for part in facts_and_sentences:
        fact = re.fullmatch(r"(\w+) has a (\w+)\. ", part)
        answer = re.fullmatch(r"(?:who has what\? )?(\w+): (\w+)\. ", part)
        if fact:
            facts.append(fact.groups())
        elif answer:
            answers.append(answer.groups())
        else:
            sentences.append(part)
    return facts, sentences, answers


def surprise_nats(story: str, grammar: Grammar) -> float:
    """-log of the probability of a story, from the story alone."""
    facts, sentences, answers = read(story)
    assert (len(facts), len(sentences), len(answers)) == (grammar.facts, grammar.gap, grammar.queries)
    told = log(perm(len(NAMES), len(facts))) + len(facts) * log(len(THINGS))
    return told - sum(log(probability("SENTENCE", text)) for text in sentences) + len(answers) * log(len(facts))


def stories(grammar: Grammar, count: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [grammar.story(rng) for _ in range(count)]


@pytest.mark.parametrize("symbol", RULES)
def test_the_choices_for_each_symbol_have_probabilities_that_add_up_to_1(symbol):
    assert sum(share for share, _ in RULES[symbol]) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("symbol", RULES)
def test_entropy_and_mean_length_of_each_symbol_equal_those_of_its_derivations_written_out(symbol):
    kinds = census(symbol)
    shares = {kind: count * exp(-kind[0]) for kind, count in kinds.items()}
    assert 1 - MASS_LEFT_OUT < sum(shares.values()) <= 1 + ROUNDING
    entropy = sum(share * surprise for (surprise, _), share in shares.items())
    length = sum(share * length for (_, length), share in shares.items())
    entropies, lengths = totals(lambda share: -log(share), lambda text: 0.0), totals(lambda share: 0.0, len)
    assert entropies[symbol] == pytest.approx(entropy, abs=ENUMERATION_TOLERANCE)
    assert lengths[symbol] == pytest.approx(length, abs=ENUMERATION_TOLERANCE)


def test_no_two_derivations_of_a_sentence_give_the_same_text():
    """So the entropy of the choices is that of the text. The 14,000 likeliest, which make up 98 %."""
    found = list(derivations("SENTENCE", 1e-6))
    assert sum(p for _, p in found) > 0.98
    assert len({text for text, _ in found}) == len(found)
    for text, p in found[::7]:               # and no derivation beyond these gives one of their texts either
        assert probability("SENTENCE", text) == pytest.approx(p, rel=ROUNDING)


def test_sentences_end_where_a_full_stop_stands_and_nowhere_else():
    """Otherwise two sentences could be read as one, and a story would have two derivations."""
    for text, _ in derivations("SENTENCE", 1e-5):
        assert text.endswith(". ") and text.count(".") == 1


def test_sentences_are_drawn_with_the_probabilities_of_the_rules():
    rng, drawn = np.random.default_rng(0), 5000
    counts = Counter(derive("SENTENCE", rng) for _ in range(drawn))
    frequent = {text: p for text, p in derivations("SENTENCE", 0.002)}
    observed = [counts[text] for text in frequent]
    expected = [drawn * p for p in frequent.values()]
    others = drawn - sum(observed), drawn - sum(expected)
    assert len(frequent) > 20
    assert chisquare([*observed, others[0]], [*expected, others[1]]).pvalue > UNLIKELY


@pytest.mark.parametrize("sizes", SIZES)
def test_the_average_surprise_and_length_of_stories_are_the_entropy_and_the_mean_length_of_one(sizes):
    grammar = Grammar(*sizes)
    told = stories(grammar, 2000)
    for measured, exact in (
        (np.array([surprise_nats(story, grammar) for story in told]), grammar.nats_per_story),
        (np.array([len(story) for story in told]), grammar.characters_per_story),
    ):
        error = measured.std(ddof=1) / len(told) ** 0.5
        assert abs(measured.mean() - exact) <= STANDARD_ERRORS * error + ROUNDING


def test_enough_stories_are_read_to_tell_distances_of_a_thousandth_of_a_nat():
    grammar = Grammar()
    told = stories(grammar, 500)
    above = [surprise_nats(story, grammar) - grammar.floor_nats * len(story) for story in told]
    error = np.std(above) / np.mean([len(story) for story in told]) / STORIES**0.5
    assert error < 0.0004                    # of a reader who knows all rules


@pytest.mark.parametrize("sizes", SIZES)
def test_the_floor_is_the_entropy_of_a_story_for_each_of_its_characters(sizes):
    grammar = Grammar(*sizes)
    assert grammar.floor_nats == grammar.nats_per_story / grammar.characters_per_story
    asked = [  # how many different people are asked after, over every way in which the questions can fall
        len(set(people)) for people in product(range(grammar.facts), repeat=grammar.queries)
    ]
    guesses = sum(asked) / len(asked) * log(8)     # eight things, all as likely to who has forgotten
    assert grammar.floor_without_recall_nats == pytest.approx(
        (grammar.nats_per_story + guesses) / grammar.characters_per_story, rel=ROUNDING)


def test_a_story_of_one_fact_alone_is_counted_by_hand():
    """Eight names and eight things: log 64 nats. The rest, " has a ", ". " and a line break, is always the same."""
    grammar = Grammar(facts=1, gap=0, queries=0)
    assert grammar.nats_per_story == pytest.approx(log(64))
    words = sum(map(len, NAMES + THINGS)) / 8
    assert grammar.characters_per_story == pytest.approx(words + 7 + 2 + 1)
    assert set(stories(grammar, 3000)) == {f"{name} has a {thing}. \n" for name in NAMES for thing in THINGS}


@pytest.mark.parametrize("sizes", SIZES)
def test_every_answer_is_what_the_facts_said(sizes):
    for story in stories(Grammar(*sizes), 300):
        facts, _, answers = read(story)
        has = dict(facts)
        assert len(has) == len(facts) and has.keys() <= set(NAMES) and set(has.values()) <= set(THINGS)
        assert all(has[name] == thing for name, thing in answers)


def test_each_fact_is_asked_about_as_often_as_any_other():
    asked = Counter()
    for story in stories(Grammar(gap=0), 3000):
        facts, _, answers = read(story)
        asked.update((at, [name for name, _ in facts].index(name)) for at, (name, _) in enumerate(answers))
    assert len(asked) == 2 * 4 and chisquare(list(asked.values())).pvalue > UNLIKELY


def test_the_first_answer_cannot_be_foretold_without_the_facts():
    """Given the person asked about, and even what the other facts said, every thing is as likely."""
    answers, beside = Counter(), Counter()
    for story in stories(Grammar(gap=0), 6000):
        facts, _, [(name, thing), *_] = read(story)
        answers[name, thing] += 1
        other = next(has for who, has in facts if who != name)
        beside[other, thing] += 1
    for counts in (answers, beside):
        assert len(counts) == 64 and chisquare(list(counts.values())).pvalue > UNLIKELY


def test_persons_and_things_are_drawn_evenly_and_in_any_order():
    firsts, pairs = Counter(), Counter()
    for story in stories(Grammar(gap=0, queries=0), 6000):
        facts, _, _ = read(story)
        firsts[facts[0]] += 1
        pairs[facts[0][0], facts[1][0]] += 1
    assert len(firsts) == 64 and chisquare(list(firsts.values())).pvalue > UNLIKELY
    assert len(pairs) == 8 * 7 and chisquare(list(pairs.values())).pvalue > UNLIKELY


def test_more_of_anything_makes_a_story_longer_and_richer_but_for_questions_with_one_possible_answer():
    for sizes in ({"facts": 2}, {"facts": 4}, {"facts": 7}):
        grammar = Grammar(**sizes)
        for name in ("facts", "gap", "queries"):
            more = replace(grammar, **{name: getattr(grammar, name) + 1})
            assert more.nats_per_story > grammar.nats_per_story
            assert more.characters_per_story > grammar.characters_per_story
    one, two = Grammar(facts=1, queries=1), Grammar(facts=1, queries=2)
    assert one.nats_per_story == two.nats_per_story and one.floor_nats > two.floor_nats


def test_forgetting_costs_nothing_without_questions_more_with_each_and_less_the_more_is_said_in_between():
    def cost(**sizes):
        grammar = Grammar(**sizes)
        return grammar.floor_without_recall_nats - grammar.floor_nats

    assert cost(queries=0) == 0
    by_queries, by_gap = [cost(queries=n) for n in range(6)], [cost(gap=n) for n in range(6)]
    assert by_queries == sorted(by_queries) and len(set(by_queries)) == 6
    assert by_gap == sorted(by_gap, reverse=True) and len(set(by_gap)) == 6


def test_questions_lower_the_floor_and_unpredictable_sentences_raise_it():
    by_queries = [Grammar(queries=n).floor_nats for n in range(6)]
    by_gap = [Grammar(gap=n).floor_nats for n in range(6)]
    assert by_queries == sorted(by_queries, reverse=True) and by_gap == sorted(by_gap)
    assert len(set(by_queries)) == len(set(by_gap)) == 6


def test_the_same_seed_tells_the_same_and_another_seed_something_else():
    grammar = Grammar()
    assert grammar.text(2000, seed=3) == grammar.text(2000, seed=3) != grammar.text(2000, seed=4)


@pytest.mark.parametrize("length", [0, 1, 17, 500])
def test_a_shorter_text_begins_the_longer_one_of_the_same_seed(length):
    grammar = Grammar()
    text = grammar.text(length, seed=5)
    assert len(text) == length and grammar.text(1500, seed=5).startswith(text)


def test_a_text_is_one_story_after_the_other():
    grammar = Grammar()
    told = "".join(stories(grammar, 12, seed=6))
    assert grammar.text(len(told), seed=6) == told and told.count("\n") == 12


@pytest.mark.parametrize(
    "sizes", [{"facts": 0}, {"facts": -1}, {"facts": 9}, {"gap": -1}, {"queries": -1}, {"facts": 4, "gap": -3}])
def test_numbers_that_make_no_story_are_refused(sizes):
    with pytest.raises(ValueError, match="1 to 8 facts"):
        Grammar(**sizes)


def test_names_and_things_are_eight_different_words_each():
    assert len(set(NAMES)) == len(NAMES) == len(set(THINGS)) == len(THINGS) == 8
    assert not set(NAMES) & set(THINGS)
