//! Every authorization decision, in one golden table.

use golem_model::{ActionSet, Role};
use golem_runtime::identity::{
    AccountAction, Action, Decision, Operation, Relationship, SystemAction, decide,
};
use std::collections::BTreeSet;
use std::fmt::Write;

const HEAD: &str = "\
# Authorization decisions: for every action (rows), by the caller's relation to the object, and for strangers with one role (columns).
#   yes  allowed
#   no   403: the caller may know that the object exists
#   -    404: the object is hidden from the caller
# `other` is a grantee with every action but that of the row, `one` is a grantee with only that action.
# Written by `cargo xtask bless`; docs/rest.md lists the action of each endpoint.
";

fn table() -> String {
    let acts = (Action::ALL.map(Operation::Project).into_iter())
        .chain(AccountAction::ALL.map(Operation::Account))
        .chain(SystemAction::ALL.map(Operation::System));
    let mut text = HEAD.to_owned();
    write!(text, "\n{:30}{:>9}{:>6}{:>6}{:>6}", "", "stranger", "other", "one", "owner").unwrap();
    for role in Role::ALL {
        write!(text, "{:>15}", role.to_string()).unwrap();
    }
    text.push('\n');
    for act in acts {
        let one: ActionSet = match act {
            Operation::Project(action) => action.grantable().into_iter().collect(),
            Operation::Account(_) | Operation::System(_) => ActionSet::NONE,
        };
        let none = BTreeSet::new();
        let cell = |relationship, roles: &BTreeSet<Role>| match decide(act, relationship, roles) {
            Decision::Allowed => "yes",
            Decision::Forbidden => "no",
            Decision::Hidden => "-",
        };
        let name = match act {
            Operation::Project(action) => format!("project {action:?}"),
            Operation::Account(act) => format!("account {act:?}"),
            Operation::System(act) => format!("system {act:?}"),
        };
        let other = Relationship::Grantee(ActionSet::ALL.without(one));
        let one = Relationship::Grantee(one);
        write!(text, "{name:30}").unwrap();
        for (width, relationship) in
            [(9, Relationship::Stranger), (6, other), (6, one), (6, Relationship::Owner)]
        {
            write!(text, "{:>width$}", cell(relationship, &none)).unwrap();
        }
        for role in Role::ALL {
            write!(text, "{:>15}", cell(Relationship::Stranger, &BTreeSet::from([role]))).unwrap();
        }
        text.push('\n');
    }
    text
}

#[test]
fn every_decision_matches_the_golden_table() {
    crate::check_golden("authorization.txt", &table());
}

#[test]
fn a_role_without_project_access_gets_not_found() {
    for role in [Role::WhitelistAdmin, Role::MarketingAdmin, Role::CreateProject, Role::InstanceServer] {
        for action in Action::ALL {
            let decision =
                decide(Operation::Project(action), Relationship::Stranger, &BTreeSet::from([role]));
            assert_eq!(decision, Decision::Hidden, "{role} {action:?}");
        }
    }
}
