//! `GET /api/purchases/owned`: which of the given items a buyer owns.

use std::collections::BTreeSet;

use domain::id::{ItemId, UserId};
use domain::purchase::{Buyer, Item, ItemType};
use domain::validation::InvalidField;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Problem, Request, Response};
use serde_json::{Value, json};
use store::Ownership;

/// The function.
pub const FUNCTION: Function = Function { name: "check-ownership", start };

/// How many things can be asked for at once.
const MAX_ITEMS: usize = 100;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| CheckOwnership {
        ownership: Ownership::open(setup),
    })
}

struct CheckOwnership {
    ownership: Ownership,
}

/// What is asked.
struct Ask {
    items: Vec<Item>,
    is_strong: bool,
    user: Option<UserId>,
}

impl Ask {
    fn of(request: &Request) -> Result<Self, Problem> {
        let mut query = request.query_reader();
        let (kind, ids): (Option<ItemType>, Vec<ItemId>) = (query.one("itemType"), query.list("itemId"));
        let (is_strong, user): (Option<bool>, Option<UserId>) = (query.one("strong"), query.one("userId"));
        query.done()?;
        let missing = |field| Problem::query(InvalidField::new(field, "is required"));
        let kind = kind.ok_or_else(|| missing("itemType"))?;
        match ids.len() {
            0 => Err(missing("itemId")),
            1..=MAX_ITEMS => {
                let items = ids.into_iter().map(|id| Item { kind, id }).collect();
                Ok(Self { items, is_strong: is_strong.unwrap_or(false), user })
            }
            _ => Err(Problem::query(InvalidField::new("itemId", format!("must name at most {MAX_ITEMS} items")))),
        }
    }
}

impl HttpHandler for CheckOwnership {
    fn parameters(&self) -> &'static [&'static str] {
        &["itemType", "itemId", "userId", "strong"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let Ask { items, is_strong, user } = Ask::of(&request)?;
            let own = request.user()?;
            let user = user.unwrap_or_else(|| own.clone());
            if user != *own && !request.caller.is_admin() {
                return Err(Problem::Forbidden("only an admin may check what other users own".to_owned()));
            }
            let asked: BTreeSet<Item> = items.iter().cloned().collect();
            let owned = self.ownership.of(&Buyer::User(user), &asked, is_strong, request.deadline).await?;
            let bodies: Vec<Value> = items
                .iter()
                .map(|item| {
                    let purchase = owned.get(item);
                    json!({"itemType": item.kind, "itemId": item.id, "owned": purchase.is_some(), "purchaseId": purchase})
                })
                .collect();
            Ok(Response::json(StatusCode::OK, &json!({"items": bodies})))
        })
    }
}
