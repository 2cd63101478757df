"""GitHub, GitLab, Jira and PagerDuty as alerts use them: what they keep, check and refuse."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.fakes.receivers.web import Answer, Asked, as_json

TOKEN = "the-token-of-the-tracker"


@dataclass
class Issue:
    """A ticket of any of them."""

    number: int
    title: str
    body: str
    labels: list[str]
    open: bool = True
    comments: list[str] = field(default_factory=list)


@dataclass
class Tracker:
    """What all keep. ``lost``: so many creations are carried out and then not answered."""

    issues: dict[int, Issue] = field(default_factory=dict)
    created: int = 0
    lost: int = 0

    def make(self, title: str, body: str, labels: list[str]) -> Issue:
        self.created += 1
        made = Issue(self.created, title, body, labels)
        self.issues[made.number] = made
        return made

    def found(self, number: str) -> Issue | None:
        return self.issues.get(int(number)) if number.isdigit() else None

    def answered(self, answer: Answer) -> Answer:
        if self.lost:
            self.lost -= 1
            return Answer(reset=True)
        return answer


class GitHub(Tracker):
    """api.github.com/repos/acme/shop/issues."""

    def __call__(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"Bearer {TOKEN}":
            return as_json({"message": "Bad credentials"}, 401)
        assert asked.headers["accept"] == "application/vnd.github+json"
        found = re.fullmatch(r"/repos/acme/shop/issues(?:/(\d+))?(/comments)?", asked.path)
        if found is None:
            return as_json({"message": "Not Found"}, 404)
        number, comments = found[1], found[2]
        if number is None:
            return self._list(asked) if asked.method == "GET" else self._make(asked)
        issue = self.found(number)
        if issue is None:
            return as_json({"message": "This issue was deleted"}, 410)
        if comments:
            return self._comments(asked, issue)
        if asked.method == "PATCH":
            assert set(asked.json) <= {"state", "state_reason"}
            issue.open = asked.json["state"] == "open"
        return as_json(self._row(issue))

    def _list(self, asked: Asked) -> Answer:
        page, each = int(asked.query["page"]), int(asked.query["per_page"])
        wanted = asked.query["labels"]
        rows = [one for one in reversed(self.issues.values()) if wanted in one.labels]
        return as_json([self._row(one) for one in rows[(page - 1) * each : page * each]])

    def _make(self, asked: Asked) -> Answer:
        value = asked.json
        if not value.get("title"):
            return as_json({"message": "Validation Failed"}, 422)
        made = self.make(value["title"], value["body"], value["labels"])
        return self.answered(as_json(self._row(made), 201))

    def _comments(self, asked: Asked, issue: Issue) -> Answer:
        if asked.method == "POST":
            issue.comments.append(asked.json["body"])
            return self.answered(as_json({"id": len(issue.comments)}, 201))
        each = int(asked.query["per_page"])
        page = int(asked.query.get("page", "1"))
        last = max(1, -(-len(issue.comments) // each))
        rows = [{"body": one} for one in issue.comments[(page - 1) * each : page * each]]
        headers = {}
        if last > 1:
            headers["Link"] = f'<https://x/comments?per_page={each}&page={last}>; rel="last"'
        return as_json(rows, 200, **headers)

    def _row(self, issue: Issue) -> dict[str, Any]:
        return {
            "number": issue.number,
            "state": "open" if issue.open else "closed",
            "body": issue.body,
            "html_url": f"https://github.example/acme/shop/issues/{issue.number}",
        }


class GitLab(Tracker):
    """gitlab.com/api/v4/projects/acme%2Fshop/issues. A line that begins with a slash would be a
    command, as it is there."""

    def __call__(self, asked: Asked) -> Answer:
        if asked.headers.get("private-token") != TOKEN:
            return as_json({"message": "401 Unauthorized"}, 401)
        found = re.fullmatch(r"/api/v4/projects/acme%2Fshop/issues(?:/(\d+))?(/notes)?", asked.path)
        if found is None:
            return as_json({"message": "404 Project Not Found"}, 404)
        number, notes = found[1], found[2]
        if number is None:
            return self._list(asked) if asked.method == "GET" else self._make(asked)
        issue = self.found(number)
        if issue is None:
            return as_json({"message": "404 Not found"}, 404)
        if notes:
            if asked.method == "GET":
                return as_json([{"body": one} for one in reversed(issue.comments)])
            self._no_command(asked.json["body"])
            issue.comments.append(asked.json["body"])
            return self.answered(as_json({"id": 1}, 201))
        if asked.method == "PUT":
            issue.open = {"close": False, "reopen": True}[asked.json["state_event"]]
        return as_json(self._row(issue))

    def _list(self, asked: Asked) -> Answer:
        assert asked.query["in"] == "description"
        wanted, words = asked.query["labels"], asked.query["search"]
        rows = [one for one in self.issues.values() if wanted in one.labels and words in one.body]
        return as_json([self._row(one) for one in rows])

    def _make(self, asked: Asked) -> Answer:
        value = asked.json
        self._no_command(value["description"])
        made = self.make(value["title"], value["description"], value["labels"].split(","))
        return self.answered(as_json(self._row(made), 201))

    def _no_command(self, text: str) -> None:
        assert not re.search(r"(?m)^\s*/\w", text), text

    def _row(self, issue: Issue) -> dict[str, Any]:
        return {
            "iid": issue.number,
            "state": "opened" if issue.open else "closed",
            "description": issue.body,
            "web_url": f"https://gitlab.example/acme/shop/-/issues/{issue.number}",
        }


class Jira(Tracker):
    """A site with the project SEC. ``transitions`` are (id, name, closes)."""

    def __init__(self, api: str) -> None:
        super().__init__()
        self.api = api
        self.transitions = [
            ("11", "To Do", False),
            ("21", "In Progress", False),
            ("31", "Done", True),
        ]

    def __call__(self, asked: Asked) -> Answer:
        if not self._may(asked.headers.get("authorization", "")):
            return Answer(401, b"Client must be authenticated to access this resource.")
        base = f"/rest/api/{self.api}/"
        if not asked.path.startswith(base):
            return as_json({"errorMessages": ["null for uri"]}, 404)
        path = unquote(asked.path.removeprefix(base))
        if path == ("search/jql" if self.api == "3" else "search"):
            return self._search(asked.query["jql"])
        if path == "issue":
            return self._make(asked.json)
        found = re.fullmatch(r"issue/SEC-(\d+)(?:/(comment|transitions))?", path)
        issue = self.found(found[1]) if found else None
        if found is None or issue is None:
            return as_json({"errorMessages": ["Issue does not exist"]}, 404)
        if found[2] == "comment":
            issue.comments.append(self._words(asked.json["body"]))
            return self.answered(as_json({"id": "1"}, 201))
        if found[2] == "transitions":
            return self._transition(asked, issue)
        return as_json(self._row(issue))

    def _may(self, said: str) -> bool:
        basic = base64.b64encode(f"bot@example.com:{TOKEN}".encode()).decode()
        return said == (f"Basic {basic}" if self.api == "3" else f"Bearer {TOKEN}")

    def _search(self, jql: str) -> Answer:
        found = re.fullmatch(
            r'project = "SEC" AND labels = "(haechi-[0-9a-f]+)" ORDER BY created DESC', jql
        )
        if found is None:
            return as_json({"errorMessages": ["Error in the JQL Query"]}, 400)
        rows = [one for one in self.issues.values() if found[1] in one.labels]
        return as_json({"issues": [self._row(one) for one in rows]})

    def _make(self, value: dict[str, Any]) -> Answer:
        fields = value["fields"]
        if fields["project"] != {"key": "SEC"} or "\n" in fields["summary"]:
            return as_json({"errors": {"project": "valid project is required"}}, 400)
        if any(" " in one for one in fields["labels"]):
            return as_json({"errors": {"labels": "contains spaces"}}, 400)
        body = self._words(fields["description"])
        made = self.make(fields["summary"], body, fields["labels"])
        return self.answered(as_json({"id": "1", "key": f"SEC-{made.number}"}, 201))

    def _words(self, value: Any) -> str:
        """Version 3 takes documents, version 2 texts."""
        if self.api == "2":
            assert isinstance(value, str)
            return value
        assert value["type"] == "doc"
        assert value["version"] == 1
        return "\n".join(_texts(value))

    def _transition(self, asked: Asked, issue: Issue) -> Answer:
        offered = [one for one in self.transitions if one[2] is issue.open or not one[2]]
        if asked.method == "GET":
            rows = [
                {"id": id_, "name": name, "to": {"statusCategory": _category(not closes)}}
                for id_, name, closes in offered
            ]
            return as_json({"transitions": rows})
        chosen = [one for one in offered if one[0] == asked.json["transition"]["id"]]
        if not chosen:
            return as_json({"errorMessages": ["transition is not valid"]}, 400)
        issue.open = not chosen[0][2]
        return Answer(204, b"")

    def _row(self, issue: Issue) -> dict[str, Any]:
        return {
            "key": f"SEC-{issue.number}",
            "fields": {
                "status": {"name": "x", "statusCategory": _category(issue.open)},
                "labels": issue.labels,
                "comment": {"comments": [{"body": one} for one in issue.comments]},
            },
        }


def _category(open_: bool) -> dict[str, str]:
    return {"key": "new" if open_ else "done"}


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        mine = [value["text"]] if value.get("type") == "text" else []
        return mine + [text for one in value.get("content", []) for text in _texts(one)]
    return []


class PagerDuty:
    """events.pagerduty.com/v2/enqueue: incidents by their key."""

    def __init__(self) -> None:
        self.incidents: dict[str, str] = {}
        self.events: list[dict[str, Any]] = []

    def __call__(self, asked: Asked) -> Answer:
        value = asked.json
        errors = self._errors(value)
        if asked.path != "/v2/enqueue" or errors:
            answer = {
                "status": "invalid event",
                "message": "Event object is invalid",
                "errors": errors,
            }
            return as_json(answer, 400)
        self.events.append(value)
        key, action = value["dedup_key"], value["event_action"]
        if action == "trigger" and self.incidents.get(key) != "acknowledged":
            self.incidents[key] = "triggered"
        elif action != "trigger" and key in self.incidents:
            self.incidents[key] = {"acknowledge": "acknowledged", "resolve": "resolved"}[action]
        answer = {"status": "success", "message": "Event processed", "dedup_key": key}
        return as_json(answer, 202)

    def _errors(self, value: dict[str, Any]) -> list[str]:
        errors = []
        if value.get("routing_key") != TOKEN:
            errors.append("'routing_key' is invalid")
        if value.get("event_action") not in ("trigger", "acknowledge", "resolve"):
            errors.append("'event_action' is invalid")
        if len(value.get("dedup_key", "")) > 255:
            errors.append("'dedup_key' is too long")
        if value.get("event_action") == "trigger":
            payload = value.get("payload", {})
            errors += [
                f"'payload.{n}' is missing" for n in ("summary", "source") if not payload.get(n)
            ]
            if payload.get("severity") not in ("critical", "error", "warning", "info"):
                errors.append("'payload.severity' is invalid")
            if len(payload.get("summary", "")) > 1024:
                errors.append("'payload.summary' is too long")
        return errors
