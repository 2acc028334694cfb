from __future__ import annotations

import pytest

from eeg_emotion_training.split import PeopleSplit, SplitError, split_people


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [3, 4, 5, 16, 32])
def test_everyone_is_in_exactly_one_part_and_no_part_is_empty(count: int, seed: int) -> None:
    numbers = list(range(1, count + 1))
    split = split_people(numbers, seed=seed)
    assert sorted(split.training + split.validation + split.test) == numbers
    assert split.training
    assert split.validation
    assert split.test


def test_a_quarter_is_held_out_and_a_fifth_of_the_rest_chooses_the_epoch() -> None:
    split = split_people(range(1, 33), seed=1)
    assert [len(part) for part in (split.training, split.validation, split.test)] == [19, 5, 8]


def test_the_same_seed_draws_the_same_people_whatever_their_order() -> None:
    numbers = [7, 3, 12, 5, 9, 1, 20, 4]
    assert split_people(numbers, seed=4) == split_people(sorted(numbers), seed=4)


def test_another_seed_draws_others() -> None:
    assert len({split_people(range(1, 33), seed=seed).test for seed in range(10)}) == 10


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_people_to_keep_apart_are_refused(count: int) -> None:
    with pytest.raises(SplitError, match=rf"found {count} people, expected at least 3"):
        split_people(range(count), seed=1)


@pytest.mark.parametrize(
    "parts", [((1, 2), (2,), (3,)), ((1, 2), (3,), (1,)), ((1,), (2,), (2,)), ((1, 1), (2,), (3,))]
)
def test_a_person_in_two_parts_is_refused(parts: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(SplitError, match="found a person in two parts"):
        PeopleSplit(*parts)


@pytest.mark.parametrize("parts", [((), (1,), (2,)), ((1,), (), (2,)), ((1,), (2,), ())])
def test_an_empty_part_is_refused(parts: tuple[tuple[int, ...], ...]) -> None:
    with pytest.raises(SplitError, match="found an empty part"):
        PeopleSplit(*parts)
