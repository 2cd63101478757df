"""What the server refuses of a kind's spec: on creation, and on change of what is immutable."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from tests.fakes.apiserver import crds
from tests.fakes.apiserver.names import dns_label, label_causes
from tests.fakes.apiserver.policies import network_policy
from tests.fakes.apiserver.selectors import selects
from tests.fakes.apiserver.status import (
    Cause,
    duplicate,
    forbidden_field,
    invalid_value,
    not_supported,
    required,
)

Json = dict[str, Any]
_POD_FROZEN = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only "
    "additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set "
    "to 1 if it was previously negative)"
)
_SET_FROZEN = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def causes(group: str, kind: str, old: Json | None, new: Json) -> list[Cause]:
    """Every reason to refuse this object (as a change of the old one where there is one)."""
    found = _SHAPE[group, kind](new) if (group, kind) in _SHAPE else []
    if old is not None and (group, kind) in _FROZEN:
        found += _FROZEN[group, kind](old, new)
    return found


def pod_spec(spec: Json, at: str, claims: Iterable[Json] = ()) -> list[Cause]:
    found: list[Cause] = []
    containers = spec.get("containers") or []
    if not containers:
        found.append(required(f"{at}.containers"))
    volumes = {each.get("name") for each in spec.get("volumes") or ()}
    volumes |= {(each.get("metadata") or {}).get("name") for each in claims}
    seen: set[str] = set()
    for word in ("containers", "initContainers"):
        for n, each in enumerate(spec.get(word) or ()):
            found += _container(each, f"{at}.{word}[{n}]", volumes, seen)
    policies = ("Always", "OnFailure", "Never")
    if spec.get("restartPolicy") not in policies:
        found.append(not_supported(f"{at}.restartPolicy", spec.get("restartPolicy"), policies))
    if spec.get("hostNetwork") and spec.get("dnsPolicy") == "":
        found.append(required(f"{at}.dnsPolicy"))
    return found


def _container(each: Json, at: str, volumes: set[Any], seen: set[str]) -> list[Cause]:
    found = []
    name = each.get("name", "")
    if not name:
        found.append(required(f"{at}.name"))
    else:
        found += dns_label(f"{at}.name", name)
    if name in seen:
        found.append(duplicate(f"{at}.name", name))
    seen.add(name)
    if not each.get("image"):
        found.append(required(f"{at}.image"))
    for n, mount in enumerate(each.get("volumeMounts") or ()):
        if mount.get("name") not in volumes:
            field = f"{at}.volumeMounts[{n}].name"
            text = f'Not found: "{mount.get("name", "")}"'
            found.append(Cause("FieldValueNotFound", field, text))
        if not mount.get("mountPath"):
            found.append(required(f"{at}.volumeMounts[{n}].mountPath"))
    for n, port in enumerate(each.get("ports") or ()):
        number = port.get("containerPort")
        if not isinstance(number, int) or not 0 < number < 65536:
            text = "must be between 1 and 65535, inclusive"
            found.append(invalid_value(f"{at}.ports[{n}].containerPort", number, text))
    return found


def _pod(body: Json) -> list[Cause]:
    return pod_spec(body.get("spec") or {}, "spec")


def _pod_frozen(old: Json, new: Json) -> list[Cause]:
    before, after = _fixed_part(old), _fixed_part(new)
    gone = [
        each
        for each in old["spec"].get("tolerations") or ()
        if each not in (new["spec"].get("tolerations") or ())
    ]
    if before == after and not gone:
        return []
    return [forbidden_field("spec", _POD_FROZEN)]


def _fixed_part(pod: Json) -> Json:
    free = ("tolerations", "activeDeadlineSeconds")
    spec = {key: value for key, value in (pod.get("spec") or {}).items() if key not in free}
    for word in ("containers", "initContainers"):
        if word in spec:
            spec[word] = [{k: v for k, v in c.items() if k != "image"} for c in spec[word] or ()]
    return spec


def _selected(body: Json) -> list[Cause]:
    """A workload's selector is there and matches its own template."""
    spec = body.get("spec") or {}
    selector, template = spec.get("selector"), spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    found = []
    if not selector:
        found.append(required("spec.selector"))
    elif not selects(selector, labels):
        text = "`selector` does not match template `labels`"
        found.append(invalid_value("spec.template.metadata.labels", labels, text))
    found += label_causes(labels, "spec.template.labels")
    claims = spec.get("volumeClaimTemplates") or ()
    found += pod_spec(template.get("spec") or {}, "spec.template.spec", claims)
    if template.get("spec", {}).get("restartPolicy") not in ("Always", None):
        value = template["spec"]["restartPolicy"]
        found.append(not_supported("spec.template.spec.restartPolicy", value, ["Always"]))
    replicas = spec.get("replicas")
    if isinstance(replicas, int) and replicas < 0:
        text = "must be greater than or equal to 0"
        found.append(invalid_value("spec.replicas", replicas, text))
    return found


def immutable(*paths: str) -> Callable[[Json, Json], list[Cause]]:
    def check(old: Json, new: Json) -> list[Cause]:
        return [
            invalid_value(path, dig(new, path), "field is immutable")
            for path in paths
            if dig(old, path) != dig(new, path)
        ]

    return check


def dig(body: Any, path: str) -> Any:
    for part in path.split("."):
        body = body.get(part) if isinstance(body, dict) else None
    return body


def _set_frozen(old: Json, new: Json) -> list[Cause]:
    free = {"replicas", "ordinals", "template", "updateStrategy", "minReadySeconds"}
    free.add("persistentVolumeClaimRetentionPolicy")
    before = {key: value for key, value in old["spec"].items() if key not in free}
    after = {key: value for key, value in new["spec"].items() if key not in free}
    return [] if before == after else [forbidden_field("spec", _SET_FROZEN)]


def _service(body: Json) -> list[Cause]:
    spec = body.get("spec") or {}
    found = []
    portless = spec.get("clusterIP") == "None" or spec.get("type") == "ExternalName"
    if not spec.get("ports") and not portless:
        found.append(required("spec.ports"))
    kinds = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
    if spec.get("type") not in kinds:
        found.append(not_supported("spec.type", spec.get("type"), kinds))
    many = len(spec.get("ports") or ()) > 1
    for n, port in enumerate(spec.get("ports") or ()):
        number = port.get("port")
        if not isinstance(number, int) or not 0 < number < 65536:
            text = "must be between 1 and 65535, inclusive"
            found.append(invalid_value(f"spec.ports[{n}].port", number, text))
        if many and not port.get("name"):
            found.append(required(f"spec.ports[{n}].name"))
    return found


def _service_frozen(old: Json, new: Json) -> list[Cause]:
    if "ExternalName" in (old["spec"].get("type"), new["spec"].get("type")):
        return []
    if old["spec"].get("clusterIP") == new["spec"].get("clusterIP"):
        return []
    text = "may not change once set"
    return [invalid_value("spec.clusterIPs[0]", [new["spec"].get("clusterIP")], text)]


def _budget(body: Json) -> list[Cause]:
    spec = body.get("spec") or {}
    both = spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None
    text = "minAvailable and maxUnavailable cannot be both set"
    return [invalid_value("spec", spec, text)] if both else []


def _role(body: Json) -> list[Cause]:
    found = []
    for n, rule in enumerate(body.get("rules") or ()):
        at = f"rules[{n}]"
        if not rule.get("verbs"):
            found.append(required(f"{at}.verbs", "verbs must contain at least one value"))
        if rule.get("nonResourceURLs"):
            continue
        if not rule.get("apiGroups"):
            why = "resource rules must supply at least one api group"
            found.append(required(f"{at}.apiGroups", why))
        if not rule.get("resources"):
            why = "resource rules must supply at least one resource"
            found.append(required(f"{at}.resources", why))
    return found


def _binding(body: Json) -> list[Cause]:
    role = body.get("roleRef") or {}
    found = [] if role.get("name") else [required("roleRef.name")]
    if role.get("kind") not in ("Role", "ClusterRole"):
        kinds = ("ClusterRole", "Role")
        found.append(not_supported("roleRef.kind", role.get("kind", ""), kinds))
    for n, subject in enumerate(body.get("subjects") or ()):
        if not subject.get("name"):
            found.append(required(f"subjects[{n}].name"))
        account = subject.get("kind") == "ServiceAccount"
        if account and not subject.get("namespace"):
            found.append(required(f"subjects[{n}].namespace"))
    return found


def _role_ref(old: Json, new: Json) -> list[Cause]:
    if old.get("roleRef") == new.get("roleRef"):
        return []
    return [invalid_value("roleRef", new.get("roleRef"), "cannot change roleRef")]


def _held(old: Json, new: Json) -> list[Cause]:
    """`immutable: true` of Secrets and ConfigMaps."""
    if not old.get("immutable"):
        return []
    found = []
    if not new.get("immutable"):
        found.append(forbidden_field("immutable", "field is immutable when `immutable` is set"))
    text = "field is immutable when `immutable` is set"
    changed = (key for key in ("data", "binaryData") if old.get(key) != new.get(key))
    return found + [forbidden_field(key, text) for key in changed]


def _secret_frozen(old: Json, new: Json) -> list[Cause]:
    return immutable("type")(old, new) + _held(old, new)


def _hooks(body: Json) -> list[Cause]:
    found = []
    for n, hook in enumerate(body.get("webhooks") or ()):
        at = f"webhooks[{n}]"
        if str(hook.get("name", "")).count(".") < 2:
            text = "should be a domain with at least three segments separated by dots"
            found.append(invalid_value(f"{at}.name", hook.get("name", ""), text))
        if not hook.get("admissionReviewVersions"):
            why = "must specify one of v1, v1beta1"
            found.append(required(f"{at}.admissionReviewVersions", why))
        effects = hook.get("sideEffects")
        if effects not in ("None", "NoneOnDryRun"):
            kinds = ("None", "NoneOnDryRun")
            found.append(not_supported(f"{at}.sideEffects", effects, kinds))
        seconds = hook.get("timeoutSeconds", 10)
        if not 1 <= seconds <= 30:
            text = "the timeout value must be between 1 and 30 seconds"
            found.append(invalid_value(f"{at}.timeoutSeconds", seconds, text))
        client = hook.get("clientConfig") or {}
        if bool(client.get("url")) == bool(client.get("service")):
            why = "exactly one of url or service is required"
            found.append(required(f"{at}.clientConfig", why))
        elif client.get("url") and not str(client["url"]).startswith("https://"):
            text = "'https' is the only allowed URL scheme"
            found.append(invalid_value(f"{at}.clientConfig.url", client["url"], text))
    return found


_RBAC = "rbac.authorization.k8s.io"
_HOOKS = "admissionregistration.k8s.io"
_CRD = ("apiextensions.k8s.io", "CustomResourceDefinition")
_SHAPE: dict[tuple[str, str], Callable[[Json], list[Cause]]] = {
    _CRD: crds.causes,
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("apps", "Deployment"): _selected,
    ("apps", "ReplicaSet"): _selected,
    ("apps", "StatefulSet"): _selected,
    ("apps", "DaemonSet"): _selected,
    ("networking.k8s.io", "NetworkPolicy"): network_policy,
    ("policy", "PodDisruptionBudget"): _budget,
    (_RBAC, "Role"): _role,
    (_RBAC, "ClusterRole"): _role,
    (_RBAC, "RoleBinding"): _binding,
    (_RBAC, "ClusterRoleBinding"): _binding,
    (_HOOKS, "ValidatingWebhookConfiguration"): _hooks,
    (_HOOKS, "MutatingWebhookConfiguration"): _hooks,
}
_FROZEN: dict[tuple[str, str], Callable[[Json, Json], list[Cause]]] = {
    ("", "Pod"): _pod_frozen,
    ("", "Service"): _service_frozen,
    ("", "Secret"): _secret_frozen,
    ("", "ConfigMap"): _held,
    ("apps", "Deployment"): immutable("spec.selector"),
    ("apps", "ReplicaSet"): immutable("spec.selector"),
    ("apps", "DaemonSet"): immutable("spec.selector"),
    ("apps", "StatefulSet"): _set_frozen,
    ("batch", "Job"): immutable("spec.template", "spec.selector", "spec.completionMode"),
    (_RBAC, "RoleBinding"): _role_ref,
    (_RBAC, "ClusterRoleBinding"): _role_ref,
}
