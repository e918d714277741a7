"""Texts: sequences of characters of any length."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tfar import arguments, contents, files
from tfar.kinds.base import Kind
from tfar.kinds.figures import summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from tfar.heads import Vocabulary
    from tfar.serving.costs import Limits
    from tfar.typing import Nest, Path, Progress, Seed

BLOCK = 256  # characters whose log-probability is one observation for the standard error
SHOWN = 300  # characters, while training


class Texts(Kind):
    """Models of sequences whose head has a vocabulary; see `tfar.text`."""

    name = samples = "texts"
    number = 1
    options = ("prompt", "length")
    completing = ("each_line", "length")
    formats = (".txt",)
    printed = True
    protocols = {
        "crops": "on validation and test, in crops of the model's length, each without a past",
        "adaptive": "on validation and test, learning on as it reads, after the training text",
    }
    adapts = True
    max_length = 10_000

    per = "character"
    digits = 4
    nats_unit, bits_unit = "nats/char", "bits/char"
    counted, each = " characters", " a character"
    note = (
        " Every character is given all that\n"
        "come before it; the standard error is that of blocks of 256."
    )
    use = '--prompt "ROMEO:"'
    requests = (
        "- `generate` continues `prompt`, UTF-8, by `length` characters, each drawn among\n"
        "  the `top_k` likeliest and, of these, those that have `top_p` together.\n"
    )

    @staticmethod
    def fits(model: Any) -> bool:
        sequence = hasattr(model, "check_length")
        return sequence and hasattr(getattr(model, "head", None), "vocabulary")

    @property
    def vocabulary(self) -> Vocabulary:
        return self.model.head.vocabulary  # type: ignore[attr-defined]  # as it fits

    def encode(self, text: str) -> np.ndarray:
        """The numbers of a text's characters, int32 [len(text)]; see `tfar.heads.Vocabulary`."""
        return self.vocabulary.encode(text)

    def decode(self, numbers: np.ndarray) -> str:
        """The text of numbers of characters, ints [N]."""
        return self.vocabulary.decode(numbers)

    # Data, a string or windows of numbers ---------------------------------------------------------

    def inputs(self, data: Any) -> Nest:
        return self._windows(data) if isinstance(data, str) else data

    def held(self, data: Any) -> Nest:
        """As in `Kind`, or a string, which is cut into windows; a remainder is left out."""
        if not isinstance(data, str):
            return super().held(data)
        (length,) = self.model.event_shape
        if len(data) < length:
            raise ValueError(f"Expected at least {length} characters, a window, got {len(data)}.")
        return self._windows(data)

    def adapt(self, data: Any) -> None:
        """For a string, only its characters are checked."""
        if not isinstance(data, str):
            return super().adapt(data)
        self.vocabulary.encode(data)

    def count(self, data: Any) -> int:
        """The number of windows that there are wherever the first one begins."""
        if not isinstance(data, str):
            return super().count(data)
        (length,) = self.model.event_shape
        return (len(data) - length + 1) // length

    def epoch(self, data: Any, rng: np.random.Generator, shift: float) -> np.ndarray:
        """Windows that begin at another random place in every epoch."""
        if not isinstance(data, str):
            return super().epoch(data, rng, shift)
        return self._windows(data, rng.integers(*self.model.event_shape))  # type: ignore[call-overload]  # one number

    def _windows(self, data, first=0):
        from tfar import text

        return text.windows(self.vocabulary.encode(data), *self.model.event_shape, first=first)

    # Figures --------------------------------------------------------------------------------------

    def log_probs(self, data: Any, progress: Progress = None) -> np.ndarray:
        """For a string, of its blocks of 256 characters, each given all characters before it."""
        from tfar import text

        if not isinstance(data, str):
            return super().log_probs(data, progress)
        return text.log_prob(self.model, data, block=BLOCK, progress=progress)

    def averaged(self, nats: np.ndarray, data: Any) -> dict[str, Any]:
        """For a string, the mean over its characters; the standard error is that of its blocks."""
        if not isinstance(data, str):
            return super().averaged(nats, data)
        each = nats[: len(data) // BLOCK] / BLOCK
        return summary(nats.sum() / len(data), each, len(data), dimensions=1)

    def by_protocol(
        self, protocol: str, split_of: Callable[[str], Any], progress: Progress = None
    ) -> dict[str, Any]:
        from tfar import text

        if protocol not in self.protocols:
            return super().by_protocol(protocol, split_of, progress)
        told = split_of("validation") + split_of("test")
        if protocol == "adaptive":
            primer = split_of("train")
            options = {"block": BLOCK, "progress": progress, "adapt": primer}
            return self.averaged(-text.log_prob(self.model, told, **options), told)
        windows = self._windows(told)
        each = -self.log_prob(windows, progress=progress) / windows.shape[1]
        return summary(each.mean(), each, windows.size, dimensions=1)

    def check_comparable(self, other: Kind) -> None:
        if self.name != other.name:  # windows and vocabularies may differ
            super().check_comparable(other)

    def read(self, content: bytes, name: str) -> Any:
        """The string in a UTF-8 file, of characters that the model knows."""
        text = contents.text(content, name)
        if not text:
            raise ValueError(f"Expected at least one character in {name}, got an empty text.")
        return self._known(text, name)

    def _known(self, text, name):
        """The text, if the model knows its characters, or where the first other one is."""
        if unknown := set(text) - set(self.vocabulary.characters):
            where = min(text.index(character) for character in unknown)
            line, column = text.count("\n", 0, where) + 1, where - text.rfind("\n", 0, where)
            raise ValueError(
                f"{name} has {text[where]!r} in line {line:,}, column {column:,}, a character that "
                f"the model, which knows {len(self.vocabulary)}, does not: replace it, or train on "
                "a text that has it."
            )
        return text

    def from_bytes(self, content: bytes, name: str) -> Any:
        """The string in UTF-8, with the ends of its lines as they are."""
        contents.text(content, name)  # or the clear error
        return self._known(content.decode("utf-8"), name)

    def to_bytes(self, data: Any) -> bytes:
        return data.encode("utf-8")

    def score(self, data: Any, *, progress: Progress = None, adapt: str | None = None) -> str:
        from tfar import text

        if not isinstance(data, str):
            return super().score(data, progress=progress)
        nats = text.log_prob(self.model, data, progress=progress, adapt=adapt).sum()
        each = nats / len(data)
        return (
            f"{nats:.2f} nats, {len(data):,} characters, {each:.4f} nats or "
            f"{-each / np.log(2):.4f} bits a character" + " (adaptive)" * (adapt is not None)
        )

    # Samples --------------------------------------------------------------------------------------

    def draw(
        self,
        num: int,
        *,
        seed: Seed = None,
        condition: Nest = None,
        prompt: str = "",
        length: int = 500,
        **policy: Any,
    ) -> Iterator[str]:
        """Pieces of ``num`` texts, an iterator of strings, with a line of dashes between texts.

        The first text is the one that `tfar.text.generate` draws from the seed.
        """
        options = {"seed": seed, "rows": self.conditions(num, condition), "length": length}
        return self._continued([prompt] * num, **options, **policy)

    def _continued(self, prompts, *, seed, rows=None, **options):
        """Pieces of a text for each prompt."""
        import tensorflow as tf

        from tfar import randomness, text

        first = randomness.stateless_seed(seed)
        for number, prompt in enumerate(prompts):
            if number:
                yield "---\n"
            own = randomness.derived(first, number) if number else first
            given = None
            if rows is not None:
                given = tf.nest.map_structure(lambda part, row=number: part[row], rows)
            pieces = text.stream(self.model, prompt, seed=own, condition=given, **options)
            yield prompt
            yield from pieces
            yield "\n"

    def completed(
        self,
        path: Path,
        *,
        seed: Seed = None,
        each_line: bool = False,
        length: int = 500,
        **options: Any,
    ) -> Iterator[str]:
        """The text in a file, continued; or each line that has characters, as by `draw`."""
        from tfar import conditions

        whole = self.read(files.read(path), str(path))
        length = arguments.integer("length", length, least=1)
        prompts = [line for line in whole.split("\n") if line] if each_line else [whole]
        if not prompts:
            raise ValueError(f"Expected lines to continue in {path}, got empty ones only.")
        self.model.check_length(max(map(len, prompts)) + length)
        conditions.checked(self.model, None)
        return self._continued(prompts, seed=seed, length=length, **options)

    def strings(self, samples: Any) -> Iterable[str]:
        return samples

    def preview(self, condition: Nest = None) -> Iterator[str]:
        return self.draw(1, seed=1, condition=condition, length=SHOWN)

    def show(self, condition: Nest = None) -> None:
        import tensorflow as tf

        drawn = "".join(self.preview(condition))
        tf.summary.text("samples", f"```\n{drawn}```")

    # Exports --------------------------------------------------------------------------------------

    def signatures(self, limits: Limits) -> dict[str, tuple[Callable[..., Any], dict[str, Any]]]:
        from tfar.serving.generation import Generation

        generation = Generation(self.model, limits)
        return {"generate": (generation, generation.specs)}

    def verify_signatures(self, signatures: Mapping[str, Any]) -> None:
        import tensorflow as tf

        from tfar.testing.checks import conditions, demand, eagerly

        model, characters = self.model, self.vocabulary.characters
        condition = conditions(model)[-1]
        every = {"temperature": 1.0, "top_k": len(characters), "top_p": 1.0}
        for prompt in ("", characters[-1] * 2):
            length = model.num_sites + 9 if model.longest is None else model.num_sites - len(prompt)
            for changes in ({}, {"temperature": 0.7, "top_k": 2}, {"top_p": 0.6}):
                policy, seed = {**every, **changes}, tf.constant([5, 6])
                asked = {"prompt": prompt, "length": length, "seed": seed, **policy}
                if condition is not None:
                    asked.update(model.condition.named(condition))  # type: ignore[union-attr]  # as it has one
                asked = {key: tf.constant(value) for key, value in asked.items()}
                answer = signatures["generate"](**asked)["text"].numpy().decode()
                with eagerly():
                    expected = model.generate(
                        prompt, length, seed=seed, condition=condition, **policy
                    )
                message = f"The export continues {prompt!r} with {answer!r}, the model with "
                demand(answer == expected, f"{message}{expected!r}, under {policy}.")
