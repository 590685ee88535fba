//! Project templates: fills the names of a project into the texts of its first files.

use super::ProjectNames;
use crate::Files;

/// The interface of every new project: the shopping cart of the documentation.
pub(super) const WIT: &str = include_str!("shopping-cart.wit");

const README: &str = include_str!("readme.md.txt");
const IGNORED: &str = "/gen/\n/build/\n";

/// The files of a project: the shopping cart's WIT, its program `text` in the file `source`, a README, and `others`. In
/// all paths and texts, `{{package}}` and the other placeholders are replaced.
pub(super) fn project(
    project: &ProjectNames,
    language: &str,
    source: &str,
    text: &str,
    others: &[(&str, &str)],
) -> Files {
    let readme = README.replace("{{language}}", language).replace("{{source}}", source);
    let common =
        [("wit/world.wit", WIT), ("README.md", readme.as_str()), (".gitignore", IGNORED), (source, text)];
    let texts: Vec<(&str, &str)> = common.iter().chain(others).copied().collect();
    files(project, &texts)
}

/// Files with these paths and texts, in which the placeholders are replaced by the project's names.
pub(super) fn files(project: &ProjectNames, texts: &[(&str, &str)]) -> Files {
    let mut files = Files::default();
    for (path, text) in texts {
        files.push(fill_names(path, project), fill_names(text, project));
    }
    files
}

/// Replaces each placeholder `{{…}}` in `text` by the name of `project`.
fn fill_names(text: &str, project: &ProjectNames) -> String {
    let snake = |text: &str| text.replace('-', "_");
    let pascal = |text: &str| {
        let words = text.split('-').map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_uppercase() + rest
        });
        words.collect::<String>()
    };
    let dependency = match &project.sdk {
        Some(sdk) => sdk.to_string(),
        None => format!("{:?}", env!("CARGO_PKG_VERSION")),
    };
    let names = [
        ("{{name}}", project.name.clone()),
        ("{{name_snake}}", snake(&project.name)),
        ("{{package}}", project.package()),
        ("{{namespace}}", project.namespace.clone()),
        ("{{namespace_snake}}", snake(&project.namespace)),
        ("{{NamespacePascal}}", pascal(&project.namespace)),
        ("{{package_name}}", project.package.clone()),
        ("{{package_snake}}", snake(&project.package)),
        ("{{PackagePascal}}", pascal(&project.package)),
        ("{{golem_sdk}}", dependency),
    ];
    let mut text = text.to_owned();
    for (name, value) in names {
        text = text.replace(name, &value);
    }
    text
}
