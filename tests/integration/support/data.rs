//! Real data, which is beside the project and not part of it. A test that reads it is ignored where it is missing.

/// Whether to use all of the data. A developer's machine uses a part of it, to be fast.
pub(crate) fn is_ci() -> bool {
    #[allow(clippy::disallowed_methods, reason = "a test depends on the machine it runs on")]
    std::env::var("CI").is_ok()
}

/// The first lines of a file of `../shared/data`.
fn read(file: &str, lines: usize) -> String {
    let path = format!("{}/../../shared/data/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    text.split_inclusive('\n').take(lines).collect()
}

/// The first lines of the log of a web server.
pub(crate) fn access_log(lines: usize) -> String {
    read("apache_access_10k.log", lines)
}

/// The header and the first lines of a shop's invoices.
pub(crate) fn invoices(lines: usize) -> String {
    read("online_retail_10k.csv", 1 + lines)
}
