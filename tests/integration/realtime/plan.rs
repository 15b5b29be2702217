//! How hostile it is.

use proptest::prelude::*;

use super::mutants::Mutant;

/// How hostile it is; everything else follows from the seed.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) actions: usize,
    /// How many events of one channel wait when it begins.
    pub(super) backlog: usize,
    pub(super) faults: u8,
    pub(super) switches: u8,
    pub(super) stalls: u8,
    /// How often the server of channels is not what it should be, in percent.
    pub(super) refusals: u8,
}

pub(super) fn plans() -> impl Strategy<Value = Plan> {
    let percent = |of: [u8; 3]| prop::sample::select(of.to_vec());
    let backlog = prop::sample::select(vec![0_usize, 0, 12, 130]);
    let faults = (percent([0, 4, 12]), 2..25_u8, percent([0, 30, 60]), percent([0, 20, 60]));
    (any::<u64>(), 3..14_usize, backlog, faults).prop_map(
        |(seed, actions, backlog, (faults, switches, stalls, refusals))| Plan {
            seed,
            actions,
            backlog,
            faults,
            switches,
            stalls,
            refusals,
        },
    )
}

/// As hostile as it gets.
pub(super) fn worst(seed: u64) -> Plan {
    Plan { seed, actions: 12, backlog: 12, faults: 12, switches: 10, stalls: 30, refusals: 60 }
}

/// The publisher under test.
#[derive(Debug, Clone, Copy)]
pub(super) enum Publishers {
    /// The function itself.
    Real,
    /// One that breaks a rule.
    Mutant(Mutant),
}
