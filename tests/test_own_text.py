"""People's own texts: read, checked, fitted in one call, and used."""

import pathlib

import keras
import numpy as np
import pytest
from click.testing import CliRunner

import tfar
from tfar import cli, kinds
from tfar.models import CharRNN, Transformer
from tfar.text import fit
from tfar.training import budget, checkpoints

LINE = "to be, or not to be: that is the question.\n"
TEXT = LINE * 60


def run(*arguments):
    return CliRunner().invoke(cli.main, [str(a) for a in arguments])


def test_texts_of_several_files_follow_each_other(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbf" + LINE[:-1].encode() * 30)
    (tmp_path / "b.txt").write_bytes(LINE.replace("\n", "\r\n").encode() * 30)
    whole = fit.read([tmp_path / "a.txt", str(tmp_path / "b.txt")])
    assert whole == LINE[:-1] * 30 + "\n" + LINE * 30
    assert fit.read(tmp_path / "b.txt") == LINE * 30
    assert fit.read(TEXT) is TEXT


BAD = {
    "short.txt": (
        b"To be, or not to be.\n",
        "at least 1,000 characters to learn from, got 21 in 1",
    ),
    "empty.txt": (b"", "at least 1,000 characters to learn from, got 0 in 0 lines."),
    "latin.txt": ("é".encode("latin-1") * 2000, "latin.txt to be text in UTF-8, got other bytes"),
    "zero.txt": (LINE.encode() * 30 + b"\0", "zero.txt to be text, got the character 0"),
    "one.txt": (b"a" * 2000, "several different characters, got 'a' only"),
    "folder": (None, "folder could not be read: Is a directory"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_text_is_refused_before_training(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content, message = BAD[name]
    path = pathlib.Path(name)
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises((ValueError, OSError), match=message):
        tfar.fit_text(path, folder="run")
    shown = run("train-text", name, "--out", "mine.keras")
    assert shown.exit_code == 1 and message in shown.stderr and not shown.stdout
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (None, {}, "text to be a text, a pathlib.Path or a list of paths, got None"),
        ([], {}, "list of paths"),
        (TEXT, {"family": "lstm"}, "family to be one of 'transformer', 'gru'"),
        (TEXT, {"validation": 0.95}, "at least 500 characters besides those held out, got 129"),
        (TEXT, {"budget": "1 month"}, "budget to be a time such as"),
        (TEXT, {"budget": 5, "epochs": 1}, "a budget or a number of epochs"),
        (TEXT, {"epochs": 0}, "epochs to be an integer"),
        (TEXT, {"precision": 16}, "precision to be one of"),
    ],
)
def test_bad_arguments(text, options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        tfar.fit_text(text, folder=tmp_path / "run", **options)
    assert not list(tmp_path.iterdir())


def test_the_name_of_a_file_is_no_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("play.txt").write_text(TEXT)
    with pytest.raises(ValueError, match=r"give pathlib\.Path\('play\.txt'\)\."):
        tfar.fit_text("play.txt")


def test_a_fit_is_better_than_frequencies(tmp_path):
    shares = np.unique([*TEXT], return_counts=True)[1] / len(TEXT)
    entropy = -(shares * np.log(shares)).sum()
    for family, network in (("gru", CharRNN), ("transformer", Transformer)):
        model = tfar.fit_text(TEXT, family=family, epochs=6, folder=tmp_path / family, verbose=0)
        assert isinstance(model, network)
        assert model.head.vocabulary.characters == "".join(sorted(set(TEXT)))
        nats = -tfar.text.log_prob(model, LINE * 3).sum() / len(LINE * 3)
        assert nats < 0.9 * entropy, family
        samples = sorted(path.name for path in (tmp_path / family / "samples").iterdir())
        assert samples == [f"epoch_{epoch}.txt" for epoch in range(1, 7)]


def test_the_last_tenth_is_held_out_and_sizes_follow_from_the_text(monkeypatch):
    found = {}

    def train(recipe, folder, data, **options):
        found.update(data, recipe=recipe)
        return recipe.model(data["train"])

    monkeypatch.setattr(budget.loop, "train", train)
    for count, width, window in ((1_200, 32, 64), (40_000, 64, 256), (400_000, 128, 256)):
        text = (TEXT * 200)[:count]
        model = tfar.fit_text(text, epochs=1)
        assert (model.width, model.event_shape) == (width, (window,))
        assert found["train"] + found["validation"] == text
        assert len(found["validation"]) == max(count // 10, 64)
        assert found["recipe"].batch_size == 4
    assert tfar.fit_text(TEXT * 200, family="gru", epochs=1).units == [512]
    assert found["recipe"].batch_size == 32


@pytest.mark.thorough  # images do the same
def test_a_resumed_run_equals_an_unbroken_one(tmp_path, monkeypatch):
    options = {"family": "gru", "budget": "1m", "verbose": 0}
    monkeypatch.setattr(
        budget.loop, "epoch_seconds", lambda *given, **options: budget.loop.EpochSeconds(20.0)
    )
    whole = tfar.fit_text(TEXT, folder=tmp_path / "whole", **options)

    class Stop(checkpoints.Checkpoint):
        def on_epoch_end(self, epoch, logs=None):
            super().on_epoch_end(epoch, logs)
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "Checkpoint", Stop)
        with pytest.raises(KeyboardInterrupt, match="state after 1 epochs"):
            tfar.fit_text(TEXT, folder=tmp_path / "broken", **options)
    resumed = tfar.fit_text(TEXT, folder=tmp_path / "broken", **options)
    for one, other in zip(whole.get_weights(), resumed.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_three_commands_from_a_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("one.txt", "two.txt"):
        pathlib.Path(name).write_text(TEXT)
    done = run("train-text", "one.txt", "two.txt", "--family", "gru", "--epochs", 2)
    assert done.exit_code == 0, done.output
    assert "5,160 characters, of which 17 are different" in done.stderr
    result = done.stdout.splitlines()[-1]
    assert result.startswith("text.keras: ") and "bits/char on held-out texts" in result
    assert "epoch 2/2" in done.stdout

    model = keras.saving.load_model("text.keras")
    nats = -tfar.text.log_prob(model, TEXT).sum() / len(TEXT)
    evaluated = run("evaluate", "text.keras", "--data", "one.txt").stdout
    assert f"{nats:.4f} ± " in evaluated and "2,580 characters" in evaluated
    assert run("sample", "text.keras", "--prompt", "to", "--length", 9).stdout.startswith("to")
    pathlib.Path("odd.txt").write_text("to be, or\nto nöt, nö")
    for command in (("score", "odd.txt"), ("evaluate", "--data", "odd.txt")):
        refused = run(command[0], "text.keras", *command[1:])
        assert refused.exit_code == 1 and "odd.txt has 'ö' in line 2, column 5" in refused.stderr
    exported = run("export", "text.keras", "served/mine/1")
    assert exported.exit_code == 0, exported.output


def test_compare_is_paired_by_blocks(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    models = {
        "a": tfar.fit_text(TEXT, family="gru", epochs=1, verbose=0),
        "b": tfar.fit_text(TEXT + "~" * 9, family="gru", epochs=3, seed=2, verbose=0),
    }
    for name, model in models.items():
        model.save(f"{name}.keras")
    pathlib.Path("new.txt").write_text(TEXT)
    blocks = [tfar.text.log_prob(models[name], TEXT, block=256) for name in "ab"]
    gap = blocks[0] - blocks[1]
    each = gap[: len(TEXT) // 256] / 256
    error = each.std(ddof=1) / np.sqrt(len(each))
    shown = run("compare", "a.keras", "b.keras", "--data", "new.txt")
    assert shown.exit_code == 0, shown.output
    expected = f"{gap.sum() / len(TEXT):.4f} ± {error:.4f} nats a character (b.keras is better)"
    assert shown.stdout.splitlines()[-1] == f"difference of log p: {expected}"
    assert kinds.of(models["a"]).name == "texts"
