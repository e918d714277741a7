"""Every Python and shell block of the documents, run in the order in which it is read."""

import functools
import json
import pathlib
import re
import runpy
import shlex

import numpy as np
import pandas as pd
import pytest
import requests
from click.testing import CliRunner
from support.server import Model, serve_grpc, serve_rest
from sybil import Sybil
from sybil.evaluators.python import PythonEvaluator
from sybil.parsers.markdown import CodeBlockParser
from sybil.region import Lexeme

from tfar import cli, plots, tables, zoo
from tfar.heads import Bernoulli, Characters
from tfar.models import PixelCNN, Transformer
from tfar.training import budget, loop, recipes
from tfar.zoo import artefacts

ROOT = pathlib.Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
CARDS = sorted((ROOT / "zoo").glob("*/card.md"))

# Commands of ours that take hours, or that test_cli.py runs: they are parsed, options and all.
PARSED = {"train", "evaluate", "demo"}
AGAIN = {"README.md": {"train-images", "train-table"}}  # run in another document
SHORTER = {"train-table": ["--epochs", "2"]}
ELSEWHERE = {
    "python": "it makes a virtual environment",
    "pip": "it installs",
    "pytest": "it is what runs this",
    "tensorboard": "it is a server",
    "tensorflow_model_server": "it is not a package of Python",
    "docker": "it is no container's machine",
}


def tfar(arguments, parsed=PARSED):
    """Runs a command, or parses it only."""
    name, *options = arguments
    if name in parsed:
        command = cli.main.commands[name]
        return command.make_context(name, options)
    # Fits of the Python blocks are timed first, which takes as long as to train.
    with pytest.MonkeyPatch.context() as context:
        context.setattr(loop, "epoch_seconds", lambda *a, **options: loop.EpochSeconds(1.0))
        done = CliRunner().invoke(cli.main, [*arguments, *SHORTER.get(name, [])])
    assert done.exit_code == 0, f"tfar {' '.join(arguments)}: {done.output}"


def commands(block):
    """The words of every command of a shell block; comments and what is printed are left out."""
    for line in block.replace("\\\n", " ").splitlines():
        if line.startswith("$ "):
            words = shlex.split(line[2:], comments=True)
            while "&&" in words:
                first, words = words[: words.index("&&")], words[words.index("&&") + 1 :]
                yield first
            yield words


class Shell:
    """The evaluator of shell blocks, with stand-ins for the servers that they speak to."""

    def __init__(self, served, page=""):
        self.served = served
        self.parsed = PARSED | AGAIN.get(page, set())

    def __call__(self, example):
        for words in commands(example.parsed):
            self.run(words)

    def run(self, words):
        program = pathlib.Path(words[0]).name
        if assigned := re.match(r"\w+=(\$\()?", program):  # NAME=value command, or NAME=$(command)
            rest = [program[assigned.end() :]] if assigned[1] else []
            return self.run([*rest, *words[1:]])
        if program == "tfar":
            return tfar(words[1:], self.parsed)
        if program == "curl":
            assert words[1] == "-d"
            return self.post(words[2], words[3])
        if program == "python" and words[1] == "-c":
            return exec(words[2].removesuffix(")"), {})
        assert program in ELSEWHERE, f"How is {words} to be tested?"

    def post(self, body, address):
        """What curl does."""
        answer = requests.post(f"http://{self.served(address)}", json=json.loads(body), timeout=60)
        assert answer.ok and answer.json()["outputs"], answer.text


@pytest.fixture
def small(monkeypatch):
    """Small untrained models in place of two of the zoo, and short fits."""
    head = Characters("".join(map(chr, [10, *range(32, 127)])))
    models = {
        "pixelcnn_mnist": PixelCNN([28, 28, 1], 4, 1, head=Bernoulli(centered=True)),
        "transformer_shakespeare": Transformer([256], 8, 1, 1, window=128, head=head),
    }
    load = zoo.load
    for module in (zoo, artefacts):
        monkeypatch.setattr(module, "load", lambda name: models.get(name) or load(name))
    monkeypatch.setattr(budget, "seconds", lambda given: 0.1)
    monkeypatch.setattr(tables, "fit_table", functools.partial(tables.fit_table, epochs=2))


@pytest.fixture(scope="module")
def served():
    """A function that puts the addresses of two stand-ins of TensorFlow Serving into a text."""
    models = {"pixelcnn_mnist": Model(zoo.model_folder("fvsbn_mnist"))}  # a small one of that shape
    with serve_rest(models) as rest, serve_grpc(models) as grpc:

        def addressed(text):
            return text.replace("localhost:8501", rest.removeprefix("http://")).replace(
                "localhost:8500", grpc
            )

        yield addressed


def blocks(path, shell, served):
    def python(example):
        block = example.parsed
        example.parsed = Lexeme(served(block), block.offset, block.line_offset)
        return PythonEvaluator()(example)

    parsers = [CodeBlockParser("python", python), CodeBlockParser("console", shell)]
    return list(Sybil(parsers).parse(path))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
@pytest.mark.usefixtures("small")
def test_documents(path, served, tmp_path, monkeypatch):
    """In an empty folder, but for the files that the reader has."""
    monkeypatch.chdir(tmp_path)
    pathlib.Path("play.txt").write_text("KING LEAR:\nBlow, winds!\n" * 50)
    pathlib.Path("photos").mkdir()
    digits, _ = zoo.examples("fvsbn_mnist")
    for number, digit in enumerate(digits):
        plots.save_grid(digit[None], f"photos/{number}.png", scale=1, margin=0)
        pet = pathlib.Path("pets", ("cat", "dog")[number % 2], f"{number}.png")
        plots.save_grid(digit[None], pet, scale=1, margin=0)
    x = np.linspace(0, 1, 40)
    frame = pd.DataFrame({"x": x, "side": np.where(x < 0.5, "l", "r")})
    for name in ("data.csv", "held_out.csv"):
        frame.to_csv(name, index=False)
    for example in blocks(path, Shell(served, path.name), served):
        example.evaluate()


def test_the_page_of_speeds_shows_what_was_measured():
    page = ROOT / "docs" / "speed.md"
    tables = runpy.run_path(str(ROOT / "benchmarks" / "tables.py"))
    assert tables["filled"](page.read_text()) == page.read_text()


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.parent.name)
def test_commands_of_cards(path, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (example,) = blocks(path, None, str)
    for words in commands(example.parsed):
        program, name, *options = words
        assert program == "tfar"
        cli.main.commands[name].make_context(name, options)


@pytest.mark.parametrize("path", [*DOCUMENTS, *CARDS], ids=lambda path: path.parent.name)
def test_no_block_is_of_another_language(path):
    fences = re.findall(r"^```(.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(fences[::2]) <= {"python", "console"} and set(fences[1::2]) <= {""}


def test_scaling_is_of_the_benchmark_and_the_recipe():
    words = " ".join((ROOT / "docs" / "scaling.md").read_text(encoding="utf-8").split())
    for row in json.loads((ROOT / "benchmarks" / "scaling.json").read_text())["rows"]:
        rate = row["batch"] / row["step_s"]
        assert f"| {row['replicas']} | {row['batch']} | {rate:.0f} | " in words
    recipe = recipes.load_recipe(zoo.recipe_path("pixelcnn_mnist"))
    peak = f"{recipe.learning_rate:.0e}".replace("e-0", "e-")
    settings = f"Muon at {peak}, batches of {recipe.batch_size}, {recipe.epochs} epochs"
    assert f"{settings}, an EMA of {recipe.ema}" in words
    steps = 50_000 // 2048
    assert f"{steps} steps per epoch and {steps * recipe.epochs} in the recipe's" in words
