//! Keys of boards: places of sellers and products, and the trees that count entrants by value.

use std::str::FromStr;

use super::products::{product_in, product_total, seller_in, seller_total};
use super::{CONTRIBUTIONS, ForeignKey, Key};
use domain::board::{Board, Entrant, Metric, Season};
use domain::id::UserId;
use domain::time::Time;

/// The values of an entrant on the boards of a season.
#[must_use]
pub fn on_boards(entrant: &Entrant, season: &Season) -> Key {
    let of = match entrant {
        Entrant::Seller(seller) => seller_total(seller),
        Entrant::Product(product, _) => product_total(product),
    };
    Key { pk: of.pk, sk: format!("{CONTRIBUTIONS}BOARD#{season}") }
}

/// The totals that rank an entrant on the boards of a season.
#[must_use]
pub fn followed(entrant: &Entrant, season: &Season) -> Key {
    match (entrant, season) {
        (Entrant::Seller(seller), Season::All) => seller_total(seller),
        (Entrant::Seller(seller), Season::Month(month)) => seller_in(seller, month),
        (Entrant::Product(product, _), Season::All) => product_total(product),
        (Entrant::Product(product, _), Season::Month(month)) => product_in(product, month),
    }
}

/// The figures of a seller's products that are for sale.
#[must_use]
pub fn on_offer(seller: &UserId) -> Key {
    Key { pk: seller_total(seller).pk, sk: "ACTIVE".to_owned() }
}

fn named(board: &Board) -> String {
    match board {
        Board::Sellers(metric, season) => format!("{metric}#{season}"),
        Board::Products(season) => format!("PRODUCT.{}#{season}", Metric::Views),
    }
}

/// The partition of a shard of a board.
#[must_use]
pub fn board(board: &Board, shard: u32) -> String {
    format!("BOARD#{}#{shard}", named(board))
}

/// The place of an entrant: greater values first, then earlier ones, then by id.
#[must_use]
pub fn place(value: u64, reached: Time, id: &str) -> String {
    format!("{:020}#{reached}#{id}", u64::MAX - value)
}

/// The value and the id of a place.
///
/// # Errors
/// If the key is no such key.
pub fn parse_board_place<I: FromStr>(sk: &str) -> Result<(u64, I), ForeignKey> {
    let mut parts = sk.splitn(3, '#');
    let sorted: u64 = parts.next().and_then(|sorted| sorted.parse().ok()).ok_or(ForeignKey)?;
    let _reached = parts.next().ok_or(ForeignKey)?;
    let id = parts.next().and_then(|id| id.parse().ok()).ok_or(ForeignKey)?;
    Ok((u64::MAX - sorted, id))
}

/// When a board last changed.
#[must_use]
pub fn board_changed(board: &Board) -> Key {
    Key { pk: format!("CHANGED#{}", named(board)), sk: "LAST".to_owned() }
}

/// A node of the tree that counts entrants by value on a shard of a board.
#[must_use]
pub fn counted(board: &Board, shard: u32, node: &str) -> Key {
    Key { pk: format!("RANKS#{}#{shard}", named(board)), sk: node.to_owned() }
}
