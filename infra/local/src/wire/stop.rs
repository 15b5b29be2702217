//! Stopping: everything at work watches one flag.

use std::time::Duration;

use tokio::sync::watch;

/// Waits, unless it is time to stop; says whether it is. A flag that nobody holds any more says stop.
pub(crate) async fn pause(stop: &mut watch::Receiver<bool>, pause: Duration) -> bool {
    tokio::select! {
        () = tokio::time::sleep(pause) => false,
        _ = stop.wait_for(|stop| *stop) => true,
    }
}
