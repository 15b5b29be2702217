//! Expiry of items, as DynamoDB does it: some time after they expire.

use std::sync::Arc;
use std::time::Duration;

use system::clock::Clock;

use crate::dynamodb::Database;

/// The interval of expiry.
const EVERY: Duration = Duration::from_secs(60);

/// Deletes expired items at intervals until the future ends.
pub(super) async fn sweep(database: Database, clock: Arc<dyn Clock>, stopped: impl Future<Output = ()> + Send) {
    let mut stopped = std::pin::pin!(stopped);
    loop {
        tokio::select! {
            () = &mut stopped => return,
            () = tokio::time::sleep(EVERY) => {}
        }
        let (database, now) = (database.clone(), clock.now().timestamp());
        match tokio::task::spawn_blocking(move || database.sweep_expired(now)).await {
            Ok(Ok(0)) => {}
            Ok(Ok(deleted)) => tracing::info!("{deleted} items expired"),
            Ok(Err(error)) => tracing::warn!("expired items stay: {error}"),
            Err(error) => tracing::warn!("expired items stay: {error}"),
        }
    }
}
