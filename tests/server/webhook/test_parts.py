"""The parts that need no process: frames, answers, selection, knowledge, sources, telling."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.admit.policies import PolicySet
from haechi.admit.reviews import request_fault
from haechi.admit.view import NOTHING
from haechi.client.answers import ServerRefused, ServerUnreachable
from haechi.client.asks import Ask
from haechi.errors import ConfigError, InputError
from haechi.model.admission import Decision, FailureChoice, Family, Matched, PolicyInfo
from haechi.model.decision_record import DecisionBatch, DecisionRecord, Outcome, WebhookState
from haechi.server.webhook.answers import annotations_of, response_of, uid_of, unjudged
from haechi.server.webhook.figures import Figures
from haechi.server.webhook.frames import (
    ENCODE,
    LENGTH,
    MOST_FRAME,
    Cell,
    Changes,
    Frames,
    Known,
    Notes,
    Result,
    Route,
    answer_of,
    answered,
    asked,
    review_of,
)
from haechi.server.webhook.front import DEFAULT_S, allowance
from haechi.server.webhook.judging import Judge
from haechi.server.webhook.knowledge import Knowledge
from haechi.server.webhook.selection import Selection, concerns
from haechi.server.webhook.sources.files import Files
from haechi.server.webhook.sources.repository import Repository
from haechi.server.webhook.strikes import Strikes
from haechi.server.webhook.telling import Lines, Telling
from tests.server.webhook.conftest import request, trial, write

Json = dict[str, Any]


@given(
    bodies=st.lists(st.binary(max_size=200), max_size=6),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=50),
)
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(
    bodies: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(asked(n, 1, {"p": "w"} if n % 2 else {}, b) for n, b in enumerate(bodies))
    frames, found, at = Frames(), list[bytes](), 0
    for cut in [*cuts, len(stream)]:
        found += frames.feed(stream[at : at + cut])
        at += cut
    read = [review_of(memoryview(frame)) for frame in found]
    assert [(n, bytes(body)) for n, _, _, body in read] == list(enumerate(bodies))
    assert all(off == ({"p": "w"} if n % 2 else {}) for n, _, off, _ in read)


def test_an_answers_frame_is_read_as_written_and_a_huge_one_refused() -> None:
    frame = answered(7, Result.JUDGED, b"response", b"notes")
    assert answer_of(frame[4:]) == (7, Result.JUDGED, b"response", b"notes")
    with pytest.raises(InputError):
        Frames().feed(LENGTH.pack(MOST_FRAME + 1))


def test_a_cell_tells_what_is_at_work() -> None:
    cell, descriptor = Cell.made()
    other = Cell(descriptor)
    os.close(descriptor)
    cell.watcher(9, (4, 5, 6))(2)
    count, since, review, policy = other.read()
    assert (count, review, policy) == (2, 9, 6)
    assert since > 0
    cell.close()
    other.close()


@pytest.mark.parametrize(
    ("query", "seconds"),
    [
        ("timeout=3s", 2.0),
        ("timeout=10s", 9.0),
        ("a=b&timeout=1s", 1 - 1 / 3),
        ("timeout=500ms", 0.5 - 0.5 / 3),
        ("timeout=2m", 29.0),
        ("timeout=0s", 0.1),
        ("", DEFAULT_S),
        ("timeout=soon", DEFAULT_S),
        ("mytimeout=9s", DEFAULT_S),
    ],
)
def test_answers_are_due_before_the_api_server_gives_up(query: str, seconds: float) -> None:
    assert allowance(query) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("body", "uid"),
    [
        (b'{"request":{"uid":"a"}}', "a"),
        (b'{"kind":"AdmissionReview","request":{"uid":"a-b", broken', "a-b"),
        (b'{"request":{"object":{"uid":"x"', ""),
        (b'{"request":{"uid":5}}', ""),
        (b'{"request":null}', ""),
        (b'{"request":{"uid":"a","object":' + b"[" * 9000 + b"]" * 9000 + b"}}", "a"),
        (b"", ""),
        (b"\xff", ""),
    ],
    ids=["whole", "cut", "of-the-object", "number", "null", "deep", "empty", "not-text"],
)
def test_the_uid_is_read_where_it_can_be(body: bytes, uid: str) -> None:
    assert uid_of(body) == uid


@given(body=st.binary(max_size=300))
def test_reading_a_uid_never_fails(body: bytes) -> None:
    assert isinstance(uid_of(body), str)


def test_a_response_has_the_shape_of_admission_v1() -> None:
    refused = Decision(
        allowed=False,
        code=403,
        reason="Forbidden",
        message="no",
        warnings=("w",),
        annotations={"p/k x": "v"},
        generation="g",
        patches=({"op": "add", "path": "/a", "value": 1},),
    )
    assert json.loads(response_of("u", refused)) == {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {
            "uid": "u",
            "allowed": False,
            "status": {"code": 403, "message": "no", "reason": "Forbidden"},
            "warnings": ["w"],
            "auditAnnotations": {"p.k.x": "v", "generation": "g"},
        },
    }
    changed = msgspec.structs.replace(refused, allowed=True, warnings=(), annotations={})
    response = json.loads(response_of("u", changed))["response"]
    assert response["patchType"] == "JSONPatch"
    assert json.loads(base64.b64decode(response["patch"])) == list(changed.patches)
    assert "status" not in response


def test_annotations_are_bounded() -> None:
    many = {f"k{n}": "v" * 9000 for n in range(100)}
    found = annotations_of(Decision(allowed=True, annotations=many, generation="g"))
    assert len(found) == 33
    assert max(len(value) for value in found.values()) <= 4096
    assert annotations_of(Decision(allowed=True, annotations={"///": "v"})) == {}


@pytest.mark.parametrize("route", list(Route), ids=[route.path for route in Route])
def test_what_was_not_judged_is_refused_where_policies_fail_closed(route: Route) -> None:
    response = json.loads(unjudged("u", route, "too much"))["response"]
    assert response["allowed"] is (not route.closed)
    assert ("too much" in response["status"]["message"]) if route.closed else response["warnings"]
    assert response["auditAnnotations"]["unjudged"] == "too much"


class Named:
    """A policy that is only chosen, never asked."""

    def __init__(self, name: str, failure: FailureChoice, *matched: Matched) -> None:
        self.info = PolicyInfo(
            id=f"rules/{name}",
            family=Family.RULES,
            name=name,
            title=name,
            failure=failure,
            matched=matched,
        )

    def judge(self, *_: Any) -> Any:
        raise NotImplementedError


FAIL, IGNORE = FailureChoice.FAIL, FailureChoice.IGNORE
SET = PolicySet(
    [
        Named("pods", FAIL, Matched(kinds=(("", "Pod"),))),
        Named("mild", IGNORE, Matched(kinds=(("", "Pod"),))),
        Named("deployments", FAIL, Matched(groups=("apps",), resources=("deployments",))),
        Named("exec", FAIL, Matched(groups=("",), resources=("pods/exec",))),
        Named("subs", FAIL, Matched(groups=("",), resources=("pods/*",))),
        Named("scales", FAIL, Matched(groups=("*",), resources=("*/scale",))),
        Named("all", FAIL, Matched(kinds=(("*", "*"),))),
        Named("core", FAIL, Matched(groups=("",))),
        Named("silent", FAIL),
    ]
)
ALWAYS = ["all", "silent"]


@pytest.mark.parametrize(
    ("group", "kind", "resource", "sub", "closed", "names"),
    [
        ("", "Pod", "pods", "", True, ["pods", "subs", "all", "core", "silent"]),
        ("", "Pod", "pods", "", False, ["mild"]),
        ("", "PodExecOptions", "pods", "exec", True, ["exec", "subs", "all", "core", "silent"]),
        (
            "apps",
            "Deployment",
            "deployments",
            "",
            True,
            ["pods", "deployments", "subs", "all", "core", "silent"],
        ),
        ("apps", "Scale", "deployments", "scale", True, ["scales", *ALWAYS]),
        ("x.io", "Thing", "things", "", True, ALWAYS),
    ],
    ids=["pod", "mild", "exec", "deployment-and-its-pod", "scale", "custom"],
)
def test_only_policies_that_may_apply_are_asked(
    group: str, kind: str, resource: str, sub: str, closed: bool, names: list[str]
) -> None:
    asked_for = {
        "kind": {"group": group, "kind": kind},
        "resource": {"group": group, "resource": resource},
        "subResource": sub,
    }
    chosen = Selection(SET).of(asked_for, closed=closed)
    assert [SET.policies[number].info.name for number in chosen.numbers] == names
    assert [policy.info.name for policy in chosen.policies.policies] == names


def test_a_policy_that_does_not_say_what_it_matches_concerns_everything() -> None:
    info = Named("silent", FAIL).info
    assert concerns(info, (True, "g", "K", "ks", ""))


def test_knowledge_follows_news() -> None:
    known = Knowledge()
    space = Known("v1", "Namespace", "", "a", b'{"metadata":{"name":"a"}}')
    pod = Known("v1", "Pod", "a", "p", b'{"metadata":{"name":"p"}}')
    assert not known.knows("", "Pod")
    known.take(Changes([space, pod], [("", "Service")]))
    assert known.namespace("a") == {"metadata": {"name": "a"}}
    assert known.inventory()["namespace"]["a"]["v1"]["Pod"]["p"]["metadata"]["name"] == "p"
    assert known.inventory()["cluster"]["v1"]["Namespace"]["a"] is known.namespace("a")
    assert (known.knows("", "Pod"), known.knows("", "Service"), known.generation) == (
        True,
        False,
        1,
    )
    known.take(Changes([Known("v1", "Pod", "a", "p", b'{"metadata":{"name":"q"}}')]))
    assert known.get("v1", "Pod", "a", "p") == {"metadata": {"name": "q"}}
    known.take(Changes([Known("v1", "Pod", "a", "p")]))
    assert known.objects("v1", "Pod") == []
    assert known.namespace("b") is None


def test_files_are_told_when_they_change(tmp_path: Path) -> None:
    folder = write(tmp_path / "p", trial("a", "waits"))
    source = Files([folder])
    first = source.poll()
    assert first is not None and [Path(text.name).name for text in first.texts] == ["a.json"]
    assert source.poll() is None
    write(folder, trial("b", "waits"))
    second = source.poll()
    assert second is not None and len(second.texts) == 2
    (folder / "a.json").unlink()
    third = source.poll()
    assert third is not None and len(third.texts) == 1
    with pytest.raises(ConfigError):
        Files([tmp_path / "nowhere"]).poll()


def test_a_mounted_config_map_is_read_through_its_links_and_nothing_outside(
    tmp_path: Path,
) -> None:
    (tmp_path / "secret.yaml").write_text("a: b")
    mount = tmp_path / "mount"
    for name, text in (("..1", "one"), ("..2", "two")):
        (mount / name).mkdir(parents=True)
        (mount / name / "p.yaml").write_text(text)
    (mount / "..data").symlink_to("..1")
    (mount / "p.yaml").symlink_to("..data/p.yaml")
    (mount / "out.yaml").symlink_to(tmp_path / "secret.yaml")
    source = Files([mount])
    first = source.poll()
    assert first is not None and [text.data for text in first.texts] == [b"one"]
    (mount / "..data").unlink()
    (mount / "..data").symlink_to("..2")
    second = source.poll()
    assert second is not None and [text.data for text in second.texts] == [b"two"]


def test_policies_of_a_repository_are_those_of_a_revision(tmp_path: Path) -> None:
    def git(*arguments: str) -> None:
        names = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        subprocess.run(["git", *names, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q", "-b", "main")
    write(tmp_path / "policies", trial("a", "waits"))
    git("add", ".")
    git("commit", "-qm", "one")
    source = Repository(tmp_path, "main", within="policies")
    first = source.poll()
    assert first is not None and [text.name for text in first.texts] == ["policies/a.json"]
    write(tmp_path / "policies", trial("b", "waits"))
    assert source.poll() is None  # the work tree does not count
    git("add", ".")
    git("commit", "-qm", "two")
    second = source.poll()
    assert second is not None and len(second.texts) == 2
    with pytest.raises(ConfigError, match="no commit"):
        Repository(tmp_path, "nothing").poll()


def test_strikes_end_and_are_forgotten() -> None:
    now = [0.0]
    strikes = Strikes(lambda: now[0], most=2, window_s=10, off_s=100)
    strikes.strike("p", "slow")
    now[0] = 20.0
    strikes.strike("p", "slow")
    assert strikes.off() == {}  # too far apart
    now[0] = 25.0
    strikes.strike("p", "slow")
    assert "slow" in strikes.off()["p"]
    now[0] = 125.0
    assert strikes.off() == {}


def test_figures_are_bounded_and_escaped() -> None:
    figures = Figures()
    for number in range(2000):
        figures.count("policy", policy=f"p{number}", outcome='a"\n')
    text = figures.text({}, {"generation": "g"}).decode()
    assert text.count("haechi_admission_policy_total{") <= 502
    assert 'policy="(other)"' in text
    assert '\\"\\n' in text
    assert figures.total("policy") == 2000


class Server:
    """A haechi server that answers, refuses or is away."""

    def __init__(self, *faults: Exception) -> None:
        self.faults, self.taken = list(faults), list[DecisionBatch]()
        self.told = threading.Event()

    def send(self, one: Ask) -> None:
        if self.faults:
            raise self.faults.pop(0)
        assert one.body is not None
        self.taken.append(msgspec.json.decode(one.body, type=DecisionBatch))
        self.told.set()

    def close(self) -> None:
        pass


def record(uid: str) -> bytes:
    return ENCODE(
        DecisionRecord(
            uid=uid, at_ns=1, operation="CREATE", kind="Pod", allowed=False, outcome=Outcome.DENIED
        )
    )


def telling(server: Server | None = None, **more: Any) -> Telling:
    state = WebhookState(ready=True, generation="g", policies=())
    return Telling(state=lambda: state, client=server, replica="r", **more)  # type: ignore[arg-type]


DENIED = Notes(
    kind="Pod", namespace="a", outcome="denied", words=[("p", "denied")], record=record("u")
)


def test_decisions_are_told_with_counts_and_once() -> None:
    server = Server()
    made = telling(server)
    made.told(Route.ADMIT_FAIL, DENIED, 0.002)
    made.told(Route.ADMIT_FAIL, Notes(kind="Pod", namespace="a"), 0.001)
    assert made._send() is False
    (batch,) = server.taken
    assert [(one.uid, one.duration_us) for one in batch.records] == [("u", 2000)]
    counts: Mapping[tuple[str, str], int] = {
        (one.policy, one.outcome.value): one.count for one in batch.tallies
    }
    assert counts == {("", "denied"): 1, ("p", "denied"): 1, ("", "allowed"): 1}
    assert sum(batch.latencies[0].buckets) == 2
    assert batch.state.policies == ()
    made._send()
    assert [one.number for one in server.taken] == [1, 2]
    assert server.taken[1].state.policies is None  # told before, and not changed


def test_a_batch_without_an_answer_is_sent_again_under_its_number() -> None:
    server = Server(ServerUnreachable("away"))
    made = telling(server)
    made.told(Route.ADMIT_FAIL, DENIED, 0.002)
    with pytest.raises(ServerUnreachable):
        made._send()
    made.told(Route.ADMIT_FAIL, DENIED, 0.002)
    assert made._send() is True
    made._send()
    assert [(one.number, len(one.records)) for one in server.taken] == [(1, 1), (2, 1)]


def test_what_is_never_taken_and_what_does_not_fit_is_dropped_and_counted() -> None:
    dropped: list[str] = []
    made = telling(Server(ServerRefused("no", status=422)), dropped=dropped.append)
    made.told(Route.ADMIT_FAIL, DENIED, 0.002)
    assert made._send() is False
    assert (made.dropped, dropped) == (1, ["refused"])
    for _ in range(5_003):
        made.told(Route.ADMIT_FAIL, DENIED, 0.002)
    assert (made.dropped, dropped.count("queue")) == (4, 3)


def test_the_thread_sends_and_ends() -> None:
    server = Server()
    made = telling(server, every_s=0.01)
    made.told(Route.ADMIT_FAIL, DENIED, 0.002)
    made.start()
    assert server.told.wait(10)
    made.close()


def test_a_file_of_decisions_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "decisions.ndjson"
    made = telling(lines=Lines(path, most=400))
    for _ in range(6):
        made.told(Route.ADMIT_FAIL, DENIED, 0.002)
        made._send()
    assert path.stat().st_size <= 400
    assert path.with_name("decisions.ndjson.1").stat().st_size <= 400
    assert json.loads(path.read_text().splitlines()[0])["uid"] == "u"
    assert path.stat().st_mode & 0o777 == 0o600


class Nobody:
    """Watches nothing."""

    def write(self, review: int, policy: int) -> None:
        pass

    def watcher(self, review: int, numbers: Any) -> Any:
        return lambda index: None


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["metadata", "spec", "name", "kind", "group", "labels", "namespace", "x"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)
_FIELDS = [
    *("uid", "kind", "resource", "subResource", "name", "namespace", "operation", "userInfo"),
    *("object", "oldObject", "options", "dryRun", "requestKind"),
]


@settings(max_examples=80, deadline=None)
@given(
    more=st.dictionaries(st.sampled_from(_FIELDS), _JSON, max_size=6), route=st.sampled_from(Route)
)
def test_any_review_is_answered_or_refused_as_malformed(more: Json, route: Route) -> None:
    """Judged by real policies: nothing that a request can hold is an unhandled failure."""
    review = request("a")
    review["request"] |= more
    body = json.dumps(review).encode()
    found = JUDGE.answer(route, body, {}, Nobody())
    if found.result is Result.JUDGED:
        response = json.loads(found.response)["response"]
        assert response["uid"] == json.loads(body)["request"]["uid"]
        assert isinstance(response["allowed"], bool)
    else:
        assert found.result is Result.MALFORMED
        uid = more.get("uid", "x")
        assert not (isinstance(uid, str) and uid) or request_fault(review["request"])


def _real() -> Judge:
    from haechi.admit.load import load_policies
    from haechi.world.manifests import read_manifests

    folder = Path(__file__).parents[3] / "examples" / "policies"
    return Judge(load_policies(read_manifests([folder]).resources), NOTHING)


JUDGE = _real()
