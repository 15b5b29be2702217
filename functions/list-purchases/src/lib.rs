//! `GET /api/purchases`: the purchases of a buyer, the newest first.

use domain::calendar::Period;
use domain::date_range;
use domain::id::{GuestId, UserId};
use domain::purchase::Buyer;
use domain::validation::InvalidField;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, Paging, Problem, QueryReader, Request, Response, bodies};
use serde_json::{Value, json};
use store::{PurchaseFilter, PurchaseHistory};

/// The function.
pub const FUNCTION: Function = Function { name: "list-purchases", start };

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| ListPurchases {
        history: PurchaseHistory::open(setup),
    })
}

struct ListPurchases {
    history: PurchaseHistory,
}

fn buyer(request: &Request, user: Option<UserId>, guest: Option<GuestId>) -> Result<Buyer, Problem> {
    let own = request.user()?;
    let buyer = match (user, guest) {
        (Some(_), Some(_)) => {
            return Err(Problem::query(InvalidField::new("guestId", "must not be given with userId")));
        }
        (user, None) => Buyer::User(user.unwrap_or_else(|| own.clone())),
        (None, Some(guest)) => Buyer::Guest(guest),
    };
    if buyer.user() != Some(own) && !request.caller.is_admin() {
        return Err(Problem::Forbidden("only an admin may read other users' purchases".to_owned()));
    }
    Ok(buyer)
}

/// A day of UTC, if one is asked for.
fn day(query: &mut QueryReader<'_>, name: &'static str) -> Option<Period> {
    let text = query.one::<String>(name)?;
    date_range::day(&text).map_err(|error| query.refuse(name, error)).ok()
}

fn filter(query: &mut QueryReader<'_>) -> PurchaseFilter {
    let (first, last) = (day(query, "from"), day(query, "to"));
    if let (Some(first), Some(last)) = (&first, &last)
        && last.start() < first.start()
    {
        query.refuse("to", "must not be before from");
    }
    PurchaseFilter {
        kind: query.one("itemType"),
        status: query.one("status"),
        from: first.map(|day| day.start()),
        until: last.map(|day| day.end()),
    }
}

impl HttpHandler for ListPurchases {
    fn parameters(&self) -> &'static [&'static str] {
        &["userId", "guestId", "itemType", "status", "from", "to", "limit", "cursor"]
    }

    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let mut query = request.query_reader();
            let (user, guest): (Option<UserId>, Option<GuestId>) = (query.one("userId"), query.one("guestId"));
            let filter = filter(&mut query);
            let paging = Paging::read(&mut query);
            // What is wrong with a query is told to those who may ask.
            let buyer = buyer(&request, user, guest)?;
            query.done()?;
            let list = paging.of(&request.caller, format!("purchases of {buyer}: {filter:?}"))?;
            let page = self.history.of(&buyer, &filter, list.after(), list.limit()).await?;
            let purchases: Vec<Value> = page.purchases.iter().map(bodies::purchase).collect();
            let cursor = list.cursor(page.next.as_deref());
            Ok(Response::json(StatusCode::OK, &json!({"purchases": purchases, "cursor": cursor})))
        })
    }
}
