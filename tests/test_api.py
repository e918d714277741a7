"""What is public: the names of `dir` and of ``__all__``."""

import tfar


def test_dir_shows_what_is_documented_once():
    assert all(getattr(tfar, name) for name in tfar.__all__)  # imports every module
    shown = [name for name in dir(tfar) if not name.startswith("__")]
    assert shown == sorted(tfar.__all__)
    assert "__version__" in dir(tfar) and len(set(dir(tfar))) == len(dir(tfar))
