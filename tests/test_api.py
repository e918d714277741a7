"""What is public: the names of `dir` and of ``__all__``."""

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import tfar

PACKAGES = [name for _, name, package in pkgutil.iter_modules(tfar.__path__) if package]
ROOMS = ("distribute", "kinds", "sampling", "serving", "training", "zoo")
NOT_MODULES = ("client", "export", "fit_images", "fit_table", "fit_text", "load")
PUBLIC = [name for name in tfar.__all__ if name not in NOT_MODULES]
PUBLIC += [
    f"{room}.{name}"
    for room in ROOMS
    for _, name, _ in pkgutil.iter_modules([f"{tfar.__path__[0]}/{room}"])
    if hasattr(importlib.import_module(f"tfar.{room}.{name}"), "__all__")
]


def test_dir_shows_what_is_documented_once():
    assert all(getattr(tfar, name) for name in tfar.__all__)  # imports every module
    shown = [name for name in dir(tfar) if not name.startswith("__")]
    assert shown == sorted(tfar.__all__)
    assert "__version__" in dir(tfar) and len(set(dir(tfar))) == len(dir(tfar))


def test_an_import_does_not_start_tensorflow():
    """Users choose devices and threads after it, and processes are forked: threads are not."""
    code = f"""if True:
        import importlib, tfar
        from tensorflow.python.eager import context

        for name in {tfar.__all__}:
            getattr(tfar, name)
        for name in {PUBLIC}:
            importlib.import_module("tfar." + name)
        assert not context.context()._initialized
    """
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_facade_has_what_its_module_has():
    """`tfar.serving` names it once more, since it imports it late."""
    assert set(tfar.serving.savedmodel.__all__) <= set(tfar.serving.__all__)
    assert {"feeding", "recipes", "loop"} <= {name.rpartition(".")[2] for name in PUBLIC}


@pytest.mark.parametrize("name", PUBLIC)
def test_all_names_what_a_module_defines(name):
    module = importlib.import_module(f"tfar.{name}")
    assert len(set(module.__all__)) == len(module.__all__)
    for public in module.__all__:
        assert getattr(module, public) is not None
    own = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    }
    if name not in PACKAGES:
        assert own <= set(module.__all__), "without a leading underscore, and not in __all__"
