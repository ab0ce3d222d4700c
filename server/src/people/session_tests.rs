use std::net::{IpAddr, Ipv4Addr};

use super::{Arrival, PER_USER_MAX, SessionId, Sessions};

const HOUR: u64 = 60 * 60;
/// Some moment.
const START: u64 = 1_000_000;

fn begin(sessions: &mut Sessions, user: &str, now: u64) -> SessionId {
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    sessions.begin(user, &Arrival { address, agent: "Tests\n1".to_owned() }, now).unwrap()
}

/// Whose session an id shows, without requests in between.
fn user(sessions: &Sessions, id: &SessionId, now: u64) -> Option<String> {
    sessions.find(id.text(), |_| 0, now).map(|shown| shown.user)
}

#[test]
fn a_session_is_shown_by_both_halves_of_its_id() {
    let mut sessions = Sessions::default();
    let (ada, bob) = (begin(&mut sessions, "ada", START), begin(&mut sessions, "bob", START));
    assert_eq!(user(&sessions, &ada, START).as_deref(), Some("ada"));
    let (key, _) = ada.text().split_once('.').unwrap();
    let (_, foreign) = bob.text().split_once('.').unwrap();
    for wrong in ["", ".", key, &format!("{key}."), &format!("{key}.{foreign}"), foreign] {
        assert!(sessions.find(wrong, |_| 0, START).is_none(), "{wrong}");
    }
    let kept = serde_json::to_string(&sessions).unwrap();
    assert!(!kept.contains(foreign), "what is kept shows no session");
}

#[test]
fn a_session_ends_without_requests_and_in_any_case() {
    let mut sessions = Sessions::default();
    let id = begin(&mut sessions, "ada", START);
    let check = |seen: u64, now: u64, is_there: bool| {
        let found = sessions.find(id.text(), |_| seen, now);
        assert_eq!(found.is_some(), is_there, "seen {seen}, now {now}");
    };
    check(0, START + 2 * HOUR - 1, true);
    check(0, START + 2 * HOUR, false);
    check(START + HOUR, START + 3 * HOUR - 1, true);
    check(START + HOUR, START + 3 * HOUR, false);
    check(START + 12 * HOUR - 1, START + 12 * HOUR - 1, true);
    check(START + 12 * HOUR - 1, START + 12 * HOUR, false);
}

#[test]
fn an_id_is_replaced_each_hour_and_the_former_is_good_for_a_minute() {
    let mut sessions = Sessions::default();
    let former = begin(&mut sessions, "ada", START);
    assert!(sessions.rotate(former.text(), START + HOUR - 1).unwrap().is_none());
    let at = START + HOUR;
    let form = sessions.find(former.text(), |_| at, at).unwrap().form;
    let new = sessions.rotate(former.text(), at).unwrap().unwrap();
    assert_ne!(new.text(), former.text());
    assert!(sessions.rotate(former.text(), at).unwrap().is_none(), "the second of two requests");
    assert_eq!(sessions.find(new.text(), |_| at, at).unwrap().form, form, "open pages go on");
    assert!(user(&sessions, &former, at + 59).is_some());
    assert!(user(&sessions, &former, at + 60).is_none());
    assert!(user(&sessions, &new, at + 60).is_some());
}

#[test]
fn a_new_id_does_not_make_a_session_longer() {
    let mut sessions = Sessions::default();
    let mut id = begin(&mut sessions, "ada", START);
    for hour in 1..12 {
        let now = START + hour * HOUR;
        sessions.saw(|_| now, now);
        id = sessions.rotate(id.text(), now).unwrap().unwrap();
    }
    assert!(user(&sessions, &id, START + 12 * HOUR - 1).is_some());
    assert!(user(&sessions, &id, START + 12 * HOUR).is_none());
}

#[test]
fn when_rights_change_the_next_request_replaces_the_id() {
    let mut sessions = Sessions::default();
    let id = begin(&mut sessions, "ada", START);
    sessions.make_due("bob");
    assert!(sessions.rotate(id.text(), START).unwrap().is_none());
    sessions.make_due("ada");
    assert!(sessions.rotate(id.text(), START).unwrap().is_some());
}

#[test]
fn a_renewed_session_is_not_shown_by_its_former_id() {
    let mut sessions = Sessions::default();
    let former = begin(&mut sessions, "ada", START);
    let key = former.text().split_once('.').unwrap().0.to_owned();
    let form = sessions.find(former.text(), |_| 0, START).unwrap().form;
    let new = sessions.renew(&key, START).unwrap().unwrap();
    assert!(user(&sessions, &former, START).is_none());
    assert_ne!(sessions.find(new.text(), |_| 0, START).unwrap().form, form);
}

#[test]
fn sessions_are_ended_one_by_one_or_all_but_one() {
    let mut sessions = Sessions::default();
    let ids: Vec<SessionId> = (0..3).map(|_| begin(&mut sessions, "ada", START)).collect();
    let other = begin(&mut sessions, "bob", START);
    let key = |id: &SessionId| id.text().split_once('.').unwrap().0.to_owned();
    assert!(!sessions.end("bob", &key(&ids[0])), "it is not his");
    assert!(sessions.end("ada", &key(&ids[0])));
    assert!(!sessions.end("ada", &key(&ids[0])));
    sessions.end_all("ada", Some(&key(&ids[1])));
    let left: Vec<bool> = ids.iter().map(|id| user(&sessions, id, START).is_some()).collect();
    assert_eq!(left, [false, true, false]);
    sessions.end_shown(other.text(), START);
    assert!(user(&sessions, &other, START).is_none());
}

#[test]
fn a_user_has_so_many_sessions_and_the_one_not_used_goes_first() {
    let mut sessions = Sessions::default();
    let first = begin(&mut sessions, "ada", START);
    let other = begin(&mut sessions, "bob", START);
    for n in 1..=u64::try_from(PER_USER_MAX).unwrap() {
        begin(&mut sessions, "ada", START + n);
    }
    assert_eq!(sessions.of_user("ada").len(), PER_USER_MAX);
    assert!(user(&sessions, &first, START).is_none());
    assert!(user(&sessions, &other, START).is_some());
}
