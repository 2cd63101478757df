"""Wording, levels and versions, odd pods; and what holds for any pod at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.checks.pod_security import (
    Level,
    evaluate,
    joined,
    parse_level,
    parse_version,
    reasons,
    stricter,
)
from haechi.checks.pod_security.result import escaped
from haechi.errors import UsageError
from tests.checks.pod_security.pods import merge, pod

VERSIONS = [f"v1.{minor}" for minor in range(38)]


def _said(changes: dict[str, Any], level: str = "restricted", version: str = "latest") -> str:
    body = pod(**changes)
    return joined(evaluate(level, version, body["metadata"], body["spec"]))


def _bare(*names: str) -> dict[str, Any]:
    return {"containers": [{"name": name} for name in names]}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            _bare("a"),
            "allowPrivilegeEscalation != false (container "
            '"a" must set securityContext.allowPrivilegeEscalation=false), '
            'unrestricted capabilities (container "a" must set '
            'securityContext.capabilities.drop=["ALL"]), '
            'runAsNonRoot != true (pod or container "a" must set '
            "securityContext.runAsNonRoot=true), "
            'seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to '
            '"RuntimeDefault" or "Localhost")',
        ),
        (
            {
                "hostNetwork": True,
                "hostPID": True,
                "securityContext": {
                    "seLinuxOptions": {"type": "spc_t", "user": "u", "role": "r"},
                    "runAsUser": 0,
                    "runAsNonRoot": False,
                    "seccompProfile": {"type": "Unconfined"},
                    "sysctls": [{"name": "b"}, {"name": "a"}],
                    "windowsOptions": {"hostProcess": True},
                },
                "volumes": [{"name": "v", "hostPath": {}}, {"name": "w", "nfs": {}}],
                "containers": [
                    {
                        "name": name,
                        "ports": [{"hostPort": 9}, {"hostPort": 80}],
                        "livenessProbe": {"httpGet": {"host": "h"}},
                        "securityContext": {
                            "privileged": True,
                            "allowPrivilegeEscalation": False,
                            "procMount": "Unmasked",
                            "capabilities": {"drop": ["ALL"], "add": ["SYS_TIME", "CHOWN"]},
                            "appArmorProfile": {"type": "Unconfined"},
                        },
                    }
                    for name in ("a", "b")
                ],
            },
            'forbidden AppArmor profile (containers "a", "b" must not set AppArmor profile type '
            'to "Unconfined"), host namespaces (hostNetwork=true, hostPID=true), '
            'hostPort (containers "a", "b" use hostPorts 80, 9), '
            'probe or lifecycle host (containers "a", "b" use probe or lifecycle host "h"), '
            'privileged (containers "a", "b" must not set securityContext.privileged=true), '
            'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "spc_t"; '
            "user may not be set; role may not be set), forbidden sysctls (b, a), "
            "hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true), "
            'unrestricted capabilities (containers "a", "b" must not include "CHOWN", "SYS_TIME" '
            'in securityContext.capabilities.add), procMount (containers "a", "b" must not set '
            'securityContext.procMount to "Unmasked"), restricted volume types (volumes "v", "w" '
            'use restricted volume types "hostPath", "nfs"), runAsNonRoot != true (pod must not '
            "set securityContext.runAsNonRoot=false), runAsUser=0 (pod must not set runAsUser=0), "
            "seccompProfile (pod must not set securityContext.seccompProfile.type to "
            '"Unconfined")',
        ),
    ],
    ids=["bare", "everything"],
)
def test_words_are_those_that_people_search_for(spec: dict[str, Any], said: str) -> None:
    assert joined(evaluate("restricted", "latest", {}, spec)) == said


def test_annotations_are_quoted_as_upstream_does() -> None:
    key = "container.apparmor.security.beta.kubernetes.io/a"
    results = evaluate("baseline", "latest", {"annotations": {key: 'un"\n\u2028é'}}, _bare("a"))
    assert joined(results) == (
        "forbidden AppArmor profile (annotation must not set AppArmor profile type to "
        f'"{key}="un\\"\\n\\u2028é"")'
    )
    assert escaped("\x01\U000e0001") == '"\\x01\\U000e0001"'


def test_reasons_come_without_details_for_pods_that_run() -> None:
    body = pod(hostPID=True, hostIPC=True)
    found = evaluate("baseline", "latest", body["metadata"], body["spec"])
    assert reasons(found) == "host namespaces"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"volumes": [{"name": "v"}]}, ""),
        ({"volumes": [{"name": "v", "hostPath": None}]}, ""),
        (
            {"volumes": [{"name": "v", "brandNew": {}}]},
            'restricted volume types (volume "v" uses restricted volume type "unknown")',
        ),
        (
            {"volumes": [{"name": "v", "emptyDir": {}, "hostPath": {"path": "/"}}]},
            "",  # the API server refuses two sources; upstream's evaluator looks at allowed first
        ),
        ({"hostUsers": False, "securityContext": {"runAsNonRoot": None}}, ""),
    ],
    ids=["no-source", "null-source", "new-source", "two-sources", "own-users"],
)
def test_odd_pods(changes: dict[str, Any], said: str) -> None:
    assert _said(changes) == said


@pytest.mark.parametrize(
    ("changes", "check"),
    [
        ({"hostNetwork": "false"}, "hostNamespaces"),
        ({"containers": [{"name": "a", "securityContext": {"privileged": "no"}}]}, "privileged"),
        ({"containers": {"name": "a", "securityContext": {"privileged": True}}}, "privileged"),
        ({"containers": ["a"]}, "allowPrivilegeEscalation"),
        ({"containers": [None]}, "capabilities_restricted"),
        ({"securityContext": {"runAsUser": "0"}}, "runAsUser"),
        ({"securityContext": {"seccompProfile": "RuntimeDefault"}}, "seccompProfile_restricted"),
        ({"securityContext": {"seLinuxOptions": "container_t"}}, "seLinuxOptions"),
        ({"securityContext": {"sysctls": {"name": "kernel.msgmax"}}}, "sysctls"),
        ({"volumes": {"name": "v", "hostPath": {}}}, "restrictedVolumes"),
        ({"containers": [{"name": "a", "ports": {"hostPort": "80"}}]}, "hostPorts"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_wrong_types_are_never_taken_for_absent(changes: dict[str, Any], check: str) -> None:
    body = pod()
    merge(body["spec"], changes)
    results = evaluate("restricted", "latest", body["metadata"], body["spec"])
    assert [r.check for r in results if not r.allowed and r.check == check] == [check]


@pytest.mark.parametrize("text", ["v1.38", "v1.4711", f"v1.{2**63 - 1}"])
def test_newer_versions_than_known_are_the_newest(text: str) -> None:
    body = pod(securityContext={"sysctls": [{"name": "net.ipv4.tcp_notsent_lowat"}]})
    assert parse_version(text) == 37
    assert joined(evaluate("baseline", text, body["metadata"], body["spec"])) == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1.30",
        "v1",
        "v2.0",
        "v1.01",
        "v1.-1",
        "v1.٣",
        "Latest",
        " v1.1",
        "v1.1\n",
        f"v1.{2**63}",
    ],
)
def test_what_is_no_version_is_an_error_that_says_so(text: str) -> None:
    with pytest.raises(UsageError, match="no version of the Pod Security Standards") as raised:
        evaluate("baseline", text, {}, {})
    assert "latest" in raised.value.do


@pytest.mark.parametrize("text", ["", "Baseline", "strict", "baseline "])
def test_what_is_no_level_is_an_error_that_says_so(text: str) -> None:
    with pytest.raises(UsageError, match="no level of the Pod Security Standards") as raised:
        evaluate(text, "latest", {}, {})
    assert "privileged, baseline or restricted" in raised.value.do
    with pytest.raises(UsageError):
        parse_level(text)


def test_levels_are_ordered_by_strictness() -> None:
    assert stricter(Level.RESTRICTED, Level.BASELINE)
    assert stricter(Level.BASELINE, Level.PRIVILEGED)
    assert not stricter(Level.BASELINE, Level.BASELINE)
    assert not stricter(Level.PRIVILEGED, Level.RESTRICTED)


# --- any pod ------------------------------------------------------------------------------------

_KEYS = st.sampled_from(
    [
        "name",
        "type",
        "user",
        "role",
        "add",
        "drop",
        "host",
        "hostPort",
        "httpGet",
        "tcpSocket",
        "postStart",
        "hostProcess",
        "ALL",
        "privileged",
        "securityContext",
        "capabilities",
        "seccompProfile",
        "seLinuxOptions",
        "appArmorProfile",
        "sysctls",
        "procMount",
        "runAsUser",
        "runAsNonRoot",
        "windowsOptions",
        "allowPrivilegeEscalation",
        "hostPath",
        "emptyDir",
        "containers",
        "initContainers",
        "ephemeralContainers",
        "volumes",
        "ports",
        "livenessProbe",
        "lifecycle",
        "os",
        "hostUsers",
        "hostNetwork",
        "annotations",
        "seccomp.security.alpha.kubernetes.io/pod",
    ]
)
_LEAVES = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        -1,
        2**70,
        0.5,
        "",
        "ALL",
        "NET_BIND_SERVICE",
        "SYS_ADMIN",
        "windows",
        "RuntimeDefault",
        "Localhost",
        "Unconfined",
        "Default",
        "container_t",
        "\ud800",
        "a",
    ]
)
_ANYTHING = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=4),
    max_leaves=25,
)
_CONTEXT = st.dictionaries(_KEYS, _ANYTHING, max_size=6) | _ANYTHING
_CONTAINER = st.fixed_dictionaries({"name": _LEAVES, "securityContext": _CONTEXT}) | _ANYTHING
_CONTAINERS = st.lists(_CONTAINER, max_size=3) | _ANYTHING
_SPEC = (
    st.fixed_dictionaries(
        {
            "containers": _CONTAINERS,
            "initContainers": _CONTAINERS,
            "securityContext": _CONTEXT,
            "volumes": _ANYTHING,
            "os": _ANYTHING,
        }
    )
    | _ANYTHING
)


@settings(max_examples=150, deadline=None)
@given(metadata=_ANYTHING, spec=_SPEC, version=st.sampled_from(VERSIONS))
def test_no_pod_makes_a_check_fail(metadata: Any, spec: Any, version: str) -> None:
    for level in Level:
        for result in evaluate(level, version, metadata, spec):
            assert result.allowed is not bool(result.reason)
            assert result.allowed is not bool(result.places)


@settings(max_examples=150, deadline=None)
@given(metadata=_ANYTHING, spec=_SPEC, version=st.sampled_from(VERSIONS))
def test_what_restricted_allows_baseline_allows(metadata: Any, spec: Any, version: str) -> None:
    """Of Windows pods this holds only for those that the API server accepts: it refuses fields
    there that restricted therefore does not look at."""
    if isinstance(spec, dict) and isinstance(spec.get("os"), dict):
        spec = {**spec, "os": {"name": "linux"}}
    if not joined(evaluate("restricted", version, metadata, spec)):
        assert not joined(evaluate("baseline", version, metadata, spec))


@settings(max_examples=60, deadline=None)
@given(
    changes=st.dictionaries(
        st.sampled_from(["hostNetwork", "hostUsers", "securityContext", "volumes"]), _CONTEXT
    ),
    version=st.sampled_from(VERSIONS),
)
def test_levels_stay_ordered_near_an_allowed_pod(changes: dict[str, Any], version: str) -> None:
    body = pod()
    merge(body["spec"], changes)
    if not joined(evaluate("restricted", version, body["metadata"], body["spec"])):
        assert not joined(evaluate("baseline", version, body["metadata"], body["spec"]))
