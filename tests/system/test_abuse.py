"""Every misuse is answered right or refused in a sentence."""

import abuse
import pytest
from abuses.registry import MISUSES, judge

abuse.load()

TAKES_SECONDS = (
    "limits.profiles_hold_their_estimates_at_every_edge",
    "tables.a_chunk_that_lost_a_row",
)


def test_misuses_have_names_of_their_own():
    names = {misuse.name for misuse in MISUSES}
    assert len(names) == len(MISUSES)
    assert names.issuperset(TAKES_SECONDS)


@pytest.mark.parametrize(
    "misuse",
    [
        pytest.param(
            misuse,
            id=misuse.name,
            marks=[pytest.mark.slow] if misuse.name in TAKES_SECONDS else [],
        )
        for misuse in MISUSES
        if not misuse.slow  # which belong to the script alone
    ],
)
def test_misuse_gets_its_answer(misuse):
    assert not judge(misuse)
