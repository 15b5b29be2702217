//! Counting distinct things in a space that does not grow with them.
//!
//! A HyperLogLog sketch of [Apache DataSketches](https://datasketches.apache.org/docs/HLL/HllSketches.html) with 4,096
//! registers: it holds up to [`EXACT`] things one by one, and estimates beyond that. Sketches merge without loss: merged
//! ones say what one sketch of all would say.

use std::fmt;

use datasketches::hll::{HllSketch, HllType, HllUnion};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The logarithm of the number of registers.
const LG_K: u8 = 12;

/// Up to so many things are counted exactly: a sketch keeps their hashes until they would fill three quarters of 512.
pub const EXACT: u64 = 384;

/// The standard error of an estimate, as a part of the whole: 1.04 divided by the root of the number of registers
/// ([Flajolet et al., 2007](https://doi.org/10.46298/dmtcs.3545)).
pub const STANDARD_ERROR: f64 = 1.04 / 64.0;

/// Distinct things, counted.
#[derive(Clone, Default)]
pub struct Distinct(Option<HllUnion>);

#[allow(clippy::expect_used, reason = "the library takes any logarithm from 4 to 21")]
fn union() -> HllUnion {
    HllUnion::new(LG_K).expect("12 is from 4 to 21")
}

impl Distinct {
    /// Counts a thing; one that was counted before changes nothing.
    pub fn insert(&mut self, thing: &str) {
        self.0.get_or_insert_with(union).update_value(thing);
    }

    /// Counts all that another has counted.
    pub fn merge(&mut self, other: &Self) {
        if let Some(theirs) = &other.0 {
            match &mut self.0 {
                Some(mine) => mine.update(&theirs.to_sketch(HllType::Hll8)),
                nothing => *nothing = Some(theirs.clone()),
            }
        }
    }

    /// How many there are, or about how many.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate is finite and positive")]
    pub fn count(&self) -> u64 {
        self.0.as_ref().map_or(0, |union| union.composite_estimate().round() as u64)
    }

    /// Whether the count is exact, and no estimate.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        // The lowest bits of a stored sketch's eighth byte tell its mode: a list, a set, or registers.
        self.bytes().get(7).is_none_or(|mode| mode & 3 < 2)
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.as_ref().is_none_or(HllUnion::is_empty)
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.as_ref().map(|union| union.to_sketch(HllType::Hll4).serialize()).unwrap_or_default()
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, datasketches::error::Error> {
        if bytes.is_empty() {
            return Ok(Self::default());
        }
        let mut read = union();
        read.update(&HllSketch::deserialize(bytes)?);
        Ok(Self(Some(read)))
    }
}

impl PartialEq for Distinct {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl fmt::Debug for Distinct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Distinct({})", self.count())
    }
}

impl Serialize for Distinct {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.bytes())
    }
}

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Distinct;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of a sketch")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Distinct, E> {
                Distinct::from_bytes(bytes).map_err(E::custom)
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(things: std::ops::Range<u32>) -> Distinct {
        let mut distinct = Distinct::default();
        things.for_each(|thing| distinct.insert(&format!("s:{thing}")));
        distinct
    }

    #[test]
    fn few_are_counted_exactly_and_many_within_three_standard_errors() {
        for count in [0, 1, 7, 8, 9, 100, 300, 380] {
            let counted = of(0..count);
            assert_eq!((counted.count(), counted.is_exact()), (u64::from(count), true));
            assert_eq!(counted.is_empty(), count == 0);
        }
        for count in [500_u32, 5_000, 100_000] {
            let counted = of(0..count);
            assert!(!counted.is_exact());
            let off = (counted.count() as f64 / f64::from(count) - 1.0).abs();
            assert!(off < 3.0 * STANDARD_ERROR, "{count} was estimated {}", counted.count());
        }
    }

    #[test]
    fn merging_is_counting_all() {
        for borders in [[0, 100, 80, 200], [0, 300, 250, 900], [0, 9, 9, 20_000]] {
            let mut merged = of(borders[0]..borders[1]);
            merged.merge(&of(borders[2]..borders[3]));
            merged.merge(&Distinct::default());
            assert_eq!(merged.count(), of(0..borders[3]).count());
        }
        let mut empty = Distinct::default();
        empty.merge(&of(0..3));
        assert_eq!(empty.count(), 3);
    }

    #[test]
    fn keeps_its_count_when_it_is_stored_and_stays_small() {
        for count in [0, 1, 20, 384, 385, 10_000] {
            let counted = of(0..count);
            let attribute: aws_sdk_dynamodb::types::AttributeValue =
                serde_dynamo::to_attribute_value(&counted).unwrap();
            let size = attribute.as_b().unwrap().as_ref().len();
            assert!(size <= 2_200 && size <= 16 + 4 * count as usize || count > 384, "{count} take {size} bytes");
            let read: Distinct = serde_dynamo::from_attribute_value(attribute).unwrap();
            assert_eq!(read.count(), counted.count());
        }
        assert!(Distinct::from_bytes(&[1, 2, 3]).is_err());
    }
}
