"""Whether somebody has to wait for a compiler."""

import importlib.util

from nbglm.compiled import must_compile

MODULE = """
from nbglm.compiled import entry

@entry
def double(x):
    return 2.0 * x
"""


def load(path):
    spec = importlib.util.spec_from_file_location("some_kernels", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_kernel_is_compiled_once(tmp_path):
    path = tmp_path / "some_kernels.py"
    path.write_text(MODULE)
    first = load(path)
    assert must_compile(first.double)
    assert first.double(2.0) == 4.0
    assert not must_compile(first.double)
    assert not must_compile(load(path).double)  # as in the next process
