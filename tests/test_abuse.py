"""Every misuse is answered right or refused in a sentence."""

import abuse
import pytest
from abuses.registry import MISUSES, judge

abuse.load()


def test_misuses_have_names_of_their_own():
    assert len({misuse.name for misuse in MISUSES}) == len(MISUSES)


@pytest.mark.parametrize(
    "misuse", [pytest.param(misuse, id=misuse.name) for misuse in MISUSES if not misuse.slow]
)
def test_misuse_gets_its_answer(misuse):
    assert not judge(misuse)
