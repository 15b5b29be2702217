//! The files that follow from the folders under `functions/` and from the contract.
//!
//! A function is one folder with `src/lib.rs`. Its manifest and `main.rs`, the lists of functions in other manifests, the registry
//! of the local cloud and `docs/routes.md` are derived from it.

mod manifest;
mod routes;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

/// The line before a generated part of a file.
const BEGIN: &str = "written by `cargo tidy --fix`: begin";
/// The line after a generated part of a file.
const END: &str = "written by `cargo tidy --fix`: end";

/// A generated file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path in the workspace.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

/// Why files cannot be generated.
#[derive(Debug)]
pub enum TidyError {
    /// A file cannot be read.
    Read(String, io::Error),
    /// A file has no markers around its generated part, or not enough of them.
    Markers(String),
    /// The contract lacks what the list of routes needs.
    Contract(String),
}

impl fmt::Display for TidyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "{path} cannot be read: {error}"),
            Self::Markers(path) => write!(f, "{path} needs another pair of lines \"{BEGIN}\" and \"{END}\""),
            Self::Contract(problem) => write!(f, "infra/openapi.yaml: {problem}"),
        }
    }
}

impl std::error::Error for TidyError {}

/// The generated files of a workspace whose text differs from what is there.
///
/// # Errors
/// A file that cannot be read, has no markers, or is no contract.
pub fn outdated(root: &Path) -> Result<Vec<File>, TidyError> {
    let mut files = generated(root)?;
    files.retain(|file| read(root, &file.path).ok().as_ref() != Some(&file.text));
    Ok(files)
}

/// All generated files of a workspace.
fn generated(root: &Path) -> Result<Vec<File>, TidyError> {
    let functions = functions(root)?;
    let workspace = read(root, "Cargo.toml")?;
    let dependencies = manifest::workspace_dependencies(&workspace);
    let mut files = Vec::new();
    for name in &functions {
        let sources = sources(root, &format!("functions/{name}/src"))?;
        let text = manifest::of_function(name, &sources, &dependencies);
        files.push(File { path: format!("functions/{name}/Cargo.toml"), text });
        files.push(File { path: format!("functions/{name}/src/main.rs"), text: main_of(name) });
    }
    let tests = sources(root, "tests/integration")?;
    let in_tests: Vec<&String> =
        functions.iter().filter(|name| manifest::uses(&tests, &manifest::identifier(name))).collect();
    let lines = |line: &dyn Fn(&String) -> String| functions.iter().map(line).collect::<String>();
    let members = lines(&|name| format!("    \"functions/{name}\",\n"));
    let paths = lines(&|name| format!("{name} = {{ path = \"functions/{name}\" }}\n"));
    let of_local = lines(&|name| format!("{name}.workspace = true\n"));
    let of_tests: String = in_tests.iter().map(|name| format!("{name}.workspace = true\n")).collect();
    let registry = lines(&|name| format!("        {}::FUNCTION,\n", manifest::identifier(name)));
    for (path, parts) in [
        ("Cargo.toml", vec![members, paths]),
        ("infra/local/Cargo.toml", vec![of_local]),
        ("tests/Cargo.toml", vec![of_tests]),
        ("infra/local/src/functions.rs", vec![registry]),
    ] {
        let text = filled(&read(root, path)?, &parts).ok_or_else(|| TidyError::Markers(path.to_owned()))?;
        files.push(File { path: path.to_owned(), text });
    }
    let routes = routes::document(&read(root, "infra/openapi.yaml")?).map_err(TidyError::Contract)?;
    files.push(File { path: "docs/routes.md".to_owned(), text: routes });
    Ok(files)
}

/// The names of all functions: the folders under `functions/` that have a library.
fn functions(root: &Path) -> Result<BTreeSet<String>, TidyError> {
    let failed = |error| TidyError::Read("functions".to_owned(), error);
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(root.join("functions")).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.join("src/lib.rs").is_file() {
            names.extend(path.file_name().and_then(|name| name.to_str()).map(str::to_owned));
        }
    }
    Ok(names)
}

fn read(root: &Path, path: &str) -> Result<String, TidyError> {
    fs::read_to_string(root.join(path)).map_err(|error| TidyError::Read(path.to_owned(), error))
}

/// The texts of all Rust files in a folder and below it, except `main.rs`.
fn sources(root: &Path, folder: &str) -> Result<Vec<String>, TidyError> {
    let failed = |error| TidyError::Read(folder.to_owned(), error);
    let (mut texts, mut folders) = (Vec::new(), vec![root.join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() {
                folders.push(path);
            } else if name.ends_with(".rs") && (name != "main.rs" || folder_is_test(&path)) {
                texts.push(fs::read_to_string(&path).map_err(failed)?);
            }
        }
    }
    Ok(texts)
}

/// Whether a `main.rs` is the root of the integration tests, which nothing generates.
fn folder_is_test(path: &Path) -> bool {
    path.parent().is_some_and(|folder| folder.ends_with("integration"))
}

fn main_of(name: &str) -> String {
    let identifier = manifest::identifier(name);
    format!(
        "//! The `{name}` function on Lambda.\n\nfn main() -> std::process::ExitCode {{\n    \
         runtime::lambda::run({identifier}::FUNCTION)\n}}\n"
    )
}

/// A text with these parts between its pairs of markers, in their order.
fn filled(text: &str, parts: &[String]) -> Option<String> {
    let (mut filled, mut parts) = (String::new(), parts.iter());
    let mut is_inside = false;
    for line in text.split_inclusive('\n') {
        if line.contains(END) {
            is_inside = false;
        }
        if !is_inside {
            filled.push_str(line);
        }
        if line.contains(BEGIN) {
            filled.push_str(parts.next()?);
            is_inside = true;
        }
    }
    (!is_inside && parts.next().is_none()).then_some(filled)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn root() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
    }

    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let path = entry.unwrap().path();
            let target = to.join(path.file_name().unwrap());
            if path.is_dir() {
                copy(&path, &target);
            } else {
                fs::copy(&path, &target).unwrap();
            }
        }
    }

    /// A copy of what files are generated from.
    fn workspace() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for path in ["functions", "tests/integration", "docs"] {
            copy(&root().join(path), &folder.path().join(path));
        }
        for path in [
            "Cargo.toml",
            "tests/Cargo.toml",
            "infra/local/Cargo.toml",
            "infra/local/src/functions.rs",
            "infra/openapi.yaml",
        ] {
            fs::create_dir_all(folder.path().join(path).parent().unwrap()).unwrap();
            fs::copy(root().join(path), folder.path().join(path)).unwrap();
        }
        folder
    }

    fn fix(root: &Path) -> Vec<String> {
        let outdated = outdated(root).unwrap();
        outdated.iter().for_each(|file| fs::write(root.join(&file.path), &file.text).unwrap());
        outdated.into_iter().map(|file| file.path).collect()
    }

    #[test]
    fn generated_files_are_up_to_date() {
        let outdated: Vec<String> = outdated(&root()).unwrap().into_iter().map(|file| file.path).collect();
        assert!(outdated.is_empty(), "run `cargo tidy --fix`, which writes {outdated:?}");
    }

    #[test]
    fn new_function_is_complete_after_a_fix() {
        let folder = workspace();
        let root = folder.path();
        assert_eq!(fix(root), [""; 0]);
        fs::create_dir_all(root.join("functions/get-weather/src")).unwrap();
        let library = "//! `GET /api/weather`: the weather.\n\nuse domain::id::UserId;\nuse runtime::http::{self, Access};\n\n\
                       pub fn text() -> String {\n    serde_json::json!({}).to_string()\n}\n\n\
                       #[cfg(test)]\nmod tests {\n    #[tokio::test]\n    async fn rains() {}\n}\n";
        fs::write(root.join("functions/get-weather/src/lib.rs"), library).unwrap();
        let contract = fs::read_to_string(root.join("infra/openapi.yaml")).unwrap();
        let path = "paths:\n  /api/weather:\n    get:\n      operationId: getWeather\n      tags: [Tracks]\n      \
                    summary: Get the weather\n      security: []\n";
        fs::write(root.join("infra/openapi.yaml"), contract.replacen("paths:\n", path, 1)).unwrap();

        let written = fix(root);
        assert_eq!(
            written,
            [
                "functions/get-weather/Cargo.toml",
                "functions/get-weather/src/main.rs",
                "Cargo.toml",
                "infra/local/Cargo.toml",
                "infra/local/src/functions.rs",
                "docs/routes.md",
            ]
        );
        assert!(outdated(root).unwrap().is_empty());
        let text = |path: &str| fs::read_to_string(root.join(path)).unwrap();
        let manifest = text("functions/get-weather/Cargo.toml");
        assert!(manifest.contains(
            "[dependencies]\ndomain.workspace = true\nruntime.workspace = true\nserde_json.workspace = true\n"
        ));
        assert!(manifest.contains("[dev-dependencies]\ntokio.workspace = true\n"), "{manifest}");
        assert!(text("functions/get-weather/src/main.rs").contains("runtime::lambda::run(get_weather::FUNCTION)"));
        assert!(text("Cargo.toml").contains("\"functions/get-weather\",\n"));
        assert!(text("Cargo.toml").contains("\nget-weather = { path = \"functions/get-weather\" }\n"));
        assert!(text("infra/local/Cargo.toml").contains("\nget-weather.workspace = true\n"));
        assert!(text("infra/local/src/functions.rs").contains("        get_weather::FUNCTION,\n"));
        assert!(text("docs/routes.md").contains("| `GET` | `/api/weather` | any caller | Get the weather |"));

        fs::remove_dir_all(root.join("functions/get-weather")).unwrap();
        fs::write(root.join("infra/openapi.yaml"), contract).unwrap();
        fix(root);
        assert_eq!(text("Cargo.toml"), fs::read_to_string(super::tests::root().join("Cargo.toml")).unwrap());
    }

    #[test]
    fn markers_are_needed() {
        let text = format!("a\n# {BEGIN}\nold\n# {END}\nb\n");
        assert_eq!(filled(&text, &["new\n".to_owned()]), Some(format!("a\n# {BEGIN}\nnew\n# {END}\nb\n")));
        assert_eq!(filled(&text, &["new\n".to_owned(), "more\n".to_owned()]), None);
        assert_eq!(filled("a\n", &["new\n".to_owned()]), None);
    }
}
