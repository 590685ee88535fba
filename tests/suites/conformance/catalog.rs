//! The catalog: accounts, projects, policies, grants, tokens, invitations, usage and templates.

use crate::adapter::{Adapter, StoreAndCatalog, over_all_adapters, template};
use golem_model::{
    Account, AccountId, Export, Function, Grant, GrantId, Invitation, MonthlyUsage, Policy, PolicyId,
    Project, ProjectAction, ProjectId, Role, TemplateVersion, Timestamp, Token, TokenId, Type,
};
use golem_runtime::storage::ports::{CatalogWrite, StoreError};
use std::collections::BTreeSet;
use std::sync::Arc;
use uuid::Uuid;

over_all_adapters! {
    catalog_rows_survive_a_restart
    rows_that_clash_are_refused
    catalog_writes_are_all_or_none
    template_versions_follow_each_other
    removed_templates_free_their_name
    removed_tokens_are_gone
    accounts_are_changed_and_removed
    removing_a_project_removes_its_grants
    policies_and_grants_survive_a_restart
    invitations_and_usage_survive_a_restart
}

fn catalog_rows_survive_a_restart(adapter: &dyn Adapter) {
    {
        let store = adapter.open();
        store
            .write(&[
                CatalogWrite::Account(account(2)),
                CatalogWrite::Account(account(1)),
                CatalogWrite::Project(project(1, 1, true)),
                CatalogWrite::Project(project(2, 1, false)),
                CatalogWrite::Project(project(3, 2, true)),
                CatalogWrite::Token(token(1)),
                CatalogWrite::TemplateVersion(version(1, 0, "counter")),
                CatalogWrite::TemplateVersion(version(1, 1, "counter")),
            ])
            .unwrap();
    }
    let store = adapter.open();
    assert_eq!(store.accounts().unwrap(), [account(1), account(2)]);
    assert_eq!(store.projects().unwrap(), [project(1, 1, true), project(2, 1, false), project(3, 2, true)]);
    assert_eq!(store.tokens().unwrap(), [token(1)]);
    assert_eq!(store.template_versions().unwrap(), [version(1, 0, "counter"), version(1, 1, "counter")]);
}

fn rows_that_clash_are_refused(adapter: &dyn Adapter) {
    let store = adapter.open();
    store
        .write(&[
            CatalogWrite::Account(account(1)),
            CatalogWrite::Project(project(1, 1, true)),
            CatalogWrite::Token(token(1)),
            CatalogWrite::TemplateVersion(version(1, 0, "counter")),
        ])
        .unwrap();
    for (write, expected) in [
        (CatalogWrite::Account(account(1)), "account"),
        (CatalogWrite::Project(project(1, 2, false)), "project"),
        (CatalogWrite::Project(project(2, 1, true)), "project"),
        (CatalogWrite::Token(token(1)), "token"),
        (CatalogWrite::TemplateVersion(version(1, 0, "counter")), "template"),
        (CatalogWrite::TemplateVersion(version(2, 0, "counter")), "template"),
    ] {
        let error = store.write(std::slice::from_ref(&write)).unwrap_err();
        assert!(matches!(error, StoreError::Conflict { what } if what == expected), "{write:?}: {error}");
    }
    // The same name is allowed in another project.
    let elsewhere = TemplateVersion { project: ProjectId(Uuid::from_u128(2)), ..version(2, 0, "counter") };
    // But the project must exist.
    let written = write_version(&*store, elsewhere.clone());
    assert!(matches!(written.unwrap_err(), StoreError::Conflict { what: "template" }));
    store.write(&[CatalogWrite::Project(project(2, 1, false))]).unwrap();
    write_version(&*store, elsewhere).unwrap();
}

fn catalog_writes_are_all_or_none(adapter: &dyn Adapter) {
    let store = adapter.open();
    store.write(&[CatalogWrite::Account(account(1)), CatalogWrite::Project(project(1, 1, true))]).unwrap();
    let writes = [
        CatalogWrite::Token(token(1)),
        CatalogWrite::TemplateVersion(version(1, 0, "counter")),
        CatalogWrite::Account(account(1)),
    ];
    assert!(matches!(store.write(&writes).unwrap_err(), StoreError::Conflict { what: "account" }));
    assert_eq!(store.tokens().unwrap(), []);
    assert_eq!(store.template_versions().unwrap(), []);
    store.write(&writes[..2]).unwrap();
    assert_eq!(store.tokens().unwrap(), [token(1)]);
}

fn template_versions_follow_each_other(adapter: &dyn Adapter) {
    let store = adapter.open();
    let projects = [project(1, 1, true), project(2, 1, false)];
    store.write(&projects.map(CatalogWrite::Project)).unwrap();
    write_version(&*store, version(1, 1, "counter")).unwrap_err();
    write_version(&*store, version(1, 0, "counter")).unwrap();
    write_version(&*store, version(1, 2, "counter")).unwrap_err();
    write_version(&*store, version(1, 1, "counter")).unwrap();
    write_version(&*store, version(1, 1, "counter")).unwrap_err();
    let other_project =
        TemplateVersion { project: ProjectId(Uuid::from_u128(2)), ..version(1, 2, "counter") };
    write_version(&*store, other_project).unwrap_err();
    write_version(&*store, version(1, 2, "counter")).unwrap();
    assert_eq!(store.template_versions().unwrap().len(), 3);
}

fn removed_templates_free_their_name(adapter: &dyn Adapter) {
    let store = adapter.open();
    store.write(&[CatalogWrite::Project(project(1, 1, true))]).unwrap();
    write_version(&*store, version(1, 0, "counter")).unwrap();
    write_version(&*store, version(1, 1, "counter")).unwrap();
    store
        .write(&[
            CatalogWrite::TemplateRemoved(template(1)),
            CatalogWrite::TemplateVersion(version(2, 0, "counter")),
        ])
        .unwrap();
    assert_eq!(store.template_versions().unwrap(), [version(2, 0, "counter")]);
    store.write(&[CatalogWrite::TemplateRemoved(template(1))]).unwrap();
}

fn removed_tokens_are_gone(adapter: &dyn Adapter) {
    let store = adapter.open();
    store.write(&[CatalogWrite::Token(token(1)), CatalogWrite::Token(token(2))]).unwrap();
    store.write(&[CatalogWrite::TokenRemoved(token(1).id)]).unwrap();
    store.write(&[CatalogWrite::TokenRemoved(token(1).id)]).unwrap();
    assert_eq!(store.tokens().unwrap(), [token(2)]);
}

fn accounts_are_changed_and_removed(adapter: &dyn Adapter) {
    let with_external = |number, name: &str| Account { external: Some(name.to_owned()), ..account(number) };
    {
        let store = adapter.open();
        store
            .write(&[CatalogWrite::Account(with_external(1, "github:7")), CatalogWrite::Account(account(2))])
            .unwrap();
        let changed =
            Account { name: "new".to_owned(), roles: [Role::Admin].into(), ..with_external(2, "github:8") };
        store.write(&[CatalogWrite::AccountChanged(changed.clone())]).unwrap();
        assert_eq!(store.accounts().unwrap(), [with_external(1, "github:7"), changed]);
        for (write, why) in [
            (
                CatalogWrite::Account(with_external(3, "github:7")),
                "another account has this external identity",
            ),
            (
                CatalogWrite::AccountChanged(with_external(2, "github:7")),
                "another account has this external identity",
            ),
            (CatalogWrite::AccountChanged(account(9)), "the account does not exist"),
        ] {
            let error = store.write(&[write]).unwrap_err();
            assert!(matches!(error, StoreError::Conflict { what: "account" }), "{why}: {error}");
        }
        store
            .write(&[
                CatalogWrite::Project(project(1, 1, true)),
                CatalogWrite::Project(project(2, 2, true)),
                CatalogWrite::Token(token(1)),
                CatalogWrite::Grant(grant(1, 2, 1)),
                CatalogWrite::MonthlyUsage(usage(1, 5)),
            ])
            .unwrap();
        let error = store.write(&[CatalogWrite::AccountRemoved(account(1).id)]).unwrap_err();
        assert!(matches!(error, StoreError::Conflict { what: "account" }), "it owns a project: {error}");
        store
            .write(&[
                CatalogWrite::ProjectRemoved(project(1, 1, true).id),
                CatalogWrite::AccountRemoved(account(1).id),
            ])
            .unwrap();
        // The external identity of a removed account can be used again.
        store.write(&[CatalogWrite::Account(with_external(3, "github:7"))]).unwrap();
    }
    let store = adapter.open();
    let ids: Vec<_> = store.accounts().unwrap().into_iter().map(|account| account.id).collect();
    assert_eq!(ids, [account(2).id, account(3).id]);
    assert_eq!(store.tokens().unwrap(), [], "removing an account removes its tokens");
    assert_eq!(store.grants().unwrap(), [], "and its grants");
    assert_eq!(store.usage().unwrap(), [], "and its usage");
}

fn removing_a_project_removes_its_grants(adapter: &dyn Adapter) {
    {
        let store = adapter.open();
        store
            .write(&[
                CatalogWrite::Project(project(1, 1, true)),
                CatalogWrite::Project(project(2, 1, false)),
                CatalogWrite::Grant(grant(1, 1, 2)),
                CatalogWrite::Grant(grant(2, 2, 2)),
                CatalogWrite::TemplateVersion(version(1, 0, "counter")),
            ])
            .unwrap();
        let error = store.write(&[CatalogWrite::ProjectRemoved(project(1, 1, true).id)]).unwrap_err();
        assert!(matches!(error, StoreError::Conflict { what: "project" }), "it has a template: {error}");
        store.write(&[CatalogWrite::ProjectRemoved(project(2, 1, false).id)]).unwrap();
    }
    let store = adapter.open();
    assert_eq!(store.projects().unwrap(), [project(1, 1, true)]);
    assert_eq!(store.grants().unwrap(), [grant(1, 1, 2)]);
    store
        .write(&[
            CatalogWrite::TemplateRemoved(template(1)),
            CatalogWrite::ProjectRemoved(project(1, 1, true).id),
        ])
        .unwrap();
    assert_eq!((store.projects().unwrap().len(), store.grants().unwrap().len()), (0, 0));
}

fn policies_and_grants_survive_a_restart(adapter: &dyn Adapter) {
    let policy = |number| Policy {
        id: PolicyId(Uuid::from_u128(number)),
        owner: account(1).id,
        name: "look".to_owned(),
        actions: [ProjectAction::ViewTemplate, ProjectAction::ViewWorker].into_iter().collect(),
        created_at: Timestamp::from_nanos(3),
    };
    {
        let store = adapter.open();
        store
            .write(&[
                CatalogWrite::Policy(policy(1)),
                CatalogWrite::Policy(policy(2)),
                CatalogWrite::Grant(grant(1, 1, 2)),
                CatalogWrite::Grant(grant(2, 1, 3)),
            ])
            .unwrap();
        for (write, expected) in
            [(CatalogWrite::Policy(policy(1)), "policy"), (CatalogWrite::Grant(grant(1, 1, 2)), "grant")]
        {
            let error = store.write(&[write]).unwrap_err();
            assert!(matches!(error, StoreError::Conflict { what } if what == expected), "{error}");
        }
    }
    let store = adapter.open();
    assert_eq!(store.policies().unwrap(), [policy(1), policy(2)]);
    assert_eq!(store.grants().unwrap(), [grant(1, 1, 2), grant(2, 1, 3)]);
    store.write(&[CatalogWrite::GrantRemoved(grant(1, 1, 2).id)]).unwrap();
    store.write(&[CatalogWrite::GrantRemoved(grant(1, 1, 2).id)]).unwrap();
    assert_eq!(store.grants().unwrap(), [grant(2, 1, 3)]);
}

fn invitations_and_usage_survive_a_restart(adapter: &dyn Adapter) {
    let invited = |email: &str, by| Invitation {
        email: email.to_owned(),
        created_by: account(by).id,
        created_at: Timestamp::from_nanos(4),
    };
    {
        let store = adapter.open();
        assert_eq!(store.invitation_needed().unwrap(), None);
        store
            .write(&[
                CatalogWrite::Invitation(invited("b@x", 1)),
                CatalogWrite::Invitation(invited("a@x", 1)),
                CatalogWrite::Invitation(invited("c@x", 1)),
                // A second invitation of the same address does not change the first.
                CatalogWrite::Invitation(invited("a@x", 2)),
                CatalogWrite::InvitedRemoved("c@x".to_owned()),
                CatalogWrite::InvitedRemoved("d@x".to_owned()),
                CatalogWrite::InvitationNeeded(true),
                CatalogWrite::InvitationNeeded(false),
                CatalogWrite::MonthlyUsage(usage(1, 5)),
                CatalogWrite::MonthlyUsage(usage(2, 6)),
                CatalogWrite::MonthlyUsage(usage(1, 7)),
            ])
            .unwrap();
    }
    let store = adapter.open();
    assert_eq!(store.invited().unwrap(), [invited("a@x", 1), invited("b@x", 1)]);
    assert_eq!(store.invitation_needed().unwrap(), Some(false));
    assert_eq!(store.usage().unwrap(), [usage(1, 7), usage(2, 6)]);
}

fn write_version(store: &dyn StoreAndCatalog, version: TemplateVersion) -> Result<(), StoreError> {
    store.write(&[CatalogWrite::TemplateVersion(version)])
}

fn account(number: u128) -> Account {
    Account {
        id: AccountId(Uuid::from_u128(number)),
        name: format!("Account \"{number}\""),
        email: format!("{number}@example.com"),
        created_at: Timestamp::from_nanos(1_700_000_000_000_000_001),
        roles: BTreeSet::new(),
        external: None,
    }
}

fn grant(number: u128, project: u128, grantee: u128) -> Grant {
    Grant {
        id: GrantId(Uuid::from_u128(number)),
        project: ProjectId(Uuid::from_u128(project)),
        grantee: AccountId(Uuid::from_u128(grantee)),
        policy: PolicyId(Uuid::from_u128(1)),
        granted_by: AccountId(Uuid::from_u128(1)),
        created_at: Timestamp::from_nanos(2),
    }
}

fn usage(account: u128, uploaded_bytes: u64) -> MonthlyUsage {
    MonthlyUsage { account: AccountId(Uuid::from_u128(account)), month: 24_000, uploaded_bytes, gas: -1 }
}

fn project(number: u128, owner: u128, default: bool) -> Project {
    Project {
        id: ProjectId(Uuid::from_u128(number)),
        owner: AccountId(Uuid::from_u128(owner)),
        name: format!("project {number}"),
        description: "with 'quotes'".to_owned(),
        default,
        created_at: Timestamp::from_nanos(5),
    }
}

fn token(number: u128) -> Token {
    Token {
        id: TokenId(Uuid::from_u128(number)),
        account: AccountId(Uuid::from_u128(1)),
        secret_hash: [0xEE; 32],
        created_at: Timestamp::from_nanos(1),
        expires_at: Timestamp::from_nanos(1_900_000_000_000_000_000),
    }
}

fn version(number: u128, version: u32, name: &str) -> TemplateVersion {
    TemplateVersion {
        id: template(number),
        version,
        project: ProjectId(Uuid::from_u128(1)),
        name: name.to_owned(),
        size_bytes: u64::MAX,
        content_hash: [7; 32],
        exports: vec![Export::Function(Function {
            name: "run".to_owned(),
            params: Vec::new(),
            result: Some(Type::Option(Arc::new(Type::List(Arc::new(Type::U8))))),
        })],
        producers: Vec::new(),
        links: [("golem:cart/api".to_owned(), template(9))].into(),
        files: None,
        created_at: Timestamp::from_nanos(1_700_000_000_000_000_001),
        failure_options: golem_model::FailureOptions::default(),
    }
}
