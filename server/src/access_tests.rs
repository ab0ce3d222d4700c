use subrosa_registry::WorkspaceName;

use super::{Action, Grant, Needs, Place, Placed, Rights, Role, Verdict};

fn workspace(name: &str) -> WorkspaceName {
    WorkspaceName::parse(name).unwrap()
}

fn rights(place: Place, role: Role) -> Rights {
    Rights { admin: false, grants: vec![Grant { workspace: place, role }] }
}

const ROLES: [Role; 3] = [Role::Viewer, Role::Operator, Role::Manager];

/// The table of docs/server.md: the least role for each action, where a role counts.
#[test]
fn a_role_allows_what_it_includes_and_shows_the_rest() {
    for action in Action::ALL {
        for role in ROLES {
            let verdict = rights(Place::Everywhere, role).decide(action, None);
            let expected = match action.needs() {
                Needs::SignIn => Verdict::Allowed,
                Needs::Role(needed) if role >= needed => Verdict::Allowed,
                Needs::Role(_) => Verdict::Forbidden,
                Needs::Admin => Verdict::Hidden,
            };
            assert_eq!(verdict, expected, "{role:?} {action:?}");
        }
        assert_eq!(Rights::admin().decide(action, None), Verdict::Allowed, "{action:?}");
    }
}

#[test]
fn a_role_holds_where_it_was_given_and_nowhere_else() {
    let (payments, other) = (workspace("payments"), workspace("other"));
    let check = |place: Place, at: Option<&WorkspaceName>, expected| {
        let found = rights(place.clone(), Role::Operator).decide(Action::StartRuns, at);
        assert_eq!(found, expected, "{place:?} {at:?}");
    };
    let here = || Place::Workspace(workspace("payments"));
    check(here(), Some(&payments), Verdict::Allowed);
    check(here(), Some(&other), Verdict::Hidden);
    check(here(), None, Verdict::Hidden);
    check(Place::Global, None, Verdict::Allowed);
    check(Place::Global, Some(&payments), Verdict::Hidden);
    check(Place::Everywhere, None, Verdict::Allowed);
    check(Place::Everywhere, Some(&other), Verdict::Allowed);
}

#[test]
fn who_has_no_role_sees_nothing_but_themselves() {
    for action in Action::ALL {
        let expected = match action.needs() {
            Needs::SignIn => Verdict::Allowed,
            Needs::Role(_) | Needs::Admin => Verdict::Hidden,
        };
        assert_eq!(Rights::default().decide(action, None), expected, "{action:?}");
    }
}

#[test]
fn of_several_roles_the_highest_counts() {
    let mut both = rights(Place::Everywhere, Role::Viewer);
    both.grants
        .push(Grant { workspace: Place::Workspace(workspace("payments")), role: Role::Manager });
    let payments = workspace("payments");
    assert_eq!(both.decide(Action::ChangeSecrets, Some(&payments)), Verdict::Allowed);
    assert_eq!(both.decide(Action::ChangeSecrets, None), Verdict::Forbidden);
}

#[test]
fn a_token_leaves_less_than_its_user_has_and_never_more() {
    let payments = workspace("payments");
    let here = || Place::Workspace(workspace("payments"));
    let check = |user: &Rights, limit: Option<&Rights>, action, expected| {
        let found = user.decide_by_token(limit, action, Some(&payments));
        assert_eq!(found, expected, "{user:?} {limit:?} {action:?}");
    };
    let (admin, viewer) = (Rights::admin(), rights(here(), Role::Viewer));
    let manager = rights(Place::Everywhere, Role::Manager);
    check(&manager, None, Action::ChangeSecrets, Verdict::Allowed);
    check(&manager, Some(&viewer), Action::SeeSecrets, Verdict::Allowed);
    check(&manager, Some(&viewer), Action::ChangeSecrets, Verdict::Forbidden);
    check(&viewer, Some(&manager), Action::ChangeSecrets, Verdict::Forbidden);
    check(
        &viewer,
        Some(&rights(Place::Global, Role::Manager)),
        Action::SeeSecrets,
        Verdict::Hidden,
    );
    check(&admin, Some(&manager), Action::ManageUsers, Verdict::Hidden);
    check(&admin, Some(&admin), Action::ManageUsers, Verdict::Allowed);
    check(&viewer, Some(&admin), Action::ManageUsers, Verdict::Hidden);
    check(&admin, None, Action::ManageSelf, Verdict::Forbidden);
    check(&viewer, Some(&viewer), Action::SeeSelf, Verdict::Allowed);
}

#[test]
fn rights_cover_what_is_in_them() {
    let here = || Place::Workspace(workspace("payments"));
    let check = |own: &Rights, others: &Rights, expected| {
        assert_eq!(own.cover(others), expected, "{own:?} {others:?}");
    };
    let manager = rights(Place::Everywhere, Role::Manager);
    check(&Rights::admin(), &Rights::admin(), true);
    check(&Rights::admin(), &manager, true);
    check(&manager, &Rights::admin(), false);
    check(&manager, &rights(here(), Role::Operator), true);
    check(&manager, &rights(Place::Global, Role::Manager), true);
    check(&rights(here(), Role::Manager), &rights(Place::Everywhere, Role::Viewer), false);
    check(&rights(here(), Role::Manager), &rights(Place::Global, Role::Viewer), false);
    check(&rights(here(), Role::Viewer), &rights(here(), Role::Operator), false);
    check(&Rights::default(), &Rights::default(), true);
}

#[test]
fn of_two_verdicts_the_stricter_counts() {
    use Verdict::{Allowed, Forbidden, Hidden};
    for (one, other, both) in [
        (Allowed, Allowed, Allowed),
        (Allowed, Forbidden, Forbidden),
        (Forbidden, Hidden, Hidden),
        (Hidden, Allowed, Hidden),
    ] {
        assert_eq!(one.and(other), both);
        assert_eq!(other.and(one), both);
    }
}

#[test]
fn a_place_is_null_a_star_or_a_name() {
    for (text, place) in [
        ("null", Some(Place::Global)),
        ("\"*\"", Some(Place::Everywhere)),
        ("\"payments\"", Some(Place::Workspace(workspace("payments")))),
        ("\"Pay Ments\"", None),
    ] {
        let json = format!("{{\"workspace\":{text},\"role\":\"viewer\"}}");
        let grant: Option<Grant> = serde_json::from_str(&json).ok();
        assert_eq!(grant.as_ref().map(|grant| grant.workspace.clone()), place, "{text}");
        if let Some(grant) = grant {
            assert_eq!(serde_json::to_string(&grant).unwrap(), json);
        }
    }
}

#[test]
fn who_may_do_it_in_one_place_may_do_it_somewhere() {
    let manager = rights(Place::Workspace(workspace("payments")), Role::Manager);
    let viewer = rights(Place::Everywhere, Role::Viewer);
    for (rights, expected) in
        [(&manager, true), (&viewer, false), (&Rights::admin(), true), (&Rights::default(), false)]
    {
        assert_eq!(rights.may_anywhere(Action::ChangeConnections), expected, "{rights:?}");
    }
    assert!(!manager.may_anywhere(Action::ManageUsers));
    assert!(Rights::default().may_anywhere(Action::ManageSelf));
}

#[test]
fn what_is_in_no_known_place_takes_a_role_that_holds_everywhere() {
    let check = |workspace: Place, expected: Verdict| {
        let rights = Rights { admin: false, grants: vec![Grant { workspace, role: Role::Viewer }] };
        assert_eq!(rights.decide_at(Action::SeeRuns, &Placed::Unknown), expected);
    };
    check(Place::Everywhere, Verdict::Allowed);
    check(Place::Global, Verdict::Hidden);
    check(Place::Workspace(workspace("pay")), Verdict::Hidden);
    let allowed = Rights::admin().decide_at(Action::SteerRuns, &Placed::Unknown);
    assert_eq!(allowed, Verdict::Allowed);
}

#[test]
fn an_action_may_be_done_within_the_scopes_that_the_table_says() {
    let (payments, other) = (workspace("payments"), workspace("other"));
    let here = Place::Workspace(workspace("payments"));
    for place in [Place::Everywhere, Place::Global, here] {
        for role in ROLES {
            let rights = rights(place.clone(), role);
            let within = rights.within(Action::SeeAudit);
            assert!(!within.all);
            for at in [None, Some(&payments), Some(&other)] {
                let expected = rights.decide(Action::SeeAudit, at) == Verdict::Allowed;
                let found = within.holds(at.map(|name| name.as_str()));
                assert_eq!(found, expected, "{place:?} {role:?} {at:?}");
            }
        }
    }
    assert!(Rights::admin().within(Action::SeeAudit).all);
}
