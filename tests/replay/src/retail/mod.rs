//! Loads the invoices of a shop, as in the "Online Retail" file, and checks the answers of the API.
//!
//! A file of comma-separated values, a line for each item on an invoice. Amounts are pounds.
//!
//! | file | API request | rule |
//! |---|---|---|
//! | a line | a purchase of a product, paid by card | `Quantity` pieces for `Quantity` × `UnitPrice`, reckoned in decimals |
//! | a line of an invoice that begins with `C` | a refund | of the latest earlier purchase of the same buyer, item and price of which enough is left |
//! | the same, without such a purchase | an opening purchase, and a refund of all of it | it was bought before the file begins; the day before its first one stands for that |
//! | `StockCode` | `itemId` | [`reading::item_id`]: never one id for two codes |
//! | `CustomerID` | `userId` | without the `.0` that spreadsheets leave |
//! | no `CustomerID` | `guestId` | the invoice's number |
//! | `InvoiceDate` | `purchasedAt`, `refundedAt` | as UTC |
//! | the line and its number | `Idempotency-Key` | a hash, so a second run within 30 days changes nothing |
//!
//! [`reading`] reads lines and [`orders`] makes orders of them; [`load`] sends these. [`sql`] computes what the
//! file contains in its own way, sharing no code with these; [`compare`] compares the API's answers with it, and [`verify`] waits
//! until they are the same.

pub mod answer;
pub mod compare;
pub mod load;
pub mod orders;
pub mod reading;
pub mod sql;
pub mod verify;

#[cfg(test)]
mod tests;
