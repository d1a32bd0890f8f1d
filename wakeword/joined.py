"""Several streaming graphs (see `graph`) as one, in which what they compute alike is computed once.

Wake words that listen side by side hear the same samples through the same front end, and phrases that were typed have
their lower layers and their phones from one backbone as well. Two values are alike where one operator makes them of
values that are alike. State goes round: its parts, zeros at first in every graph, are taken for alike by their names
until what follows them differs, and so on until nothing changes (Moore's minimisation of automata, 1956).

The files are rewritten field by field (see `wire`), so that a listener needs no library for it.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

import numpy as np

from wakeword.wire import WireError, as_bytes, fields, message

# Numbers of fields in onnx.proto3.
GRAPH, OPSET, IR_VERSION, METADATA = 7, 8, 1, 14  # of a model
NODE, NAME, TENSOR, INPUT, OUTPUT = 1, 2, 5, 11, 12  # of a graph
NODE_INPUT, NODE_OUTPUT, NODE_NAME, OPERATOR, NODE_DOC = 1, 2, 3, 4, 6
DIMS, DATA_TYPE, TENSOR_NAME, RAW = 1, 2, 8, 9
FLOAT, INT64 = 1, 7  # of a tensor's data types
MOST_ROUNDS = 50  # of telling state apart; ours need three, and a stranger's graph may be made to need thousands


class JoinError(Exception):
    """Graphs that cannot be one: not of the form that `graph` gives them, or of different inputs."""


@dataclass
class Node:
    """`kind` is its operator with its attributes, as it stands in the file."""

    operator: str
    kind: bytes
    inputs: list[str]
    outputs: list[str]


@dataclass
class Graph:
    """One file: `tensors` are constants by name, without it; `form` the versions that must agree."""

    form: list[bytes] = field(default_factory=list)
    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, bytes] = field(default_factory=dict)
    inputs: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def read(cls, content: bytes) -> Graph:
        """Raises JoinError for what is no ONNX model."""
        graph = cls()
        try:
            for number, _, value in fields(memoryview(content)):
                if number == GRAPH:
                    graph._read(as_bytes(value))
                elif number in (OPSET, IR_VERSION):
                    graph.form.append(_kept(number, value))
        except (WireError, UnicodeDecodeError) as error:
            raise JoinError(str(error)) from None
        return graph

    def _read(self, content: memoryview) -> None:
        for number, _, value in fields(content):
            if number == NODE:
                self.nodes.append(_node(as_bytes(value)))
            elif number == TENSOR:
                name, rest = _named(as_bytes(value), TENSOR_NAME)
                self.tensors[name] = rest
            elif number == INPUT:
                name, _ = _named(as_bytes(value), 1)
                self.inputs[name] = bytes(as_bytes(value))

    def maker(self, name: str, operator: str) -> Node:
        """The node of this operator that makes a value. Raises JoinError if none does."""
        for node in self.nodes:
            if name in node.outputs and node.operator == operator:
                return node
        raise JoinError(f"no {operator} makes {name}")


class Carried:
    """How a graph unpacks its state (`opens`) and packs the next one (`closes`): nodes of `GraphBuilder.finish`."""

    def __init__(self, graph: Graph) -> None:
        if list(graph.inputs)[1:] != ["state"]:
            raise JoinError(f"inputs {list(graph.inputs)}")
        squeeze = graph.maker("next_state", "Squeeze")
        concat = graph.maker(squeeze.inputs[0], "Concat")
        unsqueeze = next((node for node in graph.nodes if node.inputs[:1] == ["state"]), None)
        split = next((node for node in graph.nodes if unsqueeze and node.inputs[:1] == unsqueeze.outputs), None)
        if unsqueeze is None or split is None or (unsqueeze.operator, split.operator) != ("Unsqueeze", "Split"):
            raise JoinError("a state that is not split")
        self.opens, self.closes = (unsqueeze, split), (concat, squeeze)
        self.said = graph.maker("probabilities", "Identity")
        self.names, self.next_names = split.outputs, concat.inputs
        self.sizes = _int64(graph.tensors.get(split.inputs[1], b""))
        if not len(self.names) == len(self.next_names) == len(self.sizes):
            raise JoinError("a state of other parts than the next one")

    def handles(self, node: Node) -> bool:
        """Whether a node does nothing but unpack, pack or name what goes in and out."""
        return any(node is other for other in (*self.opens, *self.closes, self.said))


def metadata(content: bytes) -> dict[str, str]:
    """What a model says of itself. Raises JoinError for what is no ONNX model."""
    try:
        entries = [as_bytes(value) for number, _, value in fields(memoryview(content)) if number == METADATA]
        pairs = ({number: str(as_bytes(value), "utf-8") for number, _, value in fields(entry)} for entry in entries)
        return {pair.get(1, ""): pair.get(2, "") for pair in pairs}
    except (WireError, UnicodeDecodeError) as error:
        raise JoinError(str(error)) from None


def joined(contents: Sequence[bytes], phrases: Sequence[int]) -> bytes:
    """One graph whose `probabilities` are those of all, side by side: `phrases` tells how many each has.

    Its state is a new one, as large as what is not alike. Raises JoinError where the graphs have not the form of
    `graph`, or take different inputs.
    """
    graphs = [Graph.read(content) for content in contents]
    if any(graph.form != graphs[0].form for graph in graphs):
        raise JoinError("different versions")
    if len({next(iter(graph.inputs.items())) for graph in graphs if graph.inputs}) != 1:
        raise JoinError("different inputs")
    return _Joiner(graphs).model(phrases)


@dataclass
class _Numbered:
    """A graph with the number of each part of its state, in order, and of each value by its name."""

    graph: Graph
    carried: Carried
    parts: list[int]
    values: dict[str, int]

    def of(self, names: Sequence[str]) -> tuple[int, ...]:
        try:
            return tuple(self.values[name] for name in names)
        except KeyError as error:
            raise JoinError(f"nothing makes {error}") from None

    def nodes(self) -> Iterator[Node]:
        """Those that compute something."""
        return (node for node in self.graph.nodes if not self.carried.handles(node))


class _Joiner:
    """Numbers for values: alike ones have the same, by which they are named in the result."""

    def __init__(self, graphs: list[Graph]) -> None:
        self._numbers: dict[Hashable, int] = {}
        self._ones = [self._begun(graph, Carried(graph)) for graph in graphs]
        for _ in range(MOST_ROUNDS):
            for one in self._ones:
                self._number_values(one)
            finer = [self._followed(one) for one in self._ones]
            if len(set(chain(*finer))) == len({part for one in self._ones for part in one.parts}):
                return
            for one, parts in zip(self._ones, finer, strict=True):
                one.parts = parts
        raise JoinError(f"state that takes more than {MOST_ROUNDS} rounds to tell apart")

    def _number(self, value: Hashable) -> int:
        return self._numbers.setdefault(value, len(self._numbers))

    def _begun(self, graph: Graph, carried: Carried) -> _Numbered:
        kinds = zip(carried.names, carried.sizes, strict=True)
        return _Numbered(graph, carried, [self._number(("state", *kind)) for kind in kinds], {})

    def _number_values(self, one: _Numbered) -> None:
        """Of what its state's parts, its inputs and its constants make."""
        one.values = {name: self._number(("constant", content)) for name, content in one.graph.tensors.items()}
        one.values |= {name: self._number(("input", name)) for name in one.graph.inputs} | {"": self._number("none")}
        one.values |= zip(one.carried.names, one.parts, strict=True)
        for node in one.nodes():
            made_of = one.of(node.inputs)
            one.values |= {name: self._number((node.kind, made_of, i)) for i, name in enumerate(node.outputs)}

    def _followed(self, one: _Numbered) -> list[int]:
        """Numbers of its state's parts that also tell what follows each."""
        return [self._number(("state", *pair)) for pair in zip(one.parts, one.of(one.carried.next_names), strict=True)]

    def model(self, phrases: Sequence[int]) -> bytes:
        """The file. Nodes and constants of alike values are written once, where the first graph has them."""
        first = self._ones[0]
        (unsqueeze, split), (concat, squeeze) = first.carried.opens, first.carried.closes
        sizes = {part: size for one in self._ones for part, size in zip(one.parts, one.carried.sizes, strict=True)}
        after = {
            part: next_
            for one in self._ones
            for part, next_ in zip(one.parts, one.of(one.carried.next_names), strict=True)
        }
        said = [one.of(one.carried.said.inputs)[0] for one in self._ones]
        nodes = [
            _as_node(unsqueeze.kind, ["state", "axis"], ["parts"]),
            _as_node(split.kind, ["parts", "sizes"], map(_name, sizes)),
            *self._body(),
            _as_node(concat.kind, (_name(after[part]) for part in sizes), ["joined"]),
            _as_node(squeeze.kind, ["joined", "axis"], ["next_state"]),
            _as_node(concat.kind, map(_name, said), ["probabilities"]),  # along the same axis, their last
        ]
        tensors = [*self._constants(), _tensor("axis", [0]), _tensor("sizes", [*sizes.values()])]
        state, source = [1, sum(sizes.values())], next(iter(first.graph.inputs.values()))
        inputs = [source, _end("state", state)]
        outputs = [_end("probabilities", [1, "T", sum(phrases)]), _end("next_state", state)]
        by_field = {NODE: nodes, NAME: ["wakewords"], TENSOR: tensors, INPUT: inputs, OUTPUT: outputs}
        graph = message((number, part) for number, parts in by_field.items() for part in parts)
        return b"".join(first.graph.form) + message([(GRAPH, graph)])

    def _body(self) -> Iterable[bytes]:
        written: dict[tuple[int, ...], bytes] = {}
        for one in self._ones:
            source = next(iter(one.graph.inputs))
            kept = {one.values[source]: source, one.values[""]: ""}
            for node in one.nodes():
                inputs, outputs = (
                    [kept.get(n, _name(n)) for n in one.of(side)] for side in (node.inputs, node.outputs)
                )
                written.setdefault(one.of(node.outputs), _as_node(node.kind, inputs, outputs))
        return written.values()

    def _constants(self) -> Iterable[bytes]:
        written: dict[int, bytes] = {}
        for one in self._ones:
            used = {name for node in one.nodes() for name in node.inputs}
            for name in used & one.graph.tensors.keys():
                number = one.values[name]
                written[number] = message([(TENSOR_NAME, _name(number))]) + one.graph.tensors[name]
        return written.values()


def _node(content: memoryview) -> Node:
    node, kind = Node("", b"", [], []), []
    for number, _, value in fields(content):
        if number in (NODE_INPUT, NODE_OUTPUT):
            (node.inputs if number == NODE_INPUT else node.outputs).append(str(as_bytes(value), "utf-8"))
        elif number not in (NODE_NAME, NODE_DOC):
            kind.append(_kept(number, value))
            if number == OPERATOR:
                node.operator = str(as_bytes(value), "utf-8")
    if "" in node.outputs:  # two nodes that compute alike would have to be told by what is left out
        raise JoinError("an output that is left out")
    node.kind = b"".join(sorted(kind))
    return node


def _named(content: memoryview, number: int) -> tuple[str, bytes]:
    """The name of a message, in the field of this number, and everything else of it."""
    name, rest = "", []
    for each, wire, value in fields(content):
        if each == number:
            name = str(as_bytes(value), "utf-8")
        elif wire in (0, 2):
            rest.append(_kept(each, value))
        else:
            raise JoinError("numbers that are not packed")
    return name, b"".join(rest)


def _kept(number: int, value: int | memoryview) -> bytes:
    return message([(number, value if isinstance(value, int) else bytes(value))])


def _as_node(kind: bytes, inputs: Iterable[str], outputs: Iterable[str]) -> bytes:
    names = [*((NODE_INPUT, name) for name in inputs), *((NODE_OUTPUT, name) for name in outputs)]
    return message(names) + kind


def _name(number: int) -> str:
    return f"v{number}"


def _tensor(name: str, values: list[int]) -> bytes:
    """A row of int64."""
    raw = np.array(values, "<i8").tobytes()
    return message([(DIMS, len(values)), (DATA_TYPE, INT64), (TENSOR_NAME, name), (RAW, raw)])


def _int64(tensor: bytes) -> list[int]:
    """What `_tensor` wrote, or `onnx` did."""
    kept = {number: value for number, _, value in fields(memoryview(tensor))}
    if kept.get(DATA_TYPE) != INT64 or isinstance(kept.get(RAW, 0), int) or len(kept[RAW]) % 8:
        raise JoinError("sizes that are no row of int64")
    return np.frombuffer(kept[RAW], "<i8").tolist()


def _end(name: str, shape: list[int | str]) -> bytes:
    """An input or output, float32 of this shape."""
    dims = message([(1, message([(1 if isinstance(size, int) else 2, size)])) for size in shape])
    return message([(1, name), (2, message([(1, message([(1, FLOAT), (2, dims)]))]))])
