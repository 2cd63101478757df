"""The tools of the ecosystems themselves as judges of pairs, many pairs in one process.

Each gives, for each pair, -1, 0 or 1, or None where the tool refuses one of them. A tool that this
machine has not gives ``None`` for its command, and the test says which is missing.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

Pairs = Sequence[tuple[str, str]]

_RUBY = """
STDIN.each_line do |line|
  one, other = line.chomp.split("\\t", -1)
  begin
    puts(Gem::Version.new(one) <=> Gem::Version.new(other))
  rescue ArgumentError
    puts("refused")
  end
end
"""
_RPM = (
    '%{lua: for line in io.stdin:lines() do local one, other = line:match("^(.-)\\t(.*)$") '
    'print(rpm.vercmp(one, other) .. "\\n") end}'
)
_DPKG = """
while IFS='\t' read -r one other; do
  if dpkg --compare-versions "$one" lt "$other" 2>/dev/null; then echo -1
  elif dpkg --compare-versions "$one" gt "$other" 2>/dev/null; then echo 1
  else echo 0; fi
done
"""
_COMPOSER = Path("/usr/share/php/Composer/Semver")
_PHP = """
foreach (["Constraint/ConstraintInterface", "Constraint/Constraint",
          "Constraint/MatchAllConstraint", "Constraint/MultiConstraint",
          "VersionParser"] as $part) { require "FOLDER/$part.php"; }
$parser = new Composer\\Semver\\VersionParser;
while (($line = fgets(STDIN)) !== false) {
  [$one, $other] = explode("\\t", rtrim($line, "\\n"));
  try { echo version_compare($parser->normalize($one), $parser->normalize($other)), "\\n"; }
  catch (Exception $e) { echo "refused\\n"; }
}
"""
_NODE_SEMVER = Path("/usr/lib/node_modules/npm/node_modules/semver")
_NODE = """
const semver = require(FOLDER);
const asked = JSON.parse(require("fs").readFileSync(0));
const answer = ([version, range]) => semver.validRange(range) === null
  ? null : semver.satisfies(version, range);
console.log(JSON.stringify(KIND === "order"
  ? asked.map(([one, other]) => semver.compare(one, other)) : asked.map(answer)));
"""


def command(ecosystem: str) -> list[str] | None:
    """What judges the order of an ecosystem here, or None."""
    match ecosystem:
        case "Debian":
            return ["sh", "-c", _DPKG] if shutil.which("dpkg") else None
        case "Red Hat":
            return ["rpm", "--eval", _RPM] if shutil.which("rpm") else None
        case "RubyGems":
            return ["ruby", "-e", _RUBY] if shutil.which("ruby") else None
        case "Packagist":
            found = shutil.which("php") and _COMPOSER.is_dir()
            return ["php", "-r", _PHP.replace("FOLDER", str(_COMPOSER))] if found else None
    return None


def order(asked: list[str], pairs: Pairs) -> list[int | None]:
    """The tool's answers."""
    given = "".join(f"{one}\t{other}\n" for one, other in pairs)
    done = subprocess.run(asked, input=given, capture_output=True, text=True, check=True)
    return [None if word == "refused" else int(word) for word in done.stdout.split()]


def node_semver() -> bool:
    """Whether npm's own semver is here."""
    return bool(shutil.which("node")) and _NODE_SEMVER.is_dir()


def node(kind: str, pairs: Pairs) -> list[int | bool | None]:
    """node-semver's answers: ``order`` of two versions, or ``range``: version and range."""
    text = _NODE.replace("FOLDER", json.dumps(str(_NODE_SEMVER))).replace("KIND", json.dumps(kind))
    done = subprocess.run(
        ["node", "-e", text], input=json.dumps(pairs), capture_output=True, text=True, check=True
    )
    answers: list[int | bool | None] = json.loads(done.stdout)
    return answers
