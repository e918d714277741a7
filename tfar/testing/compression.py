"""The contract of compression: what was coded comes back, at the length that p(x) promises."""

import numpy as np

from tfar import compression, conditions, text
from tfar.arguments import integer
from tfar.compression import portable
from tfar.compression.coder import PRECISION, numerators
from tfar.compression.container import unpacked
from tfar.compression.lockstep import talk
from tfar.kinds import Texts
from tfar.models import AutoregressiveModel
from tfar.testing.checks import conditions as examples_of
from tfar.testing.checks import demand, demand_close, members, of_models, stacked, symbols


@of_models
def verify_compression(model: AutoregressiveModel, *, seed: int = 0, count: int = 5) -> None:
    """Holds `tfar.compression` to what it promises, for all members and conditions.

    * What `compress` was given comes back, bit for bit and of the same dtype: one example, two,
      ``count``, and a text of several lengths for a model of text.
    * What examples are coded by are the conditionals that one parallel pass gives, in multiples of
      2^-20 of which none is more than 0.1 % too small.
    * A file is at most 100 bytes and the name of the model longer than -log2 p(x) bits.
    * A portable file, of zeros and ones, decodes likewise where logits differ by up to 1e-5.
    * With one bit flipped, wherever, or cut off anywhere, a file is refused, and what `salvage`
      gives are the intact chunks.

    Args:
      model: a `tfar.models.AutoregressiveModel` of discrete values.
      seed: of the examples, whose values are drawn uniformly.
      count: how many.

    Raises:
      AssertionError: if one of these does not hold.
    """
    integer("count", count, least=2)
    values = [symbols(model.head.at(i)) for i in range(model.num_sites)]
    rng = np.random.RandomState(seed)
    drawn = [v[rng.randint(0, len(v), count)] for v in values]
    x = np.stack(drawn, axis=1).reshape([count, *model.event_shape])
    given = stacked(examples_of(model), count)
    for member in [m for m in members(model) if m is not None] or [0]:
        _verify_lengths(model, x, given, member)
        for size in sorted({1, 2, count}):
            part = conditions.joined(x[:size], stacked(examples_of(model), size))
            _verify_round_trip(model, part, member)
    if model.head.digits == (2,) and not Texts.fits(model):
        _verify_portable(model, conditions.joined(x, given), rng)
    _verify_damage(model, conditions.joined(x.astype(np.uint8), given), rng)
    if Texts.fits(model):
        _verify_text(model, rng)


class _Meter:
    """An encoder that adds up the nats of each example."""

    def __init__(self, digits: np.ndarray) -> None:
        self.digits = digits
        self.log_prob = np.zeros(len(digits))

    def exchange(self, sites: np.ndarray, digit: int, log_probs: np.ndarray) -> np.ndarray:
        told = self.digits[:, sites, digit]
        each = np.take_along_axis(log_probs, told[..., None], axis=-1)
        self.log_prob += each.sum(axis=(1, 2))
        short = numerators(log_probs) < np.exp(log_probs) * 2**PRECISION * 0.999
        demand(not short.any(), f"A multiple of 2^-{PRECISION} is too small.")
        return told


def _verify_lengths(model, x, given, member):
    from tfar.compression.layout import Examples

    plan = Examples(model, member, count=len(x), dtype=x.dtype.str, batch_size=len(x))
    meter = _Meter(plan.to_digits(x))
    options = {"batch_size": len(x), "member": member}
    if given is not None:
        options["condition"] = model.condition.tensors(given)
    talk(model, meter, plan.counts(0, len(x)), **options)
    log_prob = model.log_prob(conditions.joined(x, given), member=member).numpy()
    what = f"The conditionals (member {member}) are not those of one pass"
    demand_close(meter.log_prob, log_prob, what, rtol=1e-3, atol=1e-3)


def _verify_round_trip(model, data, member):
    x, condition = (data["x"], data["condition"]) if isinstance(data, dict) else (data, None)
    for dtype in (np.uint8, np.float32):
        held = conditions.joined(x.astype(dtype), condition)
        content = compression.compress(model, held, member=member, name="toy")
        back = compression.decompress(model, content, condition=condition)
        same = back.dtype == dtype and np.array_equal(back, x.astype(dtype))
        demand(same, f"{len(x)} examples of {np.dtype(dtype)} (member {member}) do not come back.")
    bits = -float(np.sum(model.log_prob(data, member=member))) / np.log(2)
    most = 1.01 * bits / 8 + 100 + len("toy")
    demand(len(content) <= most, f"{len(content)} bytes, for {bits / 8:.1f} and 100.")


def _verify_portable(model, data, rng):
    """With logits that are all on borders of cells, too, and by those of another machine."""
    condition = data["condition"] if isinstance(data, dict) else None
    x = data["x"] if isinstance(data, dict) else data
    told, exchange = portable.logits_of, portable.Decoder.exchange

    def elsewhere(self, sites, digit, log_probs):
        off = rng.uniform(-1e-5, 1e-5, log_probs.shape[:-1])
        return exchange(self, sites, digit, log_probs + np.stack([0 * off, off], axis=-1))

    def on_borders(*arguments, **options):
        return to_border(told(*arguments, **options))

    def to_border(logits):
        return portable.GRID * (np.floor(logits / portable.GRID) + 0.5)

    def decoded_there(self, sites, digit, log_probs):
        logits = to_border(log_probs[..., 1] - log_probs[..., 0])
        return elsewhere(self, sites, digit, np.stack([0 * logits, logits], axis=-1))

    for encoded, decoded in ((told, exchange), (told, elsewhere), (on_borders, decoded_there)):
        try:
            portable.logits_of, portable.Decoder.exchange = encoded, decoded
            content = compression.compress(model, data, portable=True)
            back = compression.decompress(model, content, condition=condition)
        except ValueError as error:
            raise AssertionError(f"A portable file does not decode: {error}") from error
        finally:
            portable.logits_of, portable.Decoder.exchange = told, exchange
        demand(np.array_equal(back, x), "What comes back of a portable file is something else.")


def _verify_text(model, rng):
    characters = list(Texts(model).decode(np.arange(model.head.num_categories)))
    longest = model.num_sites if model.longest is None else model.longest
    for size in (1, longest, 3 * longest + 1):
        told = "".join(rng.choice(characters, size))
        parts = [None] if model.condition is None else examples_of(model)
        condition = parts[0]
        content = compression.compress(model, conditions.joined(told, condition))
        back = compression.decompress(model, content, condition=condition)
        demand(back == told, f"A text of {size} characters does not come back.")
        if size <= longest:
            nats = text.log_prob(model, told, condition=condition).sum()
            most = -1.01 * nats / np.log(2) / 8 + 100
            demand(len(content) <= most, f"A text takes {len(content)} bytes, not {most:.0f}.")


def _verify_damage(model, data, rng):
    """One flipped bit in every part of a file, and cuts, each refused with a sentence."""
    condition = data["condition"] if isinstance(data, dict) else None
    content = compression.compress(model, data)
    _, parts = unpacked(content)
    payload = len(content) - sum(len(part or b"") for part in parts)
    flipped = [*range(payload), *rng.randint(payload, len(content), 4)]
    damaged = []
    for place in flipped:
        bit = np.zeros(len(content), np.uint8)
        bit[place] = 1 << rng.randint(8)
        damaged.append((np.frombuffer(content, np.uint8) ^ bit).tobytes())
    damaged += [content[:size] for size in (0, 3, payload // 2, payload, len(content) - 1)]
    for wrong in damaged:
        try:
            compression.decompress(model, wrong, condition=condition)
        except ValueError:
            continue
        raise AssertionError(f"A damaged file of {len(wrong)} bytes is decoded.")
    salvaged, lost = compression.salvage(model, damaged[-1], condition=condition)
    alone = len(salvaged) == 0 and len(lost) == 1
    demand(alone, "Something is salvaged of a file whose only chunk is cut off.")
