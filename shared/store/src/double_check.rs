//! Looking twice before something is called wrong.
//!
//! `Query`, `Scan` and `BatchGetItem` are
//! [read-committed](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html#transaction-isolation)
//! against transactions: during a transaction they may return some items as it writes them and others as they were. So
//! a sum and its parts may differ although both are right, and the version of the sum does not show it. A repair
//! therefore requires that the same difference between the same versions is found again, after more time than any
//! transaction takes.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::error::StoreError;
use super::keys::Key;

/// More than the time between the first and the last item in which a transaction becomes visible.
const SETTLED: Duration = Duration::from_secs(1);

/// A look that was not followed by another one is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(120);

/// A difference found in an item: its version, the difference, and when it was found.
struct Look {
    version: Option<String>,
    found: String,
    first: Instant,
    last: Instant,
}

/// Differences that were found once.
#[derive(Clone, Default)]
pub(super) struct DoubleCheck(Arc<Mutex<HashMap<(Key, &'static str), Look>>>);

impl fmt::Debug for DoubleCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Looks").finish_non_exhaustive()
    }
}

impl DoubleCheck {
    /// Confirms that the same was found before in the same version of an item, long enough ago. `what` distinguishes
    /// the findings of one item.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if it was not: then it is to be read again.
    pub(super) fn confirm(
        &self,
        (key, what): (&Key, &'static str),
        version: Option<&str>,
        found: &impl fmt::Debug,
    ) -> Result<(), StoreError> {
        let (now, found) = (Instant::now(), format!("{found:?}"));
        let mut looks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        looks.retain(|_, look| now.duration_since(look.last) < FORGOTTEN);
        let name = (key.clone(), what);
        match looks.get_mut(&name).filter(|look| look.version.as_deref() == version && look.found == found) {
            Some(look) if now.duration_since(look.first) >= SETTLED => {
                looks.remove(&name);
                Ok(())
            }
            Some(look) => {
                look.last = now;
                Err(StoreError::Conflict)
            }
            None => {
                looks.insert(name, Look { version: version.map(str::to_owned), found, first: now, last: now });
                Err(StoreError::Conflict)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn confirms_only_a_repeated_finding_in_one_version() {
        let (looks, key) = (DoubleCheck::default(), Key { pk: "a".to_owned(), sk: "b".to_owned() });
        let find = |version: Option<&str>, found: i64| looks.confirm((&key, "sum"), version, &found).is_ok();
        assert!(!find(Some("v1"), 3) && !find(Some("v1"), 3), "too early");
        tokio::time::advance(SETTLED).await;
        assert!(!find(Some("v2"), 3), "of another version");
        tokio::time::advance(SETTLED).await;
        assert!(!find(Some("v2"), 4), "something else");
        tokio::time::advance(SETTLED).await;
        assert!(find(Some("v2"), 4));
        assert!(!find(Some("v2"), 4), "each time anew");
        tokio::time::advance(FORGOTTEN).await;
        assert!(!find(Some("v2"), 4), "too long ago");
    }
}
