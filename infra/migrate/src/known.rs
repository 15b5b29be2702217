//! Whether the API still knows what a file says is done there: another database may answer at the same URL.

use bytes::Bytes;
use http::{Method, StatusCode};
use replay::api::{Api, ApiError};
use serde::Deserialize;

use crate::plan::Purchase;

/// Purchases that are asked for at most.
const SAMPLE: usize = 8;

/// Whether any of some purchases, evenly drawn from these, still stands. All of them may have been given back since,
/// but hardly so.
///
/// # Errors
/// If the API does not say.
pub async fn any_stands(api: &Api, purchases: &[&Purchase]) -> Result<bool, ApiError> {
    let step = purchases.len().div_ceil(SAMPLE).max(1);
    for purchase in purchases.iter().step_by(step) {
        if stands(api, purchase).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn stands(api: &Api, purchase: &Purchase) -> Result<bool, ApiError> {
    #[derive(Deserialize)]
    struct Owned {
        items: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        owned: bool,
    }
    let holding = &purchase.holding;
    // Ids have no letters that a query must escape.
    let (user, kind, item) = (&holding.user, holding.kind.name(), &holding.item);
    let path = format!("/api/purchases/owned?userId={user}&itemType={kind}&itemId={item}&strong=true");
    let answer = api.insist(Method::GET, &path, Bytes::new()).await?;
    if answer.status != StatusCode::OK {
        let status = answer.status;
        return Err(ApiError::Refused { status, detail: crate::send::reason(status, &answer.body) });
    }
    let owned: Owned = serde_json::from_slice(&answer.body).map_err(|error| ApiError::Malformed(error.to_string()))?;
    Ok(owned.items.iter().any(|item| item.owned))
}
