//! Every authorization decision, in one golden table.

use golem_model::{ActionSet, Role};
use golem_runtime::identity::{AccountAct, Act, Action, Decision, Standing, SystemAct, decide};
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
    let acts = (Action::ALL.map(Act::Project).into_iter())
        .chain(AccountAct::ALL.map(Act::Account))
        .chain(SystemAct::ALL.map(Act::System));
    let mut text = HEAD.to_owned();
    write!(text, "\n{:30}{:>9}{:>6}{:>6}{:>6}", "", "stranger", "other", "one", "owner").unwrap();
    for role in Role::ALL {
        write!(text, "{:>15}", role.to_string()).unwrap();
    }
    text.push('\n');
    for act in acts {
        let one: ActionSet = match act {
            Act::Project(action) => action.grantable().into_iter().collect(),
            Act::Account(_) | Act::System(_) => ActionSet::NONE,
        };
        let none = BTreeSet::new();
        let cell = |standing, roles: &BTreeSet<Role>| match decide(act, standing, roles) {
            Decision::Allowed => "yes",
            Decision::Forbidden => "no",
            Decision::Hidden => "-",
        };
        let name = match act {
            Act::Project(action) => format!("project {action:?}"),
            Act::Account(act) => format!("account {act:?}"),
            Act::System(act) => format!("system {act:?}"),
        };
        let other = Standing::Grantee(ActionSet::ALL.without(one));
        let one = Standing::Grantee(one);
        write!(text, "{name:30}").unwrap();
        for (width, standing) in [(9, Standing::Stranger), (6, other), (6, one), (6, Standing::Owner)] {
            write!(text, "{:>width$}", cell(standing, &none)).unwrap();
        }
        for role in Role::ALL {
            write!(text, "{:>15}", cell(Standing::Stranger, &BTreeSet::from([role]))).unwrap();
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
            let decision = decide(Act::Project(action), Standing::Stranger, &BTreeSet::from([role]));
            assert_eq!(decision, Decision::Hidden, "{role} {action:?}");
        }
    }
}
