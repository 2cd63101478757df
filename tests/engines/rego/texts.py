"""Modules of our own in both dialects, and trees without what takes no part in their meaning."""

from __future__ import annotations

from typing import Any

from haechi.engines.rego.tree import Module, Place

V0 = {
    "gatekeeper": """package k8srequiredowner

import data.lib.exempt.is_exempt
import future.keywords.in

# every object names its owner
violation[{"msg": msg, "details": {"missing": missing}}] {
  provided := {label | input.review.object.metadata.labels[label]}
  required := {label | label := input.parameters.labels[_].key}
  missing := required - provided
  count(missing) > 0
  not is_exempt(input.review.object)
  msg := sprintf("you must provide labels: %v", [missing])
}

violation[{"msg": msg}] {
  container := containers[_]
  some key, value in container.resources.limits
  not re_match(`^[0-9]+(Mi|Gi)?$`, value)
  msg := sprintf("%v: %v", [key, value])
}

containers[c] { c := input.review.object.spec.containers[_] }
containers[c] { c := input.review.object.spec.initContainers[_] }
""",
    "functions": """package lib.numbers

default limit = 10
default kind(_) = "other"

f(x) = y { y := x * 2 } { y := x + 1; x == 5 }
g(x) { x > limit } else = false { true }
h(x) = "small" { x < 3 } else = "middle" { x < 9 } else = "large"
kind("a") = "vowel"
is_pair([_, _]) = true
sum_of(xs) = total { total := sum([x | x := xs[_]; not x < 0]) }
""",
    "objects": """package objects

by_name[name] = value { value := input.items[_]; name := value.name }
ports["http"] = 80
names["x"]
deep.er.still { input.a["b-c"][_].d == -1.5e3 }
shape = {"a": [1, 2.5, null, true,], "b": {1, "two"}, "c": set(), "d": {}}
if = 1
in = if
flags { any([input.a, input.b]) }
flags { all({x | x = input.c[_]}) }
""",
    "mocked": """package mocked

test_denied {
  count(data.policy.deny) == 1 with input as {"user": "x"} with data.roles as []
  not data.policy.allow with input.user as "y"
}
either { [a, "b"] = input.pair; {"k": v} = input.object; a != v }
union = {1} | {2}
mixed = [1 + 2 * 3 - 4 % 3 / 2, ({1} | {2}) & {3}, 1 == 1, 1 < 2]
""",
}
V1 = {
    "rules": """package app.rules

import data.lib.exempt as lib
import rego.v1

default allow := false

allow if input.user == "admin"
allow if {
	some role in input.roles
	role in {"owner", "editor"}; not lib.blocked(role)
}

deny contains msg if {
	every i, c in input.containers {
		c.image != ""
		i >= 0
	}
	msg := $"{input.name} has {count(input.containers)} \\{containers}"
}

deny contains "constant"
level := 3 if input.x > 10 else := 2 if { input.x > 5 } else := 1
a.b[c].d := c if some c in [1, 2]
a.e contains x if some x, _ in {"k": 1}
p[x] if x := input.list[_]
""",
    "odd": """package odd["pack-age"].if

x := input.if.contains["else"]
if.y := [-x, 2 -1, 3 - -1, .5, 1e3]
text := `raw \\n
two lines`
k := {x: y | some x; y := input[x]}
j := {a | b, c}
l := [1, 2 in [2], {"a": 1 | 2, "b": 3}]
m if { "a", 1 in {"a": 1} }
m if {x | x := 1} == {1}
m if { {"a": 1} }
f(x, [y, _]) := x + y
g(_) := 1 if { not f(1, [2, 3]).z[0] } { true }
n if contains("abc", "b") with count as g
""",
}


def shape(node: Any) -> Any:
    """A tree as tuples: no places, wildcards alike."""
    if isinstance(node, tuple):
        return tuple(map(shape, node))
    if isinstance(node, str):
        return "$" if node.startswith("$") and node[1:].isdigit() else node
    names = getattr(node, "__struct_fields__", None)
    if names is None:
        return (type(node).__name__, node)  # 1 and true are not the same
    parts = (getattr(node, name) for name in names if name not in ("file", "version"))
    return (type(node).__name__, *(shape(p) for p in parts if not isinstance(p, Place)))


def rules_of(module: Module) -> Any:
    return shape(module.rules)
