//! `POST /api/purchases`: buys an item.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::caller::Caller;
use domain::discount::DiscountRejection;
use domain::id::PurchaseId;
use domain::purchase::{Buyer, Item, ItemType, Order, Purchase, Terms};
use domain::time::Time;
use domain::validation::InvalidField;
use http::StatusCode;
use runtime::BoxFuture;
use runtime::context::FunctionContext;
use runtime::function::{Function, StartResult};
use runtime::http::{Access, HttpHandler, IdempotentRequest, Problem, Request, Response, bodies};
use store::{
    Catalog, DiscountAttempts, Discounts, IdempotencyStore, Ownership, Packages, PurchaseChange, Purchases,
    StoredDiscount,
};
use system::clock::Clock;

/// The function.
pub const FUNCTION: Function = Function { name: "create-purchase", start };

/// The largest body, in bytes: the largest metadata fit with every character escaped, with a margin.
const MAX_BODY: usize = 32 * 1024;

/// The seconds until tries are available again, at the latest.
const SECONDS_OF_AN_HOUR: u32 = 3_600;

fn start(context: &FunctionContext) -> StartResult {
    runtime::http::start(context, FUNCTION, Access::SignedIn, |setup| CreatePurchase {
        answers: IdempotencyStore::open(setup),
        discounts: Discounts::open(setup),
        ownership: Ownership::open(setup),
        catalog: Catalog::open(setup),
        tries: DiscountAttempts::open(setup),
        packages: Packages::open(setup),
        purchases: Purchases::open(setup),
        terms: Terms {
            approval: setup.parsed("PURCHASE_APPROVAL"),
            currencies: setup.parsed("CURRENCIES"),
            methods: setup.parsed("PAYMENT_METHODS"),
        },
        clock: setup.clock(),
    })
}

struct CreatePurchase {
    answers: IdempotencyStore,
    discounts: Discounts,
    ownership: Ownership,
    catalog: Catalog,
    tries: DiscountAttempts,
    packages: Packages,
    purchases: Purchases,
    terms: Terms,
    clock: Arc<dyn Clock>,
}

impl CreatePurchase {
    /// Checks that the item is for sale, and a package at its price. Courses and tests belong to the site and are not
    /// known here. An admin may record any purchase.
    async fn is_on_offer(&self, order: &Order, caller: &Caller) -> Result<(), Problem> {
        if caller.is_admin() {
            return Ok(());
        }
        match order.item.kind {
            ItemType::Package => self.is_its_price(order).await,
            ItemType::Product => {
                let id = order.item.id.clone().into();
                if self.catalog.offers(&id).await? {
                    return Ok(());
                }
                Err(InvalidField::new("itemId", format!("names product {id}, which is not for sale")).into())
            }
            ItemType::Course | ItemType::Test => Ok(()),
        }
    }

    /// Checks the price of a package; only an admin may record another one.
    async fn is_its_price(&self, order: &Order) -> Result<(), Problem> {
        let id = order.item.id.clone().into();
        let package = self.packages.package(&id, true).await?.present();
        let package = package
            .ok_or_else(|| InvalidField::new("itemId", format!("names package {id}, which does not exist")))?
            .document;
        if order.price() == Some((package.price, package.currency)) {
            return Ok(());
        }
        let price = format!("must be {} {}, the price of the package", package.price, package.currency);
        Err(InvalidField::new("amount", price).into())
    }

    /// The purchase that an order creates, and the discount that it uses. The discount is checked last: another
    /// rejection must not reveal that it exists.
    async fn decide(
        &self,
        order: &Order,
        id: &PurchaseId,
        request: &Request,
        now: Time,
    ) -> Result<(Purchase, Option<StoredDiscount>), Problem> {
        let buyer = order.buyer(&request.caller)?;
        self.is_on_offer(order, &request.caller).await?;
        self.is_new(&buyer, &order.item, request).await?;
        let discount = match &order.discount_code {
            Some(code) => self.discounts.discount(code).await?,
            None => None,
        };
        let of_code = discount.as_ref().map(|stored| &stored.discount);
        let purchase = order.apply(id.clone(), &request.caller, of_code, &self.terms, now)?;
        if discount.as_ref().is_some_and(StoredDiscount::is_used_up) {
            return Err(DiscountRejection::UsedUp.told_to(&request.caller).into());
        }
        Ok((purchase, discount))
    }

    /// Checks that the buyer does not own the item.
    async fn is_new(&self, buyer: &Buyer, item: &Item, request: &Request) -> Result<(), Problem> {
        if !item.kind.is_single_ownership() {
            return Ok(());
        }
        let items = BTreeSet::from([item.clone()]);
        let mut owned = self.ownership.of(buyer, &items, true, request.deadline).await?;
        owned.remove(item).map_or(Ok(()), |purchase| Err(Problem::Owned(purchase)))
    }

    /// Creates the purchase, unless the same request has created it before.
    async fn buy(
        &self,
        order: &Order,
        once: &IdempotentRequest,
        request: &Request,
        now: Time,
    ) -> Result<Response, Problem> {
        let id: PurchaseId = once.id().parse().map_err(|_| Problem::Internal)?;
        let is_retry = AtomicBool::new(false);
        store::update_idempotent(request.deadline, || async {
            let decided = self.decide(order, &id, request, now).await;
            // Read after the decision: the reason for a rejection may be an earlier execution of this request.
            if let Some(response) = once.answered(&self.answers).await? {
                return Ok(Ok(response));
            }
            if is_retry.swap(true, Ordering::Relaxed) && self.purchases.purchase(&id).await?.is_some() {
                // The stored response has expired; the purchase is kept for good.
                return Err(Problem::Owned(id.clone()));
            }
            let (purchase, discount) = decided?;
            let body = bodies::purchase(&purchase);
            let answer = once.answer(StatusCode::CREATED, &body, now);
            let written =
                self.purchases.write(&purchase, PurchaseChange::Created(discount.as_ref()), Some(&answer), &body).await;
            Ok(written.map(|()| Response::json(StatusCode::CREATED, &body)))
        })
        .await
    }

    /// Does the same for a discount code of a caller who is no admin, within the hourly limit of wrong codes.
    async fn buy_with_code(
        &self,
        order: &Order,
        once: &IdempotentRequest,
        request: &Request,
        now: Time,
    ) -> Result<Response, Problem> {
        if let Some(response) = once.answered(&self.answers).await? {
            return Ok(response);
        }
        let user = request.user()?;
        if !self.tries.take(user, now).await? {
            return Err(Problem::TooMany { what: "wrong discount codes", retry_after_s: SECONDS_OF_AN_HOUR });
        }
        let bought = self.buy(order, once, request, now).await;
        let is_wrong = |problem: &Problem| match problem {
            Problem::Invalid(fields) => fields.iter().any(|invalid| invalid.field == "discountCode"),
            _ => false,
        };
        if !bought.as_ref().err().is_some_and(is_wrong)
            && let Err(error) = self.tries.give_back(user, now).await
        {
            // The purchase stands; the caller has one try less in this hour.
            tracing::warn!(error = %error, "a try of a discount was not given back: {error}");
        }
        bought
    }
}

impl HttpHandler for CreatePurchase {
    fn handle(&self, request: Request) -> BoxFuture<'_, Result<Response, Problem>> {
        Box::pin(async move {
            let body = request.json(MAX_BODY, &["application/json"])?;
            let order = Order::parse(&body).map_err(Problem::Invalid)?;
            let once = IdempotentRequest::required(&request, FUNCTION.name, body)?;
            let now = Time::from(self.clock.now());
            if order.discount_code.is_some() && !request.caller.is_admin() {
                self.buy_with_code(&order, &once, &request, now).await
            } else {
                self.buy(&order, &once, &request, now).await
            }
        })
    }
}
