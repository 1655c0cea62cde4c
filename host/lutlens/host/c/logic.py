"""One node as C statements over words of lanes.

Shannon expansion down to tables of three inputs. With AVX-512 such a table is one instruction, as
is a multiplexer, which makes 15 for a random LUT6; elsewhere `lanes.h` splits it once more, and the
compiler builds each function of the lowest two inputs once.
"""

from __future__ import annotations

from collections.abc import Sequence

from lutlens.host import tables


class Statements:
    """Statements of one function, and the names that they define."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._names: dict[str, str] = {}

    def table(self, table: int, inputs: Sequence[str]) -> str:
        """A C expression, at most a name long, for the table over the given expressions."""
        kept, table = tables.support(table, len(inputs))
        inputs = [inputs[j] for j in kept]
        if not inputs:
            return "ONES" if table else "ZEROS"
        if len(inputs) == 1:
            return inputs[0] if table == 0b10 else self._name(f"~{inputs[0]}")
        if len(inputs) == 2:
            return self._name(f"lut2_{table:x}({', '.join(inputs)})")
        if len(inputs) == 3:
            digits = f"{table >> 4:x}, {table & 15:x}"
            return self._name(f"lut3({digits}, {', '.join(inputs)})")
        return self._split(table, inputs)

    def _split(self, table: int, inputs: Sequence[str]) -> str:
        """A multiplexer, or the gate that it comes down to, of the last input."""
        *rest, select = inputs
        low_table, high_table = table & tables.ones(len(rest)), table >> (1 << len(rest))
        low = self.table(low_table, rest)
        if high_table == low_table ^ tables.ones(len(rest)):
            return self._name(f"{select} ^ {low}")
        high = self.table(high_table, rest)
        gates = {
            ("ZEROS", high): f"{select} & {high}",
            ("ONES", high): f"{high} | ~{select}",
            (low, "ZEROS"): f"{low} & ~{select}",
            (low, "ONES"): f"{low} | {select}",
        }
        return self._name(gates.get((low, high), f"mux({low}, {high}, {select})"))

    def _name(self, expression: str) -> str:
        if expression not in self._names:
            self._names[expression] = name = f"v{len(self._names)}"
            self.lines.append(f"const lanes {name} = {expression};")
        return self._names[expression]
