"""What is public says its types, and takes its options by name.

`.ci/run` has mypy hold the code to both.
"""

import ast
import pathlib

import tfar

FOLDER = pathlib.Path(tfar.__file__).parent

MANY_BY_POSITION = {
    "layers.levels.Level.step": "the contract of a layer: what it steps on, then its state",
    "layers.orderless_hidden.OrderlessHidden.call": "Keras calls it; the first are as in any layer",
    "layers.tied_hidden.recurrence": "any number of weights follow",
    "models.fitting.Fitting.compute_loss": "Keras calls it",
    "sampling.loop.advance": "the loop and what drives it, and nothing else, call it",
    "sampling.loop.begin": "as `advance`",
    "sampling.loop.draw": "as `advance`",
}


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


def fields(tree, module):
    """``(name, number of fields)`` of the dataclasses whose fields come by position too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            decorators = "".join(map(ast.unparse, node.decorator_list))
            if "dataclass" in decorators and "kw_only=True" not in decorators:
                yield f"{module}.{node.name}", sum(isinstance(p, ast.AnnAssign) for p in node.body)


def trees():
    for path in sorted(FOLDER.rglob("*.py")):
        module = ".".join(path.relative_to(FOLDER).with_suffix("").parts)
        yield ast.parse(path.read_text(encoding="utf-8")), module


def test_what_is_public_says_its_types():
    missing, count = {}, 0
    for tree, module in trees():
        for name, function, bound in public(tree, module):
            count += 1
            if found := untyped(function, bound):
                missing[name] = found
    assert not missing
    assert count > 500  # all of them were looked at


def test_at_most_four_arguments_come_by_position():
    counts = {}
    for tree, module in trees():
        counts.update(fields(tree, module))
        for name, function, bound in public(tree, module):
            taken = [*function.args.posonlyargs, *function.args.args][bound:]
            counts[name] = len(taken)
    assert {name for name, count in counts.items() if count > 4} == set(MANY_BY_POSITION)


def test_others_may_rely_on_the_types():
    assert (FOLDER / "py.typed").exists()
