"""What has a standard error has degrees of freedom, too."""

import numpy as np

from nbglm.fit.factors import Covariances
from nbglm.fit.moments import Moments


def test_a_variance_whose_degrees_of_freedom_are_rounding_is_none():
    one = np.ones((3, 1, 1))
    spread = np.array([0.5, -3.0, np.nan]).reshape(3, 1, 1)
    found = Covariances(60.0 * one, one.copy(), moments=Moments(one.copy(), one.copy(), spread))
    assert found.degrees(np.eye(1))[:2, 0].tolist() == [4.0, -2.0 / 3.0]
    assert found.identified(np.eye(1))[:, 0].tolist() == [True, False, False]
