"""How the terminal report draws: colours by ANSI codes, marks in Unicode or ASCII, widths."""

from __future__ import annotations

import msgspec

from haechi.model.severity import Severity
from haechi.report.text import cells, clip, wrap

_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
    "critical": "1;97;41",
    "high": "1;31",
    "medium": "33",
    "low": "36",
    "info": "2",
}
_ASCII = str.maketrans(
    {"…": "...", "·": "-", "→": "->", "│": "|", "─": "-", "╰": "`", "•": "*", "\u2019": "'"}
)


class Ink(msgspec.Struct, frozen=True, kw_only=True):
    """``width`` in cells; ``colour`` allows ANSI codes; ``ascii`` keeps marks of ours to ASCII.

    Text from files is left as it is: a Korean file name has no ASCII form.
    """

    width: int = 100
    colour: bool = False
    ascii: bool = False

    def paint(self, text: str, style: str) -> str:
        """The text in a style, or plain."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.colour and text else text

    def mark(self, text: str) -> str:
        """A mark or word of ours, in ASCII when asked for."""
        return text.translate(_ASCII) if self.ascii else text

    def clip(self, text: str, width: int) -> str:
        """The text cut to a width."""
        return clip(text, width, self.mark("…"))

    def severity(self, severity: Severity, width: int = 0) -> str:
        """The severity's name in its colour, padded outside of the colour."""
        name = severity.value.upper()
        return self.paint(name, severity.value) + " " * max(0, width - len(name))

    def block(self, text: str, first: str, rest: str, *, most: int = 0) -> list[str]:
        """The text wrapped behind ``first``, further lines behind ``rest``.

        ``most`` bounds the number of lines; the last one then ends in a mark.
        """
        room = max(self.width - cells(rest), 8)
        lines = wrap(text, room, max(self.width - cells(first), 8))
        if most and len(lines) > most:
            # Half a word more shows that the sentence goes on.
            last = room if most > 1 else max(self.width - cells(first), 8)
            lines = [*lines[: most - 1], self.clip(" ".join(lines[most - 1 :]), last)]
        return [(rest if number else first) + line for number, line in enumerate(lines)]
