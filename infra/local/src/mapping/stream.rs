//! Reads a table's stream for one function and delivers it in batches.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::config::{StartingPosition, StreamMapping};
use super::delivery::{Delivery, Record};
use super::filter::Filters;
use super::pruning::Readers;
use super::{LARGEST_PAYLOAD, Sources};
use crate::dynamodb::{Database, DatabaseError, StreamRecord, TableConfig};

/// Records read at once.
const PAGE: usize = 2000;
/// Maximum records in memory, in addition to running batches.
const MAX_PENDING: usize = 20_000;
/// The interval of polling without a notification of a write.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// The name of a mapping's checkpoint.
pub(super) fn reader_name(mapping: &StreamMapping) -> String {
    format!("{}/{}", mapping.function, mapping.table)
}

/// Records that stay in order: all of a partition key share a lane.
#[derive(Default)]
struct Lane {
    pending: VecDeque<Record>,
    bytes: usize,
    since: Option<Instant>,
    /// The first unfinished record of the running batch.
    in_flight: Option<Arc<AtomicI64>>,
}

/// The reader of one mapping.
pub(super) struct StreamReader {
    database: Database,
    table: TableConfig,
    filters: Filters,
    with_images: bool,
    mapping: Arc<StreamMapping>,
    delivery: Delivery,
    name: String,
    lanes: Vec<Lane>,
    /// The last record that was read.
    read: i64,
    /// The last record up to which all are done.
    acknowledged: i64,
    readers: Arc<Readers>,
    /// This reader among those of its table.
    index: usize,
}

impl StreamReader {
    pub(super) fn new(
        mapping: StreamMapping,
        table: TableConfig,
        filters: Filters,
        sources: &Sources,
        readers: Arc<Readers>,
        stop: watch::Receiver<bool>,
    ) -> Result<Self, DatabaseError> {
        let database = sources.database.clone();
        let name = reader_name(&mapping);
        let start = match (database.checkpoint(&name)?, mapping.starting_position) {
            (Some(checkpoint), _) => checkpoint,
            (None, StartingPosition::TrimHorizon) => 0,
            (None, StartingPosition::Latest) => database.last_sequence(&table.name)?,
        };
        database.set_checkpoint(&name, start)?;
        let lanes = (0..mapping.parallelization_factor.max(1)).map(|_| Lane::default()).collect();
        let mapping = Arc::new(mapping);
        let delivery =
            Delivery { mapping: Arc::clone(&mapping), sources: sources.clone(), readers: Arc::clone(&readers), stop };
        let with_images = filters.look_at("dynamodb", &["NewImage", "OldImage"]);
        let index = readers.add(&table.name, start);
        Ok(Self {
            database,
            table,
            filters,
            with_images,
            mapping,
            delivery,
            name,
            lanes,
            read: start,
            acknowledged: start,
            readers,
            index,
        })
    }

    /// Delivers until it is stopped. Running batches are finished.
    pub(super) async fn run(mut self) {
        let mut writes = self.database.writes();
        let mut stop = self.delivery.stop.clone();
        let mut running: FuturesUnordered<BoxFuture<'static, (usize, bool)>> = FuturesUnordered::new();
        loop {
            let is_stopping = *stop.borrow_and_update();
            if !is_stopping {
                writes.mark_unchanged();
                if let Err(error) = self.read() {
                    tracing::error!(table = self.table.name, %error, "the stream could not be read");
                }
                self.start_batches(&mut running);
            }
            if let Err(error) = self.acknowledge() {
                tracing::error!(table = self.table.name, %error, "a checkpoint could not be written");
            }
            if is_stopping && running.is_empty() {
                return;
            }
            let look = Instant::now() + POLL_INTERVAL;
            let wake = if is_stopping { look } else { self.next_window().map_or(look, |window| window.min(look)) };
            tokio::select! {
                            Some((lane, is_done)) = running.next() => {
            // A batch that a stop interrupted stays undone.
                                if let (true, Some(lane)) = (is_done, self.lanes.get_mut(lane)) {
                                    lane.in_flight = None;
                                }
                            }
                            changed = writes.changed(), if !is_stopping => if changed.is_err() { return },
                            () = sleep_until(wake) => {}
                            changed = stop.changed(), if !is_stopping => if changed.is_err() { return },
                        }
        }
    }

    /// Reads new records as long as there is room.
    fn read(&mut self) -> Result<(), DatabaseError> {
        while self.lanes.iter().map(|lane| lane.pending.len()).sum::<usize>() < MAX_PENDING {
            let page = self.database.stream_page(&self.table.name, self.read, PAGE)?;
            for record in &page.records {
                if self.filters.is_empty() || self.filters.matches(&record.to_value(&self.table, self.with_images)) {
                    self.enqueue(record);
                }
            }
            self.read = page.last;
            if !page.is_full {
                break;
            }
        }
        Ok(())
    }

    fn enqueue(&mut self, record: &StreamRecord) {
        let index = self.lane_of(record);
        let Some(lane) = self.lanes.get_mut(index) else { return };
        let json = record.to_json(&self.table);
        lane.bytes += json.len() + 1;
        lane.since.get_or_insert_with(Instant::now);
        lane.pending.push_back(Record {
            sequence: record.sequence,
            sequence_number: record.sequence_number(),
            created_at: record.created_at,
            json,
        });
    }

    fn lane_of(&self, record: &StreamRecord) -> usize {
        if self.lanes.len() == 1 {
            return 0;
        }
        let keys: Value = serde_json::from_str(&record.keys).unwrap_or_default();
        let mut hasher = DefaultHasher::new();
        keys.get(&self.table.key_schema.hash).map(Value::to_string).hash(&mut hasher);
        let lanes = u64::try_from(self.lanes.len()).unwrap_or(1);
        usize::try_from(hasher.finish() % lanes).unwrap_or_default()
    }

    /// Starts a batch in every idle lane that has one.
    fn start_batches(&mut self, running: &mut FuturesUnordered<BoxFuture<'static, (usize, bool)>>) {
        for (index, lane) in self.lanes.iter_mut().enumerate() {
            if lane.in_flight.is_some() || !lane.is_ready(&self.mapping) {
                continue;
            }
            let batch = lane.take_batch(self.mapping.batch_size);
            let Some(first) = batch.first() else { continue };
            let undone = Arc::new(AtomicI64::new(first.sequence));
            lane.in_flight = Some(Arc::clone(&undone));
            let delivery = self.delivery.clone();
            running.push(async move { (index, delivery.deliver(batch, undone).await) }.boxed());
        }
    }

    /// The end of the next batching window.
    fn next_window(&self) -> Option<Instant> {
        let waiting = self.lanes.iter().filter(|lane| lane.in_flight.is_none());
        waiting.filter_map(|lane| Some(lane.since? + self.mapping.batching_window)).min()
    }

    /// Stores the checkpoint.
    fn acknowledge(&mut self) -> Result<(), DatabaseError> {
        let first_undone = |lane: &Lane| match &lane.in_flight {
            Some(undone) => Some(undone.load(Ordering::Acquire)),
            None => lane.pending.front().map(|record| record.sequence),
        };
        let done = self.lanes.iter().filter_map(first_undone).min().map_or(self.read, |undone| undone - 1);
        if done > self.acknowledged {
            self.database.set_checkpoint(&self.name, done)?;
            self.acknowledged = done;
            self.readers.acknowledge(&self.database, &self.table.name, self.index, done)?;
        }
        Ok(())
    }
}

impl Lane {
    fn is_ready(&self, mapping: &StreamMapping) -> bool {
        let waited = self.since.is_some_and(|since| since.elapsed() >= mapping.batching_window);
        !self.pending.is_empty()
            && (waited || self.pending.len() >= mapping.batch_size || self.bytes >= LARGEST_PAYLOAD)
    }

    fn take_batch(&mut self, size: usize) -> Vec<Record> {
        let (mut batch, mut bytes) = (Vec::new(), 16);
        while let Some(record) = self.pending.front() {
            bytes += record.json.len() + 1;
            if batch.len() == size || (bytes > LARGEST_PAYLOAD && !batch.is_empty()) {
                break;
            }
            self.bytes -= record.json.len() + 1;
            batch.extend(self.pending.pop_front());
        }
        // The exact start of the next window is unknown; the present is close.
        self.since = (!self.pending.is_empty()).then(Instant::now);
        batch
    }
}
