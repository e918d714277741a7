"""The site: what it is made of, and (thorough) that it is built without a warning."""

import ast
import importlib
import inspect
import io
import pathlib
import re
import subprocess
import sys

import docstrings
import docutils.core
import pages
import pytest
from docutils import nodes
from docutils.parsers.rst import roles
from sphinx.ext.napoleon import Config, GoogleDocstring
from tensorflow_probability import distributions as tfd

from tfar import zoo

DOCS = pathlib.Path(__file__).parents[1] / "docs"
MODULES = [module for room in pages.ROOMS for module in pages.public(room)]


def test_formulas_are_literal_and_signs_mean_themselves():
    given = """The sum |a| * b_ of ``x``s and `tfar`'s:

    y_i = sum_j A_ij * x_j

    Args:
      x: an *argument*.

        indented

    #### References
    [1] A. Author.
        Title.
    Source: somewhere
    """
    found = "\n".join(docstrings.converted(inspect.cleandoc(given).splitlines()))
    assert found.startswith("The sum \\|a\\| \\* b\\_ of ``x``\\ s and `tfar`\\ 's:")
    assert "  x: an \\*argument\\*." in found
    given = "A model:\n\n    y_i = sum_j A_ij * x_j\n\nand more"
    found = "\n".join(docstrings.converted(given.splitlines()))
    assert found == "A model:\n\n::\n\n    y_i = sum_j A_ij * x_j\n\nand more"
    given = "#### References\n[1] A. Author.\n    Title.\nSource: somewhere"
    found = [line for line in docstrings.converted(given.splitlines()) if line]
    assert found == [".. rubric:: References", "[1] A. Author.", "Title.", "Source: somewhere"]


@pytest.fixture
def plain_roles():
    """Single backticks are code, as far as docutils alone reads them."""
    roles.register_local_role(
        "obj", lambda name, raw, text, *rest, **options: ([nodes.literal(raw, text)], [])
    )


def described(module):
    """``(name, docstring)`` of what a module defines in public, and of its methods."""
    loaded = importlib.import_module(module)
    for name in getattr(loaded, "__all__", ()):
        value = getattr(loaded, name)
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        yield f"{module}.{name}", inspect.getdoc(value)
        for key, own in vars(value).items() if inspect.isclass(value) else ():
            own = getattr(own, "__func__", own)
            theirs = hasattr(tfd.Distribution, key)  # TFP puts Markdown into them
            if inspect.isfunction(own) and own.__doc__ and not (theirs or key.startswith("_")):
                yield f"{module}.{name}.{key}", inspect.cleandoc(own.__doc__)


@pytest.mark.parametrize("module", MODULES)
def test_docstrings_are_read_without_a_warning(module, plain_roles):
    for name, text in described(module):
        lines = docstrings.converted((text or "").splitlines())
        lines = GoogleDocstring(lines, Config(napoleon_use_ivar=True)).lines()
        warned = io.StringIO()
        docutils.core.publish_doctree(
            "\n".join([".. default-role:: obj", "", *lines]),
            settings_overrides={"warning_stream": warned, "report_level": 2},
        )
        assert not warned.getvalue(), f"{name}: {warned.getvalue()}"


def test_every_public_module_is_in_the_reference():
    root = DOCS.parent / "tfar"
    public = set()
    for path in root.rglob("*.py"):
        names = [node for node in ast.parse(path.read_text()).body if isinstance(node, ast.Assign)]
        if any(getattr(target, "id", "") == "__all__" for n in names for target in n.targets):
            module = ".".join(path.relative_to(root.parent).with_suffix("").parts)
            public.add(module.removesuffix(".__init__"))
    # Functions with the names of their modules, which the packages have.
    here = {m for m in public if m != "tfar" and not m.startswith("tfar.cli")}
    same = {m for m in here if not inspect.ismodule(_named(m))}
    assert here - same <= set(MODULES)


def _named(module):
    """What has this name in its package: a module, unless a function has its place."""
    package, _, name = module.rpartition(".")
    found = getattr(importlib.import_module(package), name, None)
    return importlib.import_module(module) if found is None else found


def test_a_page_for_every_trained_model():
    made = pages.models()
    for name in zoo.list():
        assert made[f"models/{name}.md"].startswith(f"# {name}\n")
        assert f"models/{name}\n" in made["models.md"] and name in pages.figures()


def test_the_lines_of_the_lecture_are_there():
    page = (DOCS / "lecture.md").read_text()
    shown = re.findall(r":::\{literalinclude\} (\S+)\n(.*?):::", page, re.DOTALL)
    assert len(shown) > 15
    for path, options in shown:
        source = (DOCS / path).read_text()
        if named := re.search(r":pyobject: (\S+)", options):
            node = ast.parse(source)
            for part in named[1].split("."):
                (node,) = [n for n in node.body if getattr(n, "name", None) == part]
        else:
            start, end = (re.search(rf":{k}-at: (.*)", options)[1] for k in ("start", "end"))
            assert source.count(start.strip('"')) == 1 and end in source
    for name in re.findall(r"\{py:obj\}`([\w.]+)`", page):
        module, _, attribute = name.rpartition(".")
        owner, _, method = module.rpartition(".")
        found = _named(module) if "." in module else importlib.import_module(module)
        assert hasattr(found, attribute), (owner, method, attribute)
    for name in re.findall(r"\{\{ (\w+) \}\}", page):
        assert name in zoo.list()


@pytest.mark.thorough
def test_the_site_is_built_without_a_warning(tmp_path):
    build = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", str(DOCS), str(tmp_path)]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    front = (tmp_path / "index.html").read_text()
    assert "lecture.html" in front and (tmp_path / "_made/models/nade_mnist.html").exists()
