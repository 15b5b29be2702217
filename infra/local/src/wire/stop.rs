//! Stopping: everything at work watches one flag.

use std::time::Duration;

use tokio::sync::watch;

/// Waits, or returns early on a stop. Returns whether to stop. A dropped sender is a stop too.
pub(crate) async fn pause(stop: &mut watch::Receiver<bool>, pause: Duration) -> bool {
    tokio::select! {
        () = tokio::time::sleep(pause) => false,
        _ = stop.wait_for(|stop| *stop) => true,
    }
}
