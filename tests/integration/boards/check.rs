//! Compares everything stored with plain items of the products and their views.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::actions::{DELETED, PRODUCTS, seller_of};
pub(super) use crate::support::items::{number, text};
use crate::support::stage::Stage;

/// Sums by the key of their item and their name; those that are 0 are left out.
type Numbers = BTreeMap<String, i64>;

/// All numbers of an item.
fn numbers(item: &Value) -> impl Iterator<Item = (&String, i64)> {
    let all = item.as_object().unwrap().iter();
    all.filter(|(_, value)| value["N"].is_string()).map(|(name, value)| (name, number(value)))
}

/// Of what a board is: its metric as keys name it, and its season.
pub(super) type Board = (String, String);

/// The expected figures, and the expected values on every board.
#[derive(Debug, Default)]
pub(super) struct Expected {
    numbers: Numbers,
    pub(super) boards: BTreeMap<Board, BTreeMap<String, u64>>,
    /// The products that can be bought.
    pub(super) active: BTreeSet<String>,
}

/// The sales of a product that stand as they were recorded, by their id: when, in which currency, and at which price.
type Sales = BTreeMap<String, (String, String, i64)>;

fn recorded(stage: &Stage) -> BTreeMap<String, Sales> {
    let mut standing: BTreeMap<String, Sales> = BTreeMap::new();
    let facts = stage.scan("Interactions");
    let parts = |item: &Value| -> Option<(String, String, String, String)> {
        let (pk, sk) = (text(item, "pk"), text(item, "sk"));
        let (product, hour) = pk.strip_prefix("PRODUCT#")?.split_once('#')?;
        let (kind, sale) = sk.split_once('#')?.1.split_once('#')?;
        Some((product.to_owned(), hour.to_owned(), kind.to_owned(), sale.to_owned()))
    };
    for item in &facts {
        if let Some((product, hour, _, sale)) = parts(item).filter(|(_, _, kind, _)| kind == "sale") {
            let of = standing.entry(product).or_default();
            of.insert(sale, (hour, text(item, "currency"), number(&item["price"])));
        }
    }
    for item in &facts {
        if let Some((product, _, _, sale)) = parts(item).filter(|(_, _, kind, _)| kind == "undo") {
            let was = standing.get_mut(&product).and_then(|of| of.remove(&sale));
            assert!(was.is_some(), "what never was is undone: {item}");
        }
    }
    standing
}

impl Expected {
    fn add(&mut self, product: &str, seller: &str, month: &str, name: &str, by: i64) {
        for of in [format!("PRODUCT#{product}"), format!("SELLER#{seller}")] {
            for part in ["T".to_owned(), format!("M#{month}")] {
                *self.numbers.entry(format!("{of}/{part}/{name}")).or_default() += by;
            }
        }
        let metric = name.replace('#', ".").to_uppercase();
        for season in [month, "all"] {
            let mut boards = vec![(metric.clone(), seller)];
            if name == "views" {
                boards.push(("PRODUCT.VIEWS".to_owned(), product));
            }
            for (metric, id) in boards {
                let board = self.boards.entry((metric, season.to_owned())).or_default();
                *board.entry(id.to_owned()).or_default() += u64::try_from(by).unwrap();
            }
        }
    }

    /// The expected state, computed from products and views.
    pub(super) fn of(stage: &Stage) -> (Self, Vec<String>) {
        let (mut expected, mut wrong) = (Self::default(), Vec::new());
        let (state, mut recorded) = (stage.scan("State"), recorded(stage));
        let seller = |product: &str| seller_of(PRODUCTS.iter().position(|one| *one == product).unwrap());
        let mut offered = Numbers::new();
        for item in state.iter().filter(|item| text(item, "sk") == "DOC") {
            let pk = text(item, "pk");
            let product = pk.strip_prefix("PRODUCT#").unwrap();
            let is_gone = item["gone"]["BOOL"] == true;
            if text(item, if is_gone { "owner" } else { "seller" }) != seller(product) {
                wrong.push(format!("{product} is somebody else's"));
            }
            let sale = &item["sale"]["M"];
            if sale.is_null() == (text(item, "status") == "sold") {
                wrong.push(format!("the product {product} is {}, its sale {sale}", text(item, "status")));
            }
            let mut sales = recorded.remove(product).unwrap_or_default();
            let of_sale = || (text(sale, "at")[..13].to_owned(), text(sale, "currency"), number(&sale["price"]));
            if !sale.is_null() && sales.get(&text(sale, "id")) != Some(&of_sale()) {
                wrong.push(format!("the sale of {product} is {sale}, recorded are {sales:?}"));
            }
            // A sale stays when its product is deleted.
            if product != PRODUCTS[DELETED] {
                sales.retain(|id, _| !sale.is_null() && *id != text(sale, "id"));
                if !sales.is_empty() {
                    wrong.push(format!("{product} has recorded sales that nothing tells of: {sales:?}"));
                }
                sales = if sale.is_null() { Sales::new() } else { Sales::from([(text(sale, "id"), of_sale())]) };
            }
            for (at, currency, price) in sales.into_values() {
                expected.add(product, seller(product), &at[..7], "sales", 1);
                expected.add(product, seller(product), &at[..7], &format!("revenue#{currency}"), price);
            }
            if text(item, "status") == "active" {
                expected.active.insert(product.to_owned());
                *expected.numbers.entry(format!("PRODUCT#{product}/T/listings")).or_default() += 1;
                *expected.numbers.entry(format!("SELLER#{}/T/listings", seller(product))).or_default() += 1;
                *offered.entry(format!("SELLER#{}/ACTIVE/listings", seller(product))).or_default() += 1;
            }
        }
        for item in state.iter().filter(|item| text(item, "pk").starts_with("ACTOR#")) {
            let sk = text(item, "sk");
            let (product, month) = sk.strip_prefix("VIEW#PRODUCT#").unwrap().split_once('#').unwrap();
            expected.add(product, seller(product), month, "views", 1);
            if expected.active.contains(product) {
                *offered.entry(format!("SELLER#{}/ACTIVE/views", seller(product))).or_default() += 1;
            }
        }
        expected.numbers.extend(offered);
        expected.numbers.retain(|_, number| *number != 0);
        expected.boards.values_mut().for_each(|board| board.retain(|_, value| *value > 0));
        expected.boards.retain(|_, board| !board.is_empty());
        (expected, wrong)
    }

    /// A number of a seller or a product.
    pub(super) fn number(&self, key: &str) -> i64 {
        self.numbers.get(key).copied().unwrap_or_default()
    }
}

/// A stored place on a board.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) sk: String,
    pub(super) id: String,
    pub(super) value: u64,
    shard: String,
}

/// What differs between two.
fn differences<T: PartialEq + std::fmt::Debug>(
    what: &str,
    expected: &BTreeMap<String, T>,
    stored: &BTreeMap<String, T>,
) -> Vec<String> {
    let keys: BTreeSet<&String> = expected.keys().chain(stored.keys()).collect();
    let different = keys.into_iter().filter(|key| expected.get(*key) != stored.get(*key));
    different
        .map(|key| format!("{what} {key} is to be {:?}, stored is {:?}", expected.get(key), stored.get(key)))
        .collect()
}

/// All places of all boards, in their order.
pub(super) fn places(stats: &[Value]) -> BTreeMap<Board, Vec<Place>> {
    let mut places: BTreeMap<Board, Vec<Place>> = BTreeMap::new();
    for item in stats {
        let (pk, sk) = (text(item, "pk"), text(item, "sk"));
        let parts: Vec<&str> = pk.split('#').collect();
        let ["BOARD", metric, season, shard] = parts[..] else { continue };
        let [sorted, _, id] = sk.splitn(3, '#').collect::<Vec<_>>().try_into().unwrap();
        let value = u64::MAX - sorted.parse::<u64>().unwrap();
        let (id, shard) = (id.to_owned(), shard.to_owned());
        let board = places.entry((metric.to_owned(), season.to_owned())).or_default();
        board.push(Place { sk, id, value, shard });
    }
    places.values_mut().for_each(|board| board.sort());
    places
}

/// Where a value counts: at each node of its path, the number of the branch that it takes.
fn path(value: u64) -> Vec<(String, String)> {
    let count = (0_u32..).find(|digits| value.checked_shr(6 * digits).unwrap_or_default() == 0).unwrap();
    let digits: Vec<String> = (0..count).rev().map(|at| format!("{:02}", (value >> (6 * at)) % 64)).collect();
    let mut path = vec![("#".to_owned(), format!("{count:02}"))];
    for (at, digit) in digits.iter().enumerate() {
        let node: Vec<String> = [format!("{count:02}")].into_iter().chain(digits[..at].iter().cloned()).collect();
        path.push((node.join("."), digit.clone()));
    }
    path
}

/// Checks what holds at any time: the places match the values of the sellers and the counting trees.
pub(super) fn at_any_time(stage: &Stage) -> Vec<String> {
    let stats = stage.scan("Stats");
    let (mut lying, mut counted, mut said, mut stored) =
        (BTreeMap::new(), Numbers::new(), BTreeMap::new(), Numbers::new());
    let mut offered = Numbers::new();
    for ((metric, season), places) in places(&stats) {
        for Place { sk, value, shard, .. } in places {
            let board = format!("{metric}#{season}");
            // Ranks of products are never requested.
            for (node, branch) in path(value).into_iter().filter(|_| metric != "PRODUCT.VIEWS") {
                *counted.entry(format!("{board}#{shard}/{node}/{branch}")).or_default() += 1;
            }
            let is_first = lying.insert(format!("{board}/{sk}"), ()).is_none();
            assert!(is_first, "the same place in two shards: {board}/{sk}");
        }
    }
    for item in &stats {
        let (pk, sk) = (text(item, "pk"), text(item, "sk"));
        if let Some(tree) = pk.strip_prefix("RANKS#") {
            stored.extend(numbers(item).map(|(branch, sum)| (format!("{tree}/{sk}/{branch}"), sum)));
        }
        let Some(season) = sk.strip_prefix("C#BOARD#") else { continue };
        let (of, id) = pk.split_once('#').unwrap();
        for (name, sum) in numbers(item).filter(|(_, sum)| *sum > 0) {
            let metric = name.replace('#', ".").to_uppercase();
            let board = match (of, metric.as_str()) {
                (_, "LISTINGS") => continue,
                ("SELLER", metric) => metric.to_owned(),
                (_, "VIEWS") => "PRODUCT.VIEWS".to_owned(),
                _ => continue,
            };
            let reached = text(item, &format!("reached#{metric}"));
            let sorted = u64::MAX - u64::try_from(sum).unwrap();
            said.insert(format!("{board}#{season}/{sorted:020}#{reached}#{id}"), ());
        }
        let has = |name: &str| number(&item[name]);
        if of == "PRODUCT" && season == "all" && has("listings") > 0 {
            let seller = seller_of(PRODUCTS.iter().position(|one| *one == id).unwrap());
            *offered.entry(format!("{seller}/listings")).or_default() += 1;
            *offered.entry(format!("{seller}/views")).or_default() += has("views");
        }
    }
    let is_offered = |item: &&Value| text(item, "sk") == "ACTIVE";
    let told = stats.iter().filter(is_offered).flat_map(|item| {
        let seller = text(item, "pk").strip_prefix("SELLER#").unwrap().to_owned();
        numbers(item).map(move |(name, sum)| (format!("{seller}/{name}"), sum)).collect::<Vec<_>>()
    });
    let mut told: Numbers = told.collect();
    told.retain(|_, sum| *sum != 0);
    offered.retain(|_, sum| *sum != 0);
    stored.retain(|_, sum| *sum != 0);
    let mut wrong = differences("the place", &said, &lying);
    wrong.extend(differences("the branch", &counted, &stored));
    wrong.extend(differences("what is on offer, the number", &offered, &told));
    wrong
}

/// Checks what holds once everything is delivered: figures and boards match the products.
pub(super) fn at_the_end(stage: &Stage) -> Vec<String> {
    let stats = stage.scan("Stats");
    let (expected, mut wrong) = Expected::of(stage);
    wrong.extend(at_any_time(stage));
    let (mut stored, mut listings) = (Numbers::new(), Numbers::new());
    for item in &stats {
        let (pk, sk) = (text(item, "pk"), text(item, "sk"));
        let is_of_these = pk.starts_with("PRODUCT#") || pk.starts_with("SELLER#");
        if is_of_these && (sk == "T" || sk == "ACTIVE" || sk.starts_with("M#")) {
            for (name, sum) in numbers(item) {
                // Only the records contain when a product was offered, so the time is taken from them.
                if sk.starts_with("M#") && name == "listings" {
                    *listings.entry(pk.clone()).or_default() += sum;
                } else {
                    stored.insert(format!("{pk}/{sk}/{name}"), sum);
                }
            }
        }
    }
    stored.retain(|_, sum| *sum != 0);
    wrong.extend(differences("the number", &expected.numbers, &stored));
    let of_all = |of: &String| stored.get(&format!("{of}/T/listings")).copied().unwrap_or_default();
    let differing = listings.into_iter().filter(|(of, sum)| of_all(of) != *sum);
    wrong.extend(differing.map(|(of, sum)| format!("the listings of all months of {of} are {sum}")));

    let mut shards: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut boards: BTreeMap<String, Vec<(String, u64)>> = BTreeMap::new();
    for ((metric, season), places) in places(&stats) {
        for Place { id, value, shard, .. } in places {
            boards.entry(format!("{metric}#{season}")).or_default().push((id.clone(), value));
            shards.entry(id).or_default().insert(shard);
        }
    }
    boards.values_mut().for_each(|board| board.sort());
    let is_to_be = expected.boards.into_iter();
    let is_to_be =
        is_to_be.map(|((metric, season), board)| (format!("{metric}#{season}"), board.into_iter().collect()));
    wrong.extend(differences("the board", &is_to_be.collect(), &boards));
    let lost = shards.into_iter().filter(|(_, shards)| shards.len() > 1);
    wrong.extend(lost.map(|(id, shards)| format!("{id} is in the shards {shards:?}")));
    wrong
}
