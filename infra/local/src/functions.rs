//! The functions of this workspace: every crate under `functions/`.

use shared::function::Function;

/// The workspace's own template, as it was when this was built.
pub const TEMPLATE: &str = include_str!("../../../template.yaml");

/// Every function that can be deployed.
#[must_use]
pub fn all() -> Vec<Function> {
    vec![
        authorizer::FUNCTION,
        counter_updater::FUNCTION,
        get_analytics::FUNCTION,
        get_dashboard::FUNCTION,
        get_track::FUNCTION,
        ingest_events::FUNCTION,
        judge_submission::FUNCTION,
        put_playlist::FUNCTION,
        put_track::FUNCTION,
        rollup_dispatcher::FUNCTION,
        rollup_worker::FUNCTION,
        submit_track::FUNCTION,
    ]
}
