//! `POST /api/purchases`: somebody buys something.

use std::collections::BTreeSet;
use std::sync::Arc;

use http::{StatusCode, header};
use shared::BoxFuture;
use shared::backoff::Backoff;
use shared::boot::Boot;
use shared::clock::Clock;
use shared::domain::discount::NotGiven;
use shared::domain::fields::Invalid;
use shared::domain::id::PurchaseId;
use shared::domain::purchase::{ItemType, Order, Purchase, Terms};
use shared::domain::time::Time;
use shared::function::{Function, Invoke, StartError};
use shared::http::{Access, HttpHandler, Once, Problem, Request, Response, bodies};
use shared::live;
use shared::store::{Answers, Change, Discounts, HeldDiscount, Ownership, Packages, Purchases};

/// The function.
pub const FUNCTION: Function = Function { name: "create-purchase", start };

/// The largest body, in bytes.
const MAX_BODY: usize = 16 * 1024;

fn start(boot: &Boot) -> Result<Box<dyn Invoke>, StartError> {
    let mut reader = boot.environment.reader();
    let (ledger, state) = (reader.required("PURCHASES_TABLE"), reader.required("STATE_TABLE"));
    let stats = reader.required("STATS_TABLE");
    let terms = Terms {
        approval: reader.parsed("PURCHASE_APPROVAL"),
        currencies: reader.parsed("CURRENCIES"),
        methods: reader.parsed("PAYMENT_METHODS"),
    };
    let outbox = live::outbox(&mut reader, boot);
    reader.finish(())?;
    let (client, clock, ids) = (boot.dynamodb(), Arc::clone(&boot.clock), Arc::clone(&boot.ids));
    let handler = CreatePurchase {
        answers: Answers::new(client.clone(), state.clone()),
        discounts: Discounts::new(client.clone(), state.clone(), Arc::clone(&ids)),
        ownership: Ownership::new(client.clone(), state.clone()),
        packages: Packages::new(client.clone(), state.clone(), stats, Arc::clone(&clock), Arc::clone(&ids)),
        purchases: Purchases::new(client, ledger, state, outbox, (Arc::clone(&clock), ids)),
        terms,
        clock,
    };
    Ok(shared::http::function(FUNCTION.name, Access::SignedIn, boot, handler))
}

struct CreatePurchase {
    answers: Answers,
    discounts: Discounts,
    ownership: Ownership,
    packages: Packages,
    purchases: Purchases,
    terms: Terms,
    clock: Arc<dyn Clock>,
}

impl CreatePurchase {
    /// The discount that an order names, unless it was used up.
    async fn discount(&self, order: &Order) -> Result<Option<HeldDiscount>, Problem> {
        let Some(code) = &order.discount_code else { return Ok(None) };
        match self.discounts.discount(code).await? {
            Some(held) if held.is_used_up() => Err(Invalid::new("discountCode", NotGiven::UsedUp).into()),
            held => Ok(held),
        }
    }

    /// What a package costs is known here: nobody but an admin buys it at another price.
    async fn is_its_price(&self, order: &Order) -> Result<(), Problem> {
        let id = order.item.id.clone().into();
        let package = self.packages.package(&id, true).await?.there();
        let package = package.ok_or_else(|| Invalid::new("itemId", format!("there is no package {id}")))?.document;
        if order.price() == Some((package.price, package.currency)) {
            return Ok(());
        }
        let price = format!("must be {} {}, the price of the package", package.price, package.currency);
        Err(Invalid::new("amount", price).into())
    }

    /// The purchase that an order is as things stand, and the discount that it uses.
    async fn decide(
        &self,
        order: &Order,
        id: &PurchaseId,
        request: &Request,
        now: Time,
    ) -> Result<(Purchase, Option<HeldDiscount>), Problem> {
        let discount = self.discount(order).await?;
        let of_code = discount.as_ref().map(|held| &held.discount);
        let purchase = order.apply(id.clone(), &request.caller, of_code, &self.terms, now)?;
        if order.item.kind == ItemType::Package && !request.caller.is_admin() {
            self.is_its_price(order).await?;
        }
        self.is_new(&purchase, request).await?;
        Ok((purchase, discount))
    }

    /// Makes sure that the buyer does not have the item already.
    async fn is_new(&self, purchase: &Purchase, request: &Request) -> Result<(), Problem> {
        if !purchase.item.kind.is_had_once() {
            return Ok(());
        }
        let items = BTreeSet::from([purchase.item.clone()]);
        let mut owned = self.ownership.of(&purchase.buyer, &items, true, request.deadline).await?;
        owned.remove(&purchase.item).map_or(Ok(()), |purchase| Err(Problem::Owned(purchase)))
    }
}

impl HttpHandler for CreatePurchase {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let body = request.json(MAX_BODY, &["application/json"])?;
            let order = Order::parse(&body).map_err(Problem::Invalid)?;
            let once = Once::required(&request, FUNCTION.name, body)?;
            let id: PurchaseId = once.id().parse().map_err(|_| Problem::Internal)?;
            let now = Time::from(self.clock.now());
            let mut backoff = Backoff::until(request.deadline);
            let mut was_refused = false;
            loop {
                let decided = self.decide(&order, &id, &request, now).await;
                // Read after what was decided by: what stands in the way may be what this very request has done before.
                if let Some(response) = once.answered(&self.answers).await? {
                    return Ok(response);
                }
                if was_refused && self.purchases.purchase(&id).await?.is_some() {
                    // Its answer was kept for as long as it is; that it was bought is kept for ever.
                    return Err(Problem::Owned(id));
                }
                let (purchase, discount) = decided?;
                let body = bodies::purchase(&purchase);
                let answer = once.answer(StatusCode::CREATED, &body, now);
                match self.purchases.write(&purchase, Change::Made(discount.as_ref()), Some(&answer), &body).await {
                    Ok(()) => {
                        let response = Response::json(StatusCode::CREATED, &body);
                        return Ok(response.with_header(header::CACHE_CONTROL, "no-store"));
                    }
                    Err(error) if error.may_pass() && backoff.wait().await => was_refused = true,
                    Err(error) => return Err(error.into()),
                }
            }
        })
    }
}
