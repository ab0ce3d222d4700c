//! Roles in forms: some rows of a role and where it holds, more than are there; empty ones do not count.

use subrosa_registry::WorkspaceName;

use crate::access::{Grant, Place, Rights, Role};
use crate::problem::Problem;

/// Empty rows for what is added.
const SPARE: usize = 3;

/// The roles with what they are called, from the least.
pub(crate) const ROLES: [(&str, Role); 3] =
    [("viewer", Role::Viewer), ("operator", Role::Operator), ("manager", Role::Manager)];

/// The rows of a form.
pub(super) struct Rows(pub(super) Vec<Row>);

/// A role and where it holds; no role: the row is empty.
pub(super) struct Row {
    /// What the role is called.
    pub(super) role: &'static str,
    /// A workspace, `*`, or nothing for the global scope.
    pub(super) place: String,
}

fn called(role: Role) -> &'static str {
    ROLES.iter().find(|(_, one)| *one == role).map_or("", |(name, _)| name)
}

impl Rows {
    /// Those of somebody, and some for more.
    pub(super) fn new(rights: &Rights) -> Rows {
        let own = rights.grants.iter().map(|grant| Row {
            role: called(grant.role),
            place: match &grant.workspace {
                Place::Everywhere => "*".to_owned(),
                Place::Global => String::new(),
                Place::Workspace(name) => name.to_string(),
            },
        });
        let spare = (0..SPARE).map(|_| Row { role: "", place: String::new() });
        Rows(own.chain(spare).collect())
    }
}

/// What a form says: its fields `role` and `workspace`, in this order for each row.
pub(super) fn grants(fields: &[(String, String)]) -> Result<Vec<Grant>, Problem> {
    let mut grants = Vec::new();
    let mut role = None;
    for (name, value) in fields {
        match name.as_str() {
            "role" => role = ROLES.iter().find(|(name, _)| name == value).map(|(_, role)| *role),
            "workspace" => {
                let place = match value.trim() {
                    "" => Place::Global,
                    "*" => Place::Everywhere,
                    name => WorkspaceName::parse(name).map(Place::Workspace).map_err(|why| {
                        Problem::invalid(format!("a workspace cannot be called so: {why}"))
                    })?,
                };
                let given = role.take().map(|role| Grant { workspace: place, role });
                grants.extend(given);
            }
            _ => {}
        }
    }
    Ok(grants)
}

/// Rights in words, a line each.
pub(super) fn describe(rights: &Rights) -> Vec<String> {
    if rights.admin {
        return vec!["admin: everything".to_owned()];
    }
    let line = |grant: &Grant| {
        let role = called(grant.role);
        match &grant.workspace {
            Place::Everywhere => format!("{role} everywhere"),
            Place::Global => format!("{role} in the global scope"),
            Place::Workspace(name) => format!("{role} in {name}"),
        }
    };
    rights.grants.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::{Rights, Rows, describe, grants};

    fn fields(rows: &[(&str, &str)]) -> Vec<(String, String)> {
        let row = |(role, place): &(&str, &str)| {
            [("role".to_owned(), (*role).to_owned()), ("workspace".to_owned(), (*place).to_owned())]
        };
        rows.iter().flat_map(row).collect()
    }

    #[test]
    fn rows_say_the_same_as_the_grants_that_they_were_made_of() {
        let said = fields(&[
            ("viewer", "*"),
            ("", "payments"),
            ("manager", "payments"),
            ("operator", " "),
        ]);
        let rights = Rights { admin: false, grants: grants(&said).unwrap() };
        let words = ["viewer everywhere", "manager in payments", "operator in the global scope"];
        assert_eq!(describe(&rights), words);
        let rows = Rows::new(&rights);
        let again: Vec<(&str, &str)> =
            rows.0.iter().map(|row| (row.role, row.place.as_str())).collect();
        assert_eq!(grants(&fields(&again)).unwrap(), rights.grants);
    }

    #[test]
    fn a_workspace_that_cannot_be_is_refused() {
        assert!(grants(&fields(&[("viewer", "Pay Ments")])).is_err());
        assert_eq!(grants(&fields(&[("owner", "payments")])).unwrap(), []);
    }
}
