//! Accounts, projects, tokens and templates.

use crate::adapter::{Adapter, Both, over_all_adapters, template};
use golem_model::{
    Account, AccountId, Export, Function, Project, ProjectId, TemplateVersion, Timestamp, Token, TokenId,
    Type,
};
use golem_runtime::storage::ports::{CatalogWrite, StoreError};
use uuid::Uuid;

over_all_adapters! {
    catalog_rows_survive_a_restart
    rows_that_clash_are_refused
    catalog_writes_are_all_or_none
    template_versions_follow_each_other
    removed_templates_free_their_name
    removed_tokens_are_gone
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
    // The same name in another project is another template.
    let elsewhere = TemplateVersion { project: ProjectId(Uuid::from_u128(2)), ..version(2, 0, "counter") };
    store.write(&[CatalogWrite::TemplateVersion(elsewhere)]).unwrap();
}

fn catalog_writes_are_all_or_none(adapter: &dyn Adapter) {
    let store = adapter.open();
    store.write(&[CatalogWrite::Account(account(1))]).unwrap();
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

fn write_version(store: &dyn Both, version: TemplateVersion) -> Result<(), StoreError> {
    store.write(&[CatalogWrite::TemplateVersion(version)])
}

fn account(number: u128) -> Account {
    Account {
        id: AccountId(Uuid::from_u128(number)),
        name: format!("Account \"{number}\""),
        email: format!("{number}@example.com"),
        created_at: Timestamp::from_nanos(1_700_000_000_000_000_001),
    }
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
            result: Some(Type::Option(Box::new(Type::List(Box::new(Type::U8))))),
        })],
        producers: Vec::new(),
        links: [("golem:cart/api".to_owned(), template(9))].into(),
        created_at: Timestamp::from_nanos(1_700_000_000_000_000_001),
    }
}
