"""What is public says its types; `.ci/run` has mypy hold the code to them."""

import ast
import pathlib

import tfar

FOLDER = pathlib.Path(tfar.__file__).parent


def public(node, name):
    """``(name, function, whether it has a self)`` of what is public in a module or a class."""
    for part in node.body:
        if isinstance(part, ast.ClassDef):
            yield from public(part, f"{name}.{part.name}")
        elif isinstance(part, ast.FunctionDef):
            special = part.name.startswith("__") and part.name.endswith("__")
            if special or not part.name.startswith("_"):
                static = any(ast.unparse(d) == "staticmethod" for d in part.decorator_list)
                yield f"{name}.{part.name}", part, isinstance(node, ast.ClassDef) and not static


def untyped(function, bound):
    """The parameters of a function without a type; "return" if it does not say what it returns."""
    taken = function.args
    each = [*taken.posonlyargs, *taken.args][bound:]
    each += [taken.vararg, *taken.kwonlyargs, taken.kwarg]
    found = [a.arg for a in each if a is not None and a.annotation is None]
    return found + ["return"] * (function.returns is None)


def test_what_is_public_says_its_types():
    missing, count = {}, 0
    for path in sorted(FOLDER.rglob("*.py")):
        module = ".".join(path.relative_to(FOLDER).with_suffix("").parts)
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for name, function, bound in public(tree, module):
            count += 1
            if found := untyped(function, bound):
                missing[name] = found
    assert not missing
    assert count > 500  # all of them were looked at


def test_others_may_rely_on_the_types():
    assert (FOLDER / "py.typed").exists()
