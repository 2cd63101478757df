"""A workload's profile from its first event on: learning, active, frozen, and what is told."""

from __future__ import annotations

import pytest

from haechi.errors import NotFound
from haechi.model.event import Event
from haechi.runtime.profile.profile import Profile, ProfileState
from haechi.runtime.profile.profiles import Profiles, Told, profile_id
from tests.runtime.profile.doings import (
    HABITS,
    Clock,
    connected,
    event,
    fresh,
    learnt,
    opened,
    started,
    usual,
)

RARE = {
    "a program that was never started": started("/bin/nc"),
    "a file that was never read": opened("/etc/shadow"),
    "a peer that was never asked": connected("203.0.113.9", 4444),
    "a call that was never made": event("ptrace"),
}


def told(profiles: Profiles, one: Event) -> Told:
    look = profiles.observe(one)
    assert look is not None
    return profiles.tell(look)


def rarities(one: Told) -> list[float]:
    """Of what was done, without the order of events."""
    return [part.rarity for part in one.parts if part.value]


def state_of(profile: Profile) -> str:
    return profile.state.value


def test_while_learning_nothing_is_told() -> None:
    profiles, clock = fresh()
    for one in usual(150):
        clock.at += 60
        assert told(profiles, one).behaviour is None
    assert profiles.all()[0].state is ProfileState.LEARNING


@pytest.mark.parametrize(("events", "hours"), [(2_000, 0), (20, 48)], ids=["too soon", "too few"])
def test_learning_takes_both_time_and_events(events: int, hours: int) -> None:
    profiles, clock = fresh()
    for one in usual(events):
        clock.at += hours * 3600 / events
        profiles.observe(one)
    assert profiles.all()[0].state is ProfileState.LEARNING


@pytest.mark.parametrize("name", RARE)
def test_what_is_rare_is_told_and_what_is_usual_is_not(name: str) -> None:
    profiles, clock = fresh()
    learnt(profiles, clock)
    assert profiles.all()[0].state is ProfileState.ACTIVE
    ordinary = [told(profiles, one) for one in usual(50)]
    rare = told(profiles, RARE[name])
    assert rare.behaviour is not None
    assert rare.behaviour > 0.95
    assert any(one.startswith("first ") for one in rare.why)
    for one in ordinary:
        assert one.behaviour is not None
        assert one.behaviour < 0.9
        assert one.score < rare.score


def test_the_reason_says_what_by_whom_and_of_how_many() -> None:
    profiles, clock = fresh()
    learnt(profiles, clock)
    why = told(profiles, started("/bin/nc")).why
    assert "first exec of /bin/nc by web in 161 execs" in why
    assert "first start /usr/sbin/nginx → /bin/nc by web in 161 execs" in why


def test_an_attack_that_repeats_itself_stays_rare() -> None:
    profiles, clock = fresh()
    learnt(profiles, clock)
    first = told(profiles, started("/bin/nc"))
    for _ in range(5_000):
        last = told(profiles, started("/bin/nc"))
    assert last.behaviour is not None
    assert last.behaviour > 0.95
    assert rarities(last) == pytest.approx(rarities(first), abs=0.1)


def test_what_becomes_a_habit_is_learnt_in_time() -> None:
    profiles, clock = fresh()
    learnt(profiles, clock)
    before = told(profiles, started("/usr/bin/convert")).score
    for _ in range(48):
        clock.at += 1800
        profiles.observe(started("/usr/bin/convert"))
        learnt(profiles, clock, hours=1, each=20)
    assert told(profiles, started("/usr/bin/convert")).score < before / 2


def test_while_an_incident_is_open_nothing_is_learnt() -> None:
    profiles, clock = fresh()
    key = "k8s:-/apps/Deployment/shop/web"
    learnt(profiles, clock, resource=key)
    clock.at += 60
    attack = started("/bin/nc", resource=key)
    before = told(profiles, attack)
    assert profiles.hold({key, "k8s:-/apps/Deployment/shop/other"}) == 1
    profile = profiles.all()[0]
    assert state_of(profile) == "frozen"
    events = profile.events
    for _ in range(500):
        clock.at += 60
        during = told(profiles, attack)
    assert profile.events == events
    assert rarities(during) == pytest.approx(rarities(before), abs=0.1)
    assert profiles.hold(()) == 0
    assert state_of(profile) == "active"
    after = told(profiles, attack)
    assert after.behaviour is not None
    assert after.behaviour > 0.95


def test_what_was_learnt_shortly_before_an_incident_is_forgotten_also_while_learning() -> None:
    profiles, clock = fresh()
    key = "k8s:-/apps/Deployment/shop/web"
    learnt(profiles, clock, hours=1, each=100, resource=key)
    clock.at += 60
    for _ in range(50):
        profiles.observe(started("/bin/nc", resource=key))
    profile = profiles.all()[0]
    assert "/bin/nc" in profile.families[0].cells
    profiles.hold({key})
    assert "/bin/nc" not in profile.families[0].cells
    assert "/usr/bin/gzip" in profile.families[0].cells


def test_the_time_of_an_incident_does_not_count_as_learning() -> None:
    profiles, clock = fresh()
    key = "k8s:-/apps/Deployment/shop/web"
    for one in usual(300, resource=key):
        profiles.observe(one)
    profiles.hold({key})
    clock.at += 10 * HABITS.learn_s
    profiles.hold(())
    profiles.observe(opened("/etc/hosts", resource=key))
    assert profiles.all()[0].state is ProfileState.LEARNING


def test_an_incident_of_a_host_freezes_what_was_seen_on_that_host() -> None:
    profiles, clock = fresh()
    for node in ("n1", "n2"):
        exe = f"/usr/sbin/of-{node}"
        profiles.observe(opened("/etc/hosts", container="host", node=node, proc__exepath=exe))
    assert profiles.hold({"host:east/n1"}) == 1
    frozen = {p.workload.command: p.state for p in profiles.all()}
    assert frozen["/usr/sbin/of-n1"] is ProfileState.FROZEN
    assert frozen["/usr/sbin/of-n2"] is ProfileState.LEARNING
    clock.at += 60
    later = opened("/etc/hosts", container="host", node="n1", proc__exepath="/usr/sbin/of-n2")
    profiles.observe(later)
    assert all(one.state is ProfileState.FROZEN for one in profiles.all())


def test_freezing_by_hand_lasts_until_it_is_undone() -> None:
    profiles, clock = fresh()
    learnt(profiles, clock)
    id_ = profile_id(profiles.all()[0].workload)
    events = profiles.change(id_, "freeze").events
    profiles.hold(())
    profiles.observe(opened("/etc/hosts"))
    assert profiles.one(id_).events == events
    assert profiles.change(id_, "unfreeze").state is ProfileState.ACTIVE
    profiles.observe(opened("/etc/hosts"))
    assert profiles.one(id_).events == events + 1


def test_learning_again_keeps_what_is_known_and_forgetting_does_not() -> None:
    profiles, clock = fresh()
    learnt(profiles, clock)
    id_ = profile_id(profiles.all()[0].workload)
    assert profiles.change(id_, "learn").state is ProfileState.LEARNING
    assert profiles.one(id_).families[0].cells
    profiles.change(id_, "forget")
    with pytest.raises(NotFound):
        profiles.one(id_)
    assert profiles.forgotten == {id_: "east"}
    with pytest.raises(NotFound):
        profiles.change("0" * 24, "freeze")


def test_a_new_workload_begins_with_what_its_image_does_elsewhere() -> None:
    happened: list[str] = []
    profiles, clock = fresh(tell=happened.append)
    learnt(profiles, clock)
    new = told(profiles, opened("/etc/hosts", cluster="west"))
    assert new.behaviour is not None
    assert new.behaviour < 0.9
    rare = told(profiles, opened("/etc/shadow", cluster="west"))
    assert rare.behaviour is not None
    assert rare.behaviour > 0.95
    assert happened == ["adopted"]
    mine = profiles.one(new.id)
    assert mine.state is ProfileState.ACTIVE
    assert [seen.value for seen in mine.families[2].seen()] == ["reads /etc/hosts"]
    assert not mine.families[3].cells, "addresses are of the other cluster"
    other = told(profiles, opened("/etc/hosts", cluster="west", image="shop/other"))
    assert other.behaviour is None


def test_nobody_begins_with_what_a_beginner_knows() -> None:
    profiles, clock = fresh()
    learnt(profiles, clock)
    profiles.observe(opened("/etc/hosts", cluster="west"))
    first = next(one for one in profiles.all() if one.workload.cluster == "east")
    profiles.change(profile_id(first.workload), "freeze")
    assert told(profiles, opened("/etc/hosts", cluster="south")).behaviour is None


def test_what_was_learnt_before_the_command_was_known_is_kept() -> None:
    profiles, clock = fresh()
    learnt(profiles, clock)
    profiles.observe(opened("/etc/hosts", proc__vpid=1))
    assert [one.workload.command for one in profiles.all()] == ["/usr/sbin/nginx"]
    assert profiles.all()[0].events == 801
    again = Profiles(HABITS, clock)
    again.restore(profiles.all())
    again.observe(opened("/etc/hosts"))
    assert [one.events for one in again.all()] == [802], "after a restart it is not known at first"


def test_a_flood_of_new_workloads_costs_the_beginners() -> None:
    happened: list[str] = []
    profiles, clock = fresh(most=50, tell=happened.append)
    learnt(profiles, clock)
    for number in range(2_000):
        profiles.observe(opened("/etc/hosts", image=f"made/up{number}", container=f"c{number:012}"))
        assert len(profiles.all()) <= 50
    assert any(one.workload.image == "shop/web" for one in profiles.all())
    assert happened.count("evicted") > 1_900


def test_memory_is_bounded_by_bytes_too() -> None:
    profiles, _ = fresh(most_bytes=400_000)
    for number in range(40):
        for file in range(300):
            profiles.observe(
                opened(f"/etc/made-up{file}", image=f"i{number}", container=f"c{number}")
            )
    # Looked at now and then: at most what 20 new profiles may take comes on top.
    assert sum(one.size() for one in profiles.all()) < 400_000 + 21 * 150_000
    assert len(profiles.all()) < 30


def test_the_order_of_events_is_an_opinion_of_its_own() -> None:
    profiles, clock = fresh()
    learnt(profiles, clock)
    for one in usual(50):
        profiles.observe(one)
    steady = profiles.observe(next(iter(usual(1))))
    for _ in range(30):
        look = profiles.observe(event("setns"))
    assert steady is not None
    assert look is not None
    assert look[3] > steady[3] + 1


def test_explaining_learns_nothing() -> None:
    profiles, clock = fresh()
    learnt(profiles, clock)
    before = profiles.all()[0].events
    found = profiles.explain(started("/bin/nc"))
    assert found is not None
    assert found.behaviour is not None
    assert found.behaviour > 0.95
    assert profiles.all()[0].events == before
    assert profiles.explain(started("/bin/nc", image="nobody/knows")) is None
    assert profiles.explain(event("procexit")) is None


def test_scores_of_held_out_normal_work_alarm_no_more_often_than_told() -> None:
    profiles, clock = fresh()
    learnt(profiles, clock, hours=20)
    found = []
    for _ in range(10):
        for one in usual(100):
            clock.at += 36
            behaviour = told(profiles, one).behaviour
            assert behaviour is not None
            found.append(behaviour)
    assert sum(one > 0.99 for one in found) / len(found) <= 0.01
    assert sum(one > 0.9 for one in found) / len(found) <= 0.12


def test_the_clock_of_a_sender_teaches_nothing_faster() -> None:
    profiles, _ = fresh()
    clock = Clock()
    for one in usual(1_000):
        profiles.observe(one)
    assert clock.at == profiles.all()[0].last
    assert profiles.all()[0].state is ProfileState.LEARNING
