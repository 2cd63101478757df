"""Regular expressions over bytes: which of hundreds occur in a buffer, and where.

Two steps, because no engine does both fast. A *matcher* says in one pass which expressions may
match a buffer: Hyperscan where its wheel is there, else literal keywords by Aho-Corasick. Then
RE2, whose time is linear in the text whatever the expression, finds the spans of just those.
A matcher may name one expression too many, never one too few, so both give equal findings.

Syntax is RE2's; text is bytes (Latin-1), so offsets are byte offsets and no input is invalid.
"""

from haechi.engines.patterns.expression import Expression, Span
from haechi.engines.patterns.matcher import JoinedMatcher, Matcher, Source, keyword_matcher

__all__ = ["Expression", "JoinedMatcher", "Matcher", "Source", "Span", "keyword_matcher"]
