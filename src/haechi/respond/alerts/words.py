"""The words of messages in English and Korean: what happened, what to do next, labels of facts."""

from __future__ import annotations

import msgspec


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """One language. ``happened`` and ``next`` are by what happened."""

    happened: dict[str, str]
    next: dict[str, str]
    label: dict[str, str]
    level: dict[str, str]
    more: str
    several: str
    test: str
    test_next: str


EN = Words(
    happened={
        "opened": "New incident",
        "raised": "Incident got worse",
        "acknowledged": "Incident acknowledged",
        "contained": "Incident contained",
        "not_contained": "Incident NOT contained",
        "resolved": "Incident resolved",
        "reopened": "Incident is back",
        "repeat": "Incident still open",
        "remade": "Incident still open",
        "approval": "Approval wanted",
        "applied": "Response applied",
        "undone": "Response undone",
        "failed": "Response failed",
        "stuck": "Response could not be undone",
        "halted": "All automatic responses are stopped",
        "test": "Test message",
    },
    next={
        "opened": "Look at the evidence, then acknowledge it or call it a false positive.",
        "raised": "Look at what was added, then decide about the recommended response.",
        "acknowledged": "Somebody looks at it. Nothing is to be done by others.",
        "contained": "Find the cause before the containment expires.",
        "not_contained": "Something still gets through: see the residual traffic and act by hand.",
        "resolved": "Nothing is to be done.",
        "reopened": "It came back after it was closed: look for what was left.",
        "repeat": "Nobody has closed it yet: acknowledge it or close it.",
        "remade": "The ticket was deleted while the incident is open: close the incident instead.",
        "approval": "Read the plan and approve or dismiss it.",
        "applied": "Check that the workload does what it should; it is undone at its end.",
        "undone": "Check that the incident does not go on.",
        "failed": "See why, and act by hand if it must be done.",
        "stuck": "Undo it by hand: the steps that are left stand on its page.",
        "halted": "Responses are only planned until somebody lifts the stop.",
        "test": "Nothing is to be done.",
    },
    label={
        "level": "Level",
        "where": "Where",
        "workload": "Workload",
        "cluster": "Cluster",
        "node": "Node",
        "why": "Why",
        "rules": "Rules",
        "tactics": "Tactics",
        "sources": "From",
        "detections": "Detections",
        "owner": "Owner",
        "state": "State",
        "since": "Since",
        "response": "Response",
        "outcome": "Outcome",
        "expires": "Ends",
        "by": "By",
        "note": "Note",
        "evidence": "Evidence",
        "next": "Next",
        "open": "Open in haechi",
    },
    level={
        "info": "info",
        "low": "low",
        "medium": "medium",
        "high": "high",
        "critical": "critical",
    },
    more="and {count} more in {minutes} min; the page has all of them",
    several="{count} incidents",
    test="This is a test from haechi: the receiver `{name}` works.",
    test_next="Nothing is to be done.",
)
KO = Words(
    happened={
        "opened": "새 사고",
        "raised": "사고 심각도 상승",
        "acknowledged": "사고 확인됨",
        "contained": "사고 격리됨",
        "not_contained": "사고가 격리되지 않음",
        "resolved": "사고 해결됨",
        "reopened": "사고 재발",
        "repeat": "사고가 아직 열려 있음",
        "remade": "사고가 아직 열려 있음",
        "approval": "승인 요청",
        "applied": "대응 적용됨",
        "undone": "대응 되돌림",
        "failed": "대응 실패",
        "stuck": "대응을 되돌리지 못함",
        "halted": "모든 자동 대응이 중지됨",
        "test": "시험 메시지",
    },
    next={
        "opened": "증거를 확인한 뒤, 사고를 확인 처리하거나 오탐으로 표시하십시오.",
        "raised": "추가된 내용을 확인하고 권장 대응을 결정하십시오.",
        "acknowledged": "담당자가 확인 중입니다. 다른 조치는 필요 없습니다.",
        "contained": "격리가 끝나기 전에 원인을 찾으십시오.",
        "not_contained": "아직 통신이 남아 있습니다. 남은 트래픽을 보고 직접 조치하십시오.",
        "resolved": "할 일이 없습니다.",
        "reopened": "닫힌 뒤 다시 발생했습니다. 남은 것이 있는지 찾으십시오.",
        "repeat": "아직 닫히지 않았습니다. 확인 처리하거나 닫으십시오.",
        "remade": "사고가 열린 동안 티켓이 삭제되었습니다. 티켓 대신 사고를 닫으십시오.",
        "approval": "계획을 읽고 승인하거나 기각하십시오.",
        "applied": "워크로드가 정상인지 확인하십시오. 기한이 되면 자동으로 되돌립니다.",
        "undone": "사고가 계속되지 않는지 확인하십시오.",
        "failed": "원인을 보고, 필요하면 직접 조치하십시오.",
        "stuck": "직접 되돌리십시오. 남은 단계는 대응 화면에 있습니다.",
        "halted": "중지를 해제할 때까지 대응은 계획만 됩니다.",
        "test": "할 일이 없습니다.",
    },
    label={
        "level": "심각도",
        "where": "위치",
        "workload": "워크로드",
        "cluster": "클러스터",
        "node": "노드",
        "why": "이유",
        "rules": "규칙",
        "tactics": "전술",
        "sources": "출발지",
        "detections": "탐지",
        "owner": "담당",
        "state": "상태",
        "since": "시작",
        "response": "대응",
        "outcome": "결과",
        "expires": "종료",
        "by": "실행자",
        "note": "메모",
        "evidence": "증거",
        "next": "다음 할 일",
        "open": "haechi에서 열기",
    },
    level={
        "info": "정보",
        "low": "낮음",
        "medium": "보통",
        "high": "높음",
        "critical": "치명적",
    },
    more="그 밖에 {minutes}분 동안 {count}건 더 있음. 전체는 화면에서 볼 수 있습니다",
    several="사고 {count}건",
    test="haechi의 시험 메시지입니다. 수신처 `{name}`이(가) 동작합니다.",
    test_next="할 일이 없습니다.",
)
BY_LANGUAGE = {"en": EN, "ko": KO}
