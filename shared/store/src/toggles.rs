//! Toggles: a small item of state guards the facts of a thing that is on or off.
//!
//! The state and the fact of its change commit in one transaction, so a second like is no second fact, and a change
//! that arrives after a later one has no effect.
//!
//! A change takes over what the same listener did before signing in: a user's change takes over those of the session
//! and device that it names, a device's change those of the session. Their toggles are off as of that change, in the
//! same transaction, so one like stays one like after signing in. This is independent of the order in which changes
//! arrive: a change of the session that is older than the user's is stale, even if nothing was taken over.

use aws_sdk_dynamodb::Client;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::error::StoreError;
use super::facts::NewFact;
use super::items::{from_item, to_item};
use super::keys::{self, Key};
use super::retry;
use super::table::{Consistency, Table};
use super::transaction::{Condition, Transaction};
use crate::setup::Setup;
use domain::caller::Actor;
use domain::entity::Entity;
use domain::event::Engagement;
use domain::fact::TrackFact;
use domain::id::PlaylistId;
use domain::toggle::{Toggle, ToggleEffect};

/// The key of a toggle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ToggleKey {
    /// The actor.
    pub actor: Actor,
    /// Of what.
    pub entity: Entity,
    /// The playlist, if it is a save; else it is a like.
    pub playlist: Option<PlaylistId>,
}

impl ToggleKey {
    pub(super) fn key_of(&self, actor: &Actor) -> Key {
        match &self.playlist {
            Some(playlist) => keys::save(actor, &self.entity, playlist),
            None => keys::like(actor, &self.entity),
        }
    }
}

/// A change of a toggle, and the fact that it becomes if it flips the toggle.
#[derive(Debug, Clone)]
pub struct ToggleChange {
    /// The toggle.
    pub of: ToggleKey,
    /// The new state.
    pub toggle: Toggle,
    /// The fact to record if the toggle flips.
    pub fact: TrackFact,
    /// When that fact expires, in seconds since 1970.
    pub expires: i64,
}

#[derive(Serialize, Deserialize)]
struct State {
    version: String,
    #[serde(flatten)]
    toggle: Toggle,
}

/// The tables of toggles and of the facts they guard.
#[derive(Debug, Clone)]
pub struct Toggles {
    client: Client,
    state: String,
    facts: String,
}

impl Toggles {
    /// Opens the toggles.
    pub fn open(setup: &mut Setup<'_>) -> Self {
        let (state, facts) = (setup.state_table(), setup.events_table());
        Self { client: state.client.clone(), state: state.name.clone(), facts: facts.name.clone() }
    }

    /// The table of toggles, for reading.
    pub(super) fn table(&self) -> Table {
        Table::new(self.client.clone(), self.state.clone())
    }

    /// Applies a change, retrying until the deadline. `Ok` means that it is stored, or superseded by a later one.
    ///
    /// # Errors
    /// The last error before the deadline; the change may or may not have been stored, and can be applied again.
    pub fn apply<'a>(
        &'a self,
        change: &'a ToggleChange,
        fresh: &'a (dyn Fn() -> String + Sync),
        deadline: Instant,
    ) -> BoxFuture<'a, Result<ToggleEffect, StoreError>> {
        Box::pin(retry::until(deadline, move || Box::pin(self.apply_once(change, fresh, deadline))))
    }

    async fn apply_once(
        &self,
        change: &ToggleChange,
        fresh: &(dyn Fn() -> String + Sync),
        deadline: Instant,
    ) -> Result<ToggleEffect, StoreError> {
        let of = &change.of;
        let actors = change.fact.actors();
        let states = Table::new(self.client.clone(), self.state.clone());
        let keys: Vec<Key> = actors.iter().map(|actor| of.key_of(actor)).collect();
        let mut stored = states.get_all(keys.iter().cloned().collect(), Consistency::Strong, deadline).await?;
        let mut effect = ToggleEffect::Stale;
        let (mut puts, mut turned) = (Vec::new(), Vec::new());
        for (key, actor) in keys.into_iter().zip(actors) {
            let stored: Option<State> = stored.remove(&key).map(from_item).transpose()?;
            let is_own = actor == of.actor;
            let last = stored.as_ref().map(|state| &state.toggle);
            let on = is_own && change.toggle.on;
            let its_effect = if is_own {
                Toggle::effect(last, &change.toggle)
            } else {
                Toggle::takeover_effect(last, &change.toggle)
            };
            if is_own {
                effect = its_effect;
            }
            if its_effect == ToggleEffect::Stale {
                continue;
            }
            let state = State { version: fresh(), toggle: Toggle { on, ..change.toggle.clone() } };
            puts.push((to_item(&key, state)?, Condition::unchanged(stored.map(|state| state.version))));
            if its_effect == ToggleEffect::Flipped {
                turned.push((actor, on));
            }
        }
        // A like that is taken over stays one like: it is neither given again nor taken back.
        let standing = turned.iter().position(|(_, on)| *on).zip(turned.iter().position(|(_, on)| !*on));
        if let Some((given, taken)) = standing {
            turned.remove(given.max(taken));
            turned.remove(given.min(taken));
        }
        if turned.is_empty() && puts.len() <= 1 {
            if let Some((state, condition)) = puts.pop() {
                states.put(state, condition).await?;
            }
            return Ok(effect);
        }
        let mut transaction = Transaction::new(self.client.clone());
        for (state, condition) in puts {
            transaction.put(&self.state, state, Some(condition))?;
        }
        let Toggle { at, event, .. } = &change.toggle;
        let own_key = keys::fact(&of.entity, *at, event, &of.actor, &change.fact.what);
        for (actor, on) in turned {
            let key = if actor == of.actor { own_key.clone() } else { keys::taken_over(&own_key, &actor) };
            let fact = change.fact_that_turns(on);
            transaction.put(&self.facts, NewFact::new(key, fact, change.expires)?.into_item(), None)?;
        }
        transaction.commit().await?;
        Ok(effect)
    }
}

impl ToggleChange {
    /// The toggles that it affects: its own, and those that it takes over.
    pub(super) fn toggles(&self) -> Vec<ToggleKey> {
        let ToggleKey { entity, playlist, .. } = &self.of;
        let of = |actor| ToggleKey { actor, entity: entity.clone(), playlist: playlist.clone() };
        self.fact.actors().into_iter().map(of).collect()
    }

    /// The fact that it turned a toggle on or off.
    fn fact_that_turns(&self, on: bool) -> TrackFact {
        let mut fact = self.fact.clone();
        if let Engagement::Like { on: turned, .. } | Engagement::Save { on: turned, .. } = &mut fact.what {
            *turned = on;
        }
        fact
    }
}
