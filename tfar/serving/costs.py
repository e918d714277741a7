"""What a request to a served model costs, and the bounds that follow from it.

The memory of a traced function is computed from the shapes in its graph; nothing is run. A tensor
lives from the operation that makes it to the last one that takes it.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from tfar import arguments, conditions, kinds, private
from tfar.sampling import Policy, loop
from tfar.typing import Nest

if TYPE_CHECKING:
    from tfar.models import AutoregressiveModel

BYTES = 2**31  # by default, for one request
SAMPLES = 10_000  # by default at most, however small they are: drawing takes time
ROWS = 1024  # for which functions are traced

# For what kernels and the allocator take besides the tensors. On the largest requests that their
# limits allow, models of the zoo grew by 0.5 to 1.7 times the peak of their tensors.
SLACK = 2

SAME = {  # operations whose outputs are their first input, without a copy
    *("Identity", "Reshape", "ExpandDims", "Squeeze", "StopGradient", "EnsureShape"),
    "TensorListSetItem",
}
THERE = {"Const", "Placeholder", "ReadVariableOp"}  # and those whose outputs are held anyway
LOOPS = {"While", "StatelessWhile"}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """The most that one request may ask for.

    Attributes:
      max_bytes: the approximate memory for which the others were computed.
      max_rows: rows of x that are scored.
      max_samples: samples that are drawn, num_samples times the rows that are given.
      max_length: characters of a prompt and its continuation together; None if there is no text.
    """

    max_bytes: int
    max_rows: int
    max_samples: int
    max_length: int | None


def limits(
    model: AutoregressiveModel,
    *,
    max_bytes: int = BYTES,
    max_rows: int | None = None,
    max_samples: int | None = None,
    max_length: int | None = None,
) -> Limits:
    """The `Limits` of a model: those that are given, and those that follow from ``max_bytes``.

    Raises:
      ValueError: if one is not a positive integer, if a single row or sample takes more than
        ``max_bytes``, or if ``max_length`` is given for a model that is not a text model.

    >>> model = tfar.models.FVSBN([3])
    >>> limits(model, max_bytes=2**20, max_rows=5).max_rows
    5
    """
    given = {"max_rows": max_rows, "max_samples": max_samples, "max_length": max_length}
    for name, value in {**given, "max_bytes": max_bytes}.items():
        if value is not None or name == "max_bytes":
            arguments.integer(name, value, least=1)
    longest = kinds.of(model).max_length
    if longest is None and max_length is not None:
        raise ValueError(f"max_length is for models of text, got one with the head {model.head}.")
    max_length = longest if max_length is None else max_length
    if max_rows is None:
        max_rows = _allowed("rows", scoring_bytes(model), max_bytes)
    if max_samples is None:
        max_samples = min(SAMPLES, _allowed("samples", drawing_bytes(model), max_bytes))
    return Limits(
        max_bytes=max_bytes, max_rows=max_rows, max_samples=max_samples, max_length=max_length
    )


def _allowed(what, each, max_bytes):
    """How many rows or samples fit in the memory of a request, an int32."""
    if max_bytes < each:
        raise ValueError(
            f"Expected max_bytes of at least {each}, which one of the {what} takes, got "
            f"{max_bytes}: give more, or max_{what}."
        )
    return min(max_bytes // each, 2**31 - 1)


def scoring_bytes(model: AutoregressiveModel) -> int:
    """Memory to compute log p(x) of one of many rows, including all conditionals, an int."""
    x = tf.TensorSpec([ROWS, *model.event_shape], model.head.dtype)
    condition = None if model.condition is None else model.condition.specs(ROWS)
    return _each(model.log_prob, conditions.joined(x, condition))


def drawing_bytes(model: AutoregressiveModel) -> int:
    """Memory to draw one of many samples, a part of which may be known, an int."""
    sites = [ROWS, model.num_sites]
    values = tf.TensorSpec([*sites, *model.head.site_shape], model.head.dtype)
    condition = None if model.condition is None else model.condition.specs(ROWS)

    def draw(values, known, condition=None):
        member = tf.constant(0) if model.members > 1 else 0  # the others take turns
        arguments = tf.constant([0, 0]), Policy(tf.constant(1.0)), values, known, condition
        return loop.draw(model, member, loop.plain(model), ROWS, *arguments)[0]

    return _each(draw, values, tf.TensorSpec(sites, tf.bool), condition)


def _each(function, *specs):
    return math.ceil(SLACK * peak_bytes(function, *specs, unknown=ROWS) / ROWS)


def peak_bytes(function: Callable[..., Any], *specs: Nest, unknown: int = 1) -> int:
    """The peak memory of the tensors that a function makes, in bytes, an int.

    Args:
      function: a callable of tensors that TensorFlow can trace.
      *specs: nests of ``tf.TensorSpec``, its arguments.
      unknown: the size assumed where the graph does not state one.

    >>> row = tf.TensorSpec([10], tf.float32)  # during the sum there are three, of 40 bytes each
    >>> peak_bytes(lambda x: tf.sin(x) + tf.cos(x), row)
    120
    """
    traced = tf.function(function, autograph=False).get_concrete_function(*specs)
    graph = traced.graph.as_graph_def(add_shapes=True)
    functions = {function.signature.name: function for function in graph.library.function}
    return _Walk(functions, unknown).peak(graph.node)


class _Walk:
    """A walk over a graph and the functions that it calls."""

    def __init__(self, functions: Mapping[str, Any], unknown: int) -> None:
        self.functions = functions
        self.unknown = unknown
        self.peaks = {}

    def peak(self, nodes: Sequence[Any], returned: Iterable[str] = ()) -> int:
        """The peak over nodes in an order in which they can run; returned tensors stay alive.

        A scheduler's order is between this one, of a thread that follows the code, and that of as
        many threads as there are nodes that could run.
        """
        return max(self._peak(order, returned) for order in (nodes, _by_level(nodes)))

    def _peak(self, nodes, returned):
        sizes, ends = self._lives(nodes, returned)
        live = most = 0
        for number, node in enumerate(nodes):
            own = sizes.get(node.name, 0)
            gone = sum(sizes[name] for name in ends.get(number, ()))
            called = [v.func.name for v in node.attr.values() if v.HasField("func")]
            within = max(map(self._called, called), default=0)
            if node.op in LOOPS:  # its inputs are freed, and what it carries is there
                within += own - gone + self._overlap(node)
            most = max(most, live + max(own, within))
            live += own - gone
        return most

    def _lives(self, nodes, returned):
        """Bytes of nodes by name, and by the number of a node, the names of those it takes last."""
        owners, sizes, last = {}, {}, {}  # owners: the node in whose memory a node's output is
        for number, node in enumerate(nodes):
            taken = [owners.get(_node(name)) for name in node.input]
            last.update(dict.fromkeys(taken, number))
            if node.op in SAME:
                owners[node.name] = taken[0]
            elif node.op not in THERE:
                owners[node.name], last[node.name] = node.name, number
                sizes[node.name] = self._bytes(node)
            # A list is as large as the tensor that it is made from, or that is made from it.
            if node.op == "TensorListFromTensor":
                sizes[node.name] += sizes.get(taken[0], 0)
            if node.op == "TensorListStack" and taken[0] is not None:
                sizes[taken[0]] += sizes[node.name]
        last.update(dict.fromkeys([owners.get(_node(name)) for name in returned], len(nodes)))
        ends = {}
        for name, number in last.items():
            if name is not None:
                ends.setdefault(number, []).append(name)
        return sizes, ends

    def _called(self, name):
        if name not in self.peaks:
            function = self.functions[name]
            self.peaks[name] = self.peak(function.node_def, function.ret.values())
        return self.peaks[name]

    def _overlap(self, loop):
        """What a loop's other iterations take besides one of them.

        Several run at once, except for the nodes that depend on their own results in the iteration
        before.
        """
        body = self.functions[loop.attr["body"].func.name]
        leads, waits = collections.Counter(), collections.Counter()  # bit sets of carried tensors
        for number, (taken, given) in enumerate(
            zip(body.signature.input_arg, body.signature.output_arg)
        ):
            waits[taken.name] = 1 << number
            leads[_node(body.ret[given.name])] |= 1 << number
        for node in body.node_def:
            for name in map(_node, node.input):
                waits[node.name] |= waits[name]
        for node in reversed(body.node_def):
            for name in map(_node, node.input):
                leads[name] |= leads[node.name]
        free = [node for node in body.node_def if not leads[node.name] & waits[node.name]]
        held = {node.name for node in free} | {_node(name) for node in free for name in node.input}
        free = [node for node in body.node_def if node.name in held]
        return (loop.attr["parallel_iterations"].i - 1) * self.peak(free)

    def _bytes(self, node):
        """The bytes of the outputs of a node."""
        shapes = node.attr["_output_shapes"].list.shape
        return sum(
            math.prod(self.unknown if dim.size < 0 else dim.size for dim in shape.dim) * dtype.size
            for shape, dtype in zip(shapes, _dtypes(node))
        )


def _by_level(nodes):
    """Nodes sorted by the longest chain of nodes for which each must wait."""
    levels = {}
    for node in nodes:
        waits = [levels[name] + 1 for name in map(_node, node.input) if name in levels]
        levels[node.name] = max(waits, default=0)
    return sorted(nodes, key=lambda node: levels[node.name])


def _node(name):
    """The node of one of its outputs, or of a control input."""
    return name.lstrip("^").split(":")[0]


def _dtypes(node):
    """The dtypes of the outputs of a node; float32 for an operation that is not TensorFlow's."""
    operation = private.operation(node.op)
    if operation is None:
        yield from itertools.repeat(tf.float32)
    for output in operation.output_arg:
        if output.type_list_attr:
            types = node.attr[output.type_list_attr].list.type
        else:
            count = node.attr[output.number_attr].i if output.number_attr else 1
            types = [node.attr[output.type_attr].type if output.type_attr else output.type] * count
        yield from map(tf.as_dtype, types)
