//! Toggles: a small item of state guards the facts of a thing that is on or off.
//!
//! The state's change and the fact that records it commit in one transaction, so a second like is no second fact,
//! and a word that arrives late, after a later one, changes nothing.

use aws_sdk_dynamodb::Client;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::again::again;
use super::error::StoreError;
use super::facts::NewFact;
use super::items::{from_item, to_item, to_key};
use super::keys::{self, Key};
use super::table::Table;
use super::transaction::{Condition, Transaction};
use crate::domain::caller::Actor;
use crate::domain::entity::Entity;
use crate::domain::fact::TrackFact;
use crate::domain::id::PlaylistId;
use crate::domain::toggle::{Effect, Toggle};

/// Which toggle.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ToggleOf {
    /// Whose.
    pub actor: Actor,
    /// Of what.
    pub entity: Entity,
    /// The playlist, if it is a save; else it is a like.
    pub playlist: Option<PlaylistId>,
}

impl ToggleOf {
    fn key(&self) -> Key {
        match &self.playlist {
            Some(playlist) => keys::save(&self.actor, &self.entity, playlist),
            None => keys::like(&self.actor, &self.entity),
        }
    }
}

/// A word on a toggle, and the fact it becomes if it turns the toggle.
#[derive(Debug, Clone)]
pub struct Word {
    /// Which toggle.
    pub of: ToggleOf,
    /// What is said.
    pub toggle: Toggle,
    /// What is recorded if that turns it.
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
    /// Toggles in the table `state`, their facts in the table `facts`.
    #[must_use]
    pub fn new(client: Client, state: String, facts: String) -> Self {
        Self { client, state, facts }
    }

    /// Says a word, trying again until the deadline. When this is `Ok`, the word is kept or outdone by a later one.
    ///
    /// # Errors
    /// What stood in the way when the time was up; the word may or may not have been kept, and can be said again.
    pub fn say<'a>(
        &'a self,
        word: &'a Word,
        fresh: &'a (dyn Fn() -> String + Sync),
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Effect, StoreError>> {
        Box::pin(again(deadline, move || Box::pin(self.say_once(word, fresh()))))
    }

    async fn say_once(&self, word: &Word, version: String) -> Result<Effect, StoreError> {
        let key = word.of.key();
        let held = self.client.get_item().table_name(&self.state).consistent_read(true).set_key(Some(to_key(&key)));
        let held: Option<State> = held.send().await?.item.map(from_item).transpose()?;
        let effect = Toggle::effect(held.as_ref().map(|state| &state.toggle), &word.toggle);
        if effect == Effect::Stale {
            return Ok(effect);
        }
        let state = to_item(&key, State { version, toggle: word.toggle.clone() })?;
        let condition = Condition::still(held.map(|state| state.version));
        if effect == Effect::Confirmed {
            Table::new(self.client.clone(), self.state.clone()).put(state, condition).await?;
            return Ok(effect);
        }
        let Toggle { at, event, .. } = &word.toggle;
        let fact_key = keys::turned(&word.of.entity, *at, event, &word.of.actor, word.of.playlist.as_ref());
        let fact = NewFact::new(fact_key, word.fact.clone(), word.expires)?.into_item();
        let mut transaction = Transaction::new(self.client.clone());
        transaction.put(&self.state, state, Some(condition))?;
        transaction.put(&self.facts, fact, None)?;
        transaction.commit().await?;
        Ok(effect)
    }
}
