"""A run over a small shop with findings in every state, gaps, waivers, risks and hostile text."""

from __future__ import annotations

import datetime as dt
from typing import Any

from msgspec.structs import replace

from haechi.model.coverage import Coverage, Gap
from haechi.model.finding import Finding, FindingState, fingerprint
from haechi.model.location import AttrPath, Location
from haechi.model.scan import Decision, Risk, Scan, Step, WaiverStatus, WaiverUse
from haechi.model.severity import Severity
from haechi.model.waiver import Waiver, WaiverOrigin
from haechi.report.material import Material
from haechi.rules.schema import AppliesTo, JudgeKind, Rule, Text

HOSTILE_PATH = "k8s/<script>alert('x')</script>|`\u202ey.yaml"
HOSTILE_MESSAGE = (
    'container "\x1b[31mapp\u202e"><img src=x onerror=alert(1)>" | has `{0}` '
    "[here](https://evil.example) and tells @everyone about #1"
)
SECRET = "hunter2-not-a-real-password"

FILES = {
    "k8s/cart.yaml": """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: cart
  namespace: shop
spec:
  template:
    spec:
      hostPID: true
      containers:
        - name: app
          image: registry.example/cart:latest
          securityContext:
            privileged: true
        - name: 로그
          image: registry.example/log:latest
        - name: metrics
          image: registry.example/metrics:latest
        - name: proxy
          image: registry.example/proxy:latest
        - name: cache
          image: registry.example/cache:latest
      volumes:
        - name: sock
          hostPath:
            path: /var/run/docker.sock
""",
    "k8s/ingress.yaml": """\
apiVersion: v1
kind: Service
metadata:
  name: admin
  namespace: shop
spec:
  type: LoadBalancer
  selector:
    app: admin
""",
    "k8s/policies.yaml": """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: deny-all
  namespace: shop
spec:
  podSelector:
    matchLabels:
      app: kart
---
apiVersion: v1
kind: Pod
metadata:
  name: secure-app
  annotations:
    seccomp.security.alpha.kubernetes.io/pod: runtime/default
""",
    "images/결제/Dockerfile": f"""\
FROM node:20
ENV PAYMENT_PASSWORD={SECRET}
RUN apt-get update && apt-get install -y curl
RUN curl -fsSL https://get.example/install.sh | sh
COPY . .
CMD ["node", "server.js"]
""",
    HOSTILE_PATH: "kind: Pod\nname: '\u202e\x1b[2J</code><script>alert(2)</script>'\n" + "x" * 900,
}


def _rule(id_: str, title: str, severity: Severity, **more: Any) -> Rule:
    return Rule(
        id=id_,
        title=title,
        severity=severity,
        why=more.pop("why"),
        fix=more.pop("fix"),
        applies_to=AppliesTo(kinds=["pod"]),
        judge=JudgeKind.PYTHON,
        bad=["kind: Pod"],
        good=["kind: Pod"],
        **more,
    )


RULES = (
    _rule(
        "k8s-privileged",
        "Container runs privileged",
        Severity.CRITICAL,
        why="A privileged container holds every capability and sees the host's devices. "
        "Whoever gets code to run in it owns the node.",
        fix="Take `privileged: true` away and add only the capability that is needed.",
        snippet="securityContext:\n  privileged: false\n  capabilities: {drop: [ALL]}\n",
        refs={"ckv": ["CKV_K8S_16"], "avd": ["AVD-KSV-0017"]},
        cwe=["CWE-250"],
        tags=["pod-security", "baseline"],
        ko=Text(
            title="컨테이너가 특권 모드로 실행됨",
            why="특권 컨테이너는 모든 커널 권한을 가지고 호스트의 장치를 볼 수 있습니다. "
            "그 안에서 코드를 실행한 사람은 노드 전체를 장악합니다.",
            fix="`privileged: true`를 지우고 꼭 필요한 권한만 추가하세요.",
        ),
    ),
    _rule(
        "k8s-docker-socket",
        "Container reaches the container runtime's socket",
        Severity.CRITICAL,
        why="The socket starts containers with any rights on the host.",
        fix="Remove the hostPath volume; build images with a tool that needs no daemon.",
        cwe=["CWE-284"],
        ko=Text(
            title="컨테이너가 런타임 소켓에 접근함",
            why="이 소켓으로 호스트에서 어떤 권한의 컨테이너든 시작할 수 있습니다.",
            fix="hostPath 볼륨을 제거하고 데몬이 필요 없는 도구로 이미지를 빌드하세요.",
        ),
    ),
    _rule(
        "k8s-service-exposed",
        "Service is open to every network",
        Severity.HIGH,
        why="A load balancer without source ranges answers the whole internet.",
        fix="List the networks in `loadBalancerSourceRanges`, or use type ClusterIP.",
        snippet="spec:\n  type: ClusterIP\n",
        ko=Text(
            title="모든 네트워크에 열린 서비스",
            why="접근 범위가 없는 로드 밸런서는 인터넷 전체의 요청에 응답합니다.",
            fix="`loadBalancerSourceRanges`에 네트워크를 적거나 ClusterIP를 사용하세요.",
        ),
    ),
    _rule(
        "k8s-image-latest",
        "Image is not pinned",
        Severity.MEDIUM,
        why="The tag moves: what was tested is not what runs after the next restart.",
        fix="Name the image by digest.",
        fixer="pin-image",
        cwe=["CWE-829"],
        ko=Text(
            title="고정되지 않은 이미지",
            why="태그는 움직입니다. 시험한 이미지와 실행되는 이미지가 달라질 수 있습니다.",
            fix="이미지를 다이제스트로 지정하세요.",
        ),
    ),
    _rule(
        "k8s-policy-selects-nothing",
        "NetworkPolicy selects no pod",
        Severity.HIGH,
        why="A policy that selects nothing isolates nothing, while everyone believes it does.",
        fix="Correct the labels of `podSelector`.",
        tags=["dead-control"],
        ko=Text(
            title="아무 파드도 선택하지 않는 NetworkPolicy",
            why="아무것도 선택하지 않는 정책은 아무것도 격리하지 못합니다.",
            fix="`podSelector`의 레이블을 바로잡으세요.",
        ),
    ),
    _rule(
        "k8s-seccomp-annotation",
        "Seccomp annotation has no effect",
        Severity.MEDIUM,
        why="Kubernetes ignores the alpha annotation since 1.27.",
        fix="Use `securityContext.seccompProfile`.",
        fixer="seccomp-profile",
        tags=["dead-control"],
    ),
    _rule(
        "docker-secret-in-env",
        "Secret in the image",
        Severity.HIGH,
        why="Everyone who can pull the image reads its environment.",
        fix="Mount the secret at build time: `RUN --mount=type=secret`.",
        cwe=["CWE-798"],
        tags=["secret"],
    ),
    _rule(
        "docker-curl-shell",
        "Downloaded script runs unchecked",
        Severity.HIGH,
        why="What the server sends today runs as root in the build.",
        fix="Download, check the SHA-256, then run.",
        refs={"dl": ["DL4006"]},
    ),
    _rule(
        "k8s-host-pid",
        "Pod shares the host's process ids",
        Severity.HIGH,
        why="It sees and can signal every process of the node.",
        fix="Remove `hostPID`.",
    ),
    _rule(
        "docker-no-healthcheck",
        "No health check",
        Severity.LOW,
        why="A hung process is not noticed.",
        fix="Add `HEALTHCHECK`.",
    ),
)
_BY_ID = {rule.id: rule for rule in RULES}


def finding(
    rule: str, message: str, location: Location, resource: str = "k8s:-/core/Pod/-/x", **more: Any
) -> Finding:
    """A finding of one of RULES, or of an unknown rule; its fingerprint follows from the rest."""
    known = _BY_ID.get(rule)
    path: AttrPath = more.get("path", ())
    values: dict[str, Any] = {
        "rule": rule,
        "severity": known.severity if known else Severity.INFO,
        "title": known.title if known else rule,
        "message": message,
        "location": location,
        "resource": resource,
        "fingerprint": fingerprint(rule, location.path, f"{path}{message}", location.line),
        "cwe": tuple(known.cwe) if known else (),
        "tags": tuple(known.tags) if known else (),
        "fix": (known.fixer or None) if known else None,
    }
    return Finding(**(values | more))


def at(path: str, line: int, column: int = 1, end_column: int = 1) -> Location:
    """A place on one line."""
    return Location(path=path, line=line, column=column, end_line=line, end_column=end_column)


_CART = {"resource": "k8s:-/apps/Deployment/shop/cart", "label": "Deployment shop/cart"}
_POD: AttrPath = ("spec", "template", "spec")


def findings() -> tuple[Finding, ...]:
    """In no particular order: the formats have to sort."""
    images = ("app", "로그", "metrics", "proxy", "cache")
    return (
        *(
            finding(
                "k8s-image-latest",
                f'container "{name}" uses the moving tag latest',
                at("k8s/cart.yaml", 12 if number == 0 else 14 + 2 * number, 18, 50),
                path=(*_POD, "containers", number, "image"),
                owner="@shop/cart",
                **_CART,
            )
            for number, name in enumerate(images)
        ),
        finding(
            "k8s-privileged",
            'container "app" runs privileged',
            at("k8s/cart.yaml", 14, 13, 29),
            path=(*_POD, "containers", 0, "securityContext", "privileged"),
            owner="@shop/cart",
            due=dt.date(2026, 3, 9),
            evidence={"value": True, "seen": dt.date(2026, 3, 2), "ratio": float("nan")},
            **_CART,
        ),
        finding(
            "k8s-docker-socket",
            'volume "sock" mounts /var/run/docker.sock of the host',
            at("k8s/cart.yaml", 26, 13, 39),
            path=(*_POD, "volumes", 0, "hostPath", "path"),
            state=FindingState.WAIVED,
            waiver="haechi.waivers.yaml:3",
            **_CART,
        ),
        finding(
            "k8s-service-exposed",
            'service "admin" listens on a public load balancer for every address',
            at("k8s/ingress.yaml", 7, 3, 21),
            resource="k8s:-/core/Service/shop/admin",
            label="Service shop/admin",
            path=("spec", "type"),
            due=dt.date(2026, 4, 1),
        ),
        finding(
            "k8s-policy-selects-nothing",
            'policy "deny-all" selects app=kart, which no pod in namespace shop carries',
            at("k8s/policies.yaml", 9, 7, 16),
            resource="k8s:-/networking.k8s.io/NetworkPolicy/shop/deny-all",
            label="NetworkPolicy shop/deny-all",
            path=("spec", "podSelector"),
        ),
        finding(
            "k8s-seccomp-annotation",
            'pod "secure-app" relies on the seccomp annotation, which Kubernetes 1.33 ignores',
            at("k8s/policies.yaml", 16, 5, 63),
            label="Pod secure-app",
            path=("metadata", "annotations", "seccomp.security.alpha.kubernetes.io/pod"),
        ),
        finding(
            "docker-secret-in-env",
            "ENV PAYMENT_PASSWORD holds a value",
            at("images/결제/Dockerfile", 2, 5, 30),
            resource="file:/images/%EA%B2%B0%EC%A0%9C/Dockerfile",
            label="Dockerfile images/결제/Dockerfile",
        ),
        finding(
            "docker-curl-shell",
            "RUN pipes https://get.example/install.sh into a shell",
            at("images/결제/Dockerfile", 4, 5, 52),
            resource="file:/images/%EA%B2%B0%EC%A0%9C/Dockerfile",
            state=FindingState.KNOWN,
        ),
        finding(
            "docker-no-healthcheck",
            "the image has no HEALTHCHECK",
            at("images/결제/Dockerfile", 6),
            resource="file:/images/%EA%B2%B0%EC%A0%9C/Dockerfile",
            state=FindingState.WAIVED,
            waiver="images/결제/Dockerfile:1",
        ),
        finding(
            "k8s-host-pid",
            'pod of "cart" shares the process ids of the host',
            at("k8s/cart.yaml", 9, 7, 20),
            path=(*_POD, "hostPID"),
            state=FindingState.NEW,
            **_CART,
        ),
        finding("user-<b>rule</b>", HOSTILE_MESSAGE, at(HOSTILE_PATH, 2, 8, 14)),
    )


def risks() -> tuple[Risk, ...]:
    """Two, the lesser first."""
    return (
        Risk(
            score=41.5,
            severity=Severity.HIGH,
            sentence="Nothing isolates namespace shop: its only network policy selects no pod",
            sentence_ko="shop 네임스페이스를 격리하는 정책이 없습니다. 유일한 네트워크 정책은 아무 "
            "파드도 선택하지 않습니다",
            change="name app=cart instead of app=kart in podSelector",
            change_ko="podSelector의 app=kart를 app=cart로 고치세요",
            location=at("k8s/policies.yaml", 9),
            findings=(findings()[8].fingerprint,),
        ),
        Risk(
            score=93.0,
            severity=Severity.CRITICAL,
            sentence="Anyone on the internet who breaks into service admin reaches Deployment "
            "shop/cart, which runs privileged, and from there owns the node",
            sentence_ko="인터넷의 누구든 admin 서비스에 침입하면 특권으로 실행되는 Deployment "
            "shop/cart에 닿고, 거기서 노드를 장악합니다",
            change="drop `privileged: true` from container app; nothing in the image needs it",
            change_ko="app 컨테이너에서 `privileged: true`를 지우세요. 이미지에는 필요 없습니다",
            location=at("k8s/cart.yaml", 14),
            steps=(
                Step(
                    text="the internet reaches Service shop/admin",
                    location=at("k8s/ingress.yaml", 7),
                ),
                Step(text="no network policy stands between shop/admin and shop/cart"),
                Step(
                    text="container app of shop/cart runs privileged",
                    location=at("k8s/cart.yaml", 14),
                ),
            ),
            findings=(findings()[5].fingerprint, findings()[7].fingerprint),
        ),
    )


def gaps() -> tuple[Gap, ...]:
    """Open and accepted ones."""
    return (
        Gap(
            kind="helm-chart",
            path="charts/shop",
            reason="helm is not installed, so the chart was not rendered",
            do="install helm, or accept the gap in haechi.yaml",
        ),
        Gap(kind="syntax", path="k8s/brok\x1ben.yaml", reason="line 3: mapping values not allowed"),
        Gap(kind="too-large", path="dumps/all.yaml", reason="is 71 MB", accepted=True),
    )


def waivers() -> tuple[WaiverUse, ...]:
    """One of each status that people meet."""
    return (
        WaiverUse(
            waiver=Waiver(
                rule="k8s-docker-socket",
                origin=WaiverOrigin.FILE,
                location=at("haechi.waivers.yaml", 3),
                path="k8s/cart.yaml",
                reason="the build runner needs it until the move to BuildKit",
                owner="platform@shop.example",
                expires=dt.date(2026, 6, 30),
            ),
            status=WaiverStatus.MATCHED,
            count=1,
        ),
        WaiverUse(
            waiver=Waiver(
                rule="docker-no-healthcheck",
                origin=WaiverOrigin.INLINE,
                location=at("images/결제/Dockerfile", 1),
                reason="쿠버네티스가 직접 확인함",
                source="haechi:ignore docker-no-healthcheck",
            ),
            status=WaiverStatus.MATCHED,
            count=1,
        ),
        WaiverUse(
            waiver=Waiver(
                rule="k8s-host-*",
                origin=WaiverOrigin.FILE,
                location=at("haechi.waivers.yaml", 11),
                reason="old <node> agent",
                owner="platform@shop.example",
                expires=dt.date(2026, 1, 31),
            ),
            status=WaiverStatus.EXPIRED,
        ),
    )


def shop() -> Material:
    """The whole run; it blocks."""
    open_ones = [
        item
        for item in findings()
        if item.state is FindingState.OPEN and item.severity.at_least(Severity.HIGH)
    ]
    return Material(
        scan=Scan(
            root="/work/shop",
            only=(),
            started=dt.datetime(2026, 3, 2, 9, 30, tzinfo=dt.UTC),
            duration=0.84,
            findings=findings(),
            coverage=Coverage(
                looked={"files": 9, "Kubernetes resources": 7, "Dockerfiles": 1},
                gaps=gaps(),
                evaluated=frozenset({*_BY_ID, "k8s-run-as-root", "docker-sudo"}),
            ),
            risks=risks(),
        ),
        decision=Decision(
            blocks=True,
            exit_code=1,
            fail_on=Severity.HIGH,
            reasons=(
                f"{len(open_ones)} open findings at high or above: 1 critical, 3 high",
                "waiver haechi.waivers.yaml:11 expired on 2026-01-31",
                "charts/shop could not be evaluated",
            ),
            blocking=frozenset(item.fingerprint for item in open_ones),
            waivers=waivers(),
            baseline="main.json",
        ),
        rules=_BY_ID,
        read=FILES.get,
        version="0.1.0",
    )


def clean() -> Material:
    """A run that looked at files and found nothing."""
    return replace_scan(shop(), Coverage(looked={"files": 3}, evaluated=frozenset({"docker-sudo"})))


def empty() -> Material:
    """A run that looked at nothing."""
    return replace_scan(shop(), Coverage())


def replace_scan(material: Material, coverage: Coverage) -> Material:
    """The material without findings and risks, passed by the gate."""
    return replace(
        material,
        scan=replace(material.scan, findings=(), risks=(), coverage=coverage),
        decision=Decision(blocks=False, exit_code=0, fail_on=Severity.HIGH),
    )


def many(number: int, **more: Any) -> Material:
    """The run with ``number`` further findings, of all severities in turn."""
    severities = tuple(Severity)
    material = shop()
    further = tuple(
        finding(
            "k8s-privileged",
            f"container {index} runs privileged",
            at(f"many/{index // 20}.yaml", index % 20 + 1),
            **({"severity": severities[index % 5], "path": ("spec", index)} | more),
        )
        for index in range(number)
    )
    return replace(material, scan=replace(material.scan, findings=material.scan.findings + further))
