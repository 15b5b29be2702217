//! Counting distinct things in a space that does not grow with them.
//!
//! A HyperLogLog sketch of [Apache DataSketches](https://datasketches.apache.org/docs/HLL/HllSketches.html): exact for
//! a few values, an estimate beyond. Sketches merge without loss: a merged sketch equals the sketch of all values.

use std::fmt;

use datasketches::hll::{HllSketch, HllType, HllUnion};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Distinct sessions and listeners, millions per track: with 4,096 registers, at most 2 KiB.
pub type Distinct = Sketch<12>;

/// Distinct buyers, exact for longer: with 16,384 registers, at most 8 KiB.
pub type Buyers = Sketch<14>;

/// Distinct things, counted with two to the power of `LG_K` registers; an even number.
#[derive(Clone, Default)]
pub struct Sketch<const LG_K: u8>(Option<HllUnion>);

#[allow(clippy::expect_used, reason = "the library takes any logarithm from 4 to 21")]
fn union(lg_k: u8) -> HllUnion {
    HllUnion::new(lg_k).expect("12 and 14 are from 4 to 21")
}

impl<const LG_K: u8> Sketch<LG_K> {
    /// The greatest exact count. A sketch keeps hashes until they would fill three quarters of an eighth of its
    /// registers.
    pub const EXACT: u64 = (1 << (LG_K - 3)) * 3 / 4;

    /// The standard error of an estimate, as a part of the whole: 1.04 divided by the root of the number of registers
    /// ([Flajolet et al., 2007](https://doi.org/10.46298/dmtcs.3545)).
    pub const STANDARD_ERROR: f64 = 1.04 / (1_u32 << (LG_K / 2)) as f64;

    /// Counts a thing; one that was counted before changes nothing.
    pub fn insert(&mut self, thing: &str) {
        self.0.get_or_insert_with(|| union(LG_K)).update_value(thing);
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

    /// The count, exact or estimated. An estimate is always above the greatest exact count.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate is finite and positive")]
    pub fn count(&self) -> u64 {
        let count = self.0.as_ref().map_or(0, |union| union.composite_estimate().round() as u64);
        if count <= Self::EXACT && !self.is_exact() { Self::EXACT + 1 } else { count }
    }

    /// The count, at most `all`: each distinct actor did it at least once, so a greater estimate is wrong.
    #[must_use]
    pub fn count_among(&self, all: u64) -> u64 {
        self.count().min(all)
    }

    /// Whether the count is exact, and no estimate.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        // The lowest bits of the eighth byte of a stored sketch are its mode: list, set or registers.
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
        let mut read = union(LG_K);
        read.update(&HllSketch::deserialize(bytes)?);
        Ok(Self(Some(read)))
    }
}

impl<const LG_K: u8> PartialEq for Sketch<LG_K> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl<const LG_K: u8> Eq for Sketch<LG_K> {}

impl<const LG_K: u8> fmt::Debug for Sketch<LG_K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Distinct({})", self.count())
    }
}

impl<const LG_K: u8> Serialize for Sketch<LG_K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.bytes())
    }
}

impl<'de, const LG_K: u8> Deserialize<'de> for Sketch<LG_K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes<const LG_K: u8>;
        impl<const LG_K: u8> Visitor<'_> for Bytes<LG_K> {
            type Value = Sketch<LG_K>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the bytes of a sketch")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Sketch<LG_K>, E> {
                Sketch::from_bytes(bytes).map_err(E::custom)
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
    fn few_are_exact_and_many_within_three_standard_errors() {
        for count in [0, 1, 7, 8, 9, 100, 300, 380] {
            let counted = of(0..count);
            assert_eq!((counted.count(), counted.is_exact()), (u64::from(count), true));
            assert_eq!(counted.is_empty(), count == 0);
        }
        for count in [500_u32, 5_000, 100_000] {
            let counted = of(0..count);
            assert!(!counted.is_exact());
            let off = (counted.count() as f64 / f64::from(count) - 1.0).abs();
            assert!(off < 3.0 * Distinct::STANDARD_ERROR, "{count} was estimated {}", counted.count());
        }
    }

    #[test]
    fn buyers_are_exact_for_longer() {
        let mut buyers = Buyers::default();
        (0..Buyers::EXACT).for_each(|buyer| buyers.insert(&format!("u:{buyer}")));
        assert_eq!((Distinct::EXACT, Buyers::EXACT), (384, 1_536));
        assert_eq!((buyers.count(), buyers.is_exact()), (1_536, true));
        buyers.insert("u:one more");
        assert!(!buyers.is_exact());
    }

    #[test]
    fn estimate_is_bounded_by_total_and_by_exact_count() {
        let mut above = 0;
        for seed in 0..60 {
            let mut counted = Distinct::default();
            (0..600).for_each(|thing| counted.insert(&format!("{seed}:{thing}")));
            above += u32::from(counted.count() > 600);
            assert!(counted.count_among(600) <= 600 && counted.count() > Distinct::EXACT);
            (0..385).for_each(|thing| counted.insert(&format!("{seed}:{thing}")));
        }
        assert!(above > 10, "estimates lie above the truth as often as below it: {above} of 60");
        for count in 385..400 {
            assert!(of(0..count).count() > Distinct::EXACT);
        }
    }

    #[test]
    fn merged_sketch_equals_sketch_of_all() {
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
    fn stored_sketch_keeps_count_and_stays_small() {
        for count in [0, 1, 20, 384, 385, 10_000] {
            let counted = of(0..count);
            let bytes = counted.bytes();
            let size = bytes.len();
            assert!(size <= 2_200 && size <= 16 + 4 * count as usize || count > 384, "{count} take {size} bytes");
            let read = Distinct::from_bytes(&bytes).unwrap();
            assert_eq!(read.count(), counted.count());
        }
        assert!(Distinct::from_bytes(&[1, 2, 3]).is_err());
    }
}
