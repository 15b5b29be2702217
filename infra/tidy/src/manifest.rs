//! Manifests of functions.

use std::collections::BTreeSet;

/// The line that begins the unit tests of a file.
const TESTS: &str = "#[cfg(test)]";

/// The name of a crate in code.
pub(crate) fn identifier(name: &str) -> String {
    name.replace('-', "_")
}

/// The names of the dependencies that the workspace's manifest lists.
pub(crate) fn workspace_dependencies(manifest: &str) -> BTreeSet<String> {
    let list = manifest.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1);
    let list = list.take_while(|line| !line.starts_with('['));
    list.filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.to_owned()).collect()
}

/// The manifest of a function that uses these of the workspace's dependencies.
pub(crate) fn of_function(name: &str, sources: &[String], dependencies: &BTreeSet<String>) -> String {
    let before = |source: &String| source.split(TESTS).next().unwrap_or_default().to_owned();
    let production: Vec<String> = sources.iter().map(before).collect();
    let main = "runtime".to_owned();
    let (mut of_production, mut of_tests) = (Vec::new(), Vec::new());
    for dependency in dependencies {
        let name = identifier(dependency);
        if *dependency == main || uses(&production, &name) {
            of_production.push(dependency);
        } else if uses(sources, &name) {
            of_tests.push(dependency);
        }
    }
    let list = |names: &[&String]| names.iter().map(|name| format!("{name}.workspace = true\n")).collect::<String>();
    let tests = match of_tests.as_slice() {
        [] => String::new(),
        names => format!("\n[dev-dependencies]\n{}", list(names)),
    };
    format!(
        "# Written by `cargo tidy --fix`.\n[package]\nname = \"{name}\"\nversion.workspace = true\n\
         edition.workspace = true\nrust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\n\
         [lib]\ndoctest = false\n\n[[bin]]\nname = \"{name}\"\npath = \"src/main.rs\"\ntest = false\n\n\
         [dependencies]\n{}{tests}\n[lints]\nworkspace = true\n",
        list(&of_production)
    )
}

/// Whether code names this crate: as the first part of a path, or in a `use` of the crate itself.
pub(crate) fn uses(sources: &[String], name: &str) -> bool {
    let code = sources.iter().flat_map(|source| source.lines()).map(str::trim_start);
    code.filter(|line| !line.starts_with("//")).any(|line| is_used_in(line, name))
}

fn is_used_in(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let (before, after) = line.split_at(at);
        let after = after.get(name.len()..).unwrap_or_default();
        let is_path = after.starts_with("::") || (before.ends_with("use ") && after.starts_with([';', ' ']));
        is_path && !before.ends_with(|last: char| last.is_alphanumeric() || last == '_' || last == ':')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crate_is_used_where_it_begins_a_path() {
        for line in ["use http::Method;", "    http::Method::GET", "use http;", "#[http::test]", "(http::a, b)"] {
            assert!(uses(&[line.to_owned()], "http"), "{line}");
        }
        for line in ["use runtime::http::Access;", "// http::Method", "my_http::a()", "let http = 1;", "https::a()"] {
            assert!(!uses(&[line.to_owned()], "http"), "{line}");
        }
    }
}
