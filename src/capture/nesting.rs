//! Statements within statements, and rows without one: what has to wait before it is written to the
//! log, so that the changes of a record are numbered in the order in which they happened.
//!
//! A statement's transition tables are handed over when it ends. Another one that runs inside it (in
//! a trigger, a function or a modifying WITH) ends first, and may have written the same record. So
//! each captured statement is *open* from its BEFORE to its AFTER trigger. What ends while others are
//! open on the same source is kept in a list, with a *mark* for each of them: how many rows that one
//! had written when this one began. A transition table has its rows in the order in which they were
//! written, so when the outer statement ends, its rows are merged with the list by the marks, exactly
//! as they happened. When no statement is open any more, the list goes to the log. Most statements are
//! alone, and go there directly.
//!
//! How many rows a statement has written the server counts, for its statistics, table by table
//! (`pgstat_count_heap_insert` and its like). With `track_counts` off, which takes a superuser, all
//! marks are zero.
//!
//! The parts of one query (ON CONFLICT DO UPDATE, MERGE, modifying WITH) take turns row by row. Between
//! them a key is given up before it is taken: deletes come first, then updates, then inserts.
//!
//! Rows that come one by one, from row triggers, are *queued* and packed into chunks.
//!
//! All that is kept is written before the transaction commits, while its rows are locked, so the
//! numbers that it gets then are in order as well. A savepoint that is rolled back takes along what
//! was kept in it. The whole argument: docs/how-it-works.md.

use std::cell::RefCell;
use std::collections::BTreeMap;

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::kept::{Counts, Kept, Mark, index};
use crate::log::append::{Chunk, Log, Statement};
use crate::log::change::Op;
use crate::log::gap;
use crate::log::objects::{self, Objects};
use crate::pg::compat;

/// Bytes of what is kept in one transaction, at most: it is memory of the writer.
const MOST: usize = 64 * 1024 * 1024;

/// A statement that has begun and not ended.
struct Open {
    number: u32,
    mark: Mark,
    subtransaction: u32,
    /// How much of the list was there when it began.
    start: usize,
    /// What the server had counted then.
    base: Counts,
    /// What statements inside it have written since, and ended, by the savepoint that they were in: the
    /// server takes back its counts with what is rolled back.
    inside: BTreeMap<u32, Counts>,
}

/// The statements that are open on one source, and what ended meanwhile.
#[derive(Default)]
struct Nest {
    source: i32,
    open: Vec<Open>,
    list: Vec<Kept>,
}

impl Nest {
    fn is_idle(&self) -> bool {
        self.open.is_empty() && self.list.is_empty()
    }

    /// How many rows each open statement has written by itself.
    fn progress(&self, counts: Counts) -> Vec<(u32, i64)> {
        let mut written = [0; 3];
        let progress = |open: &Open| {
            let at = index(open.mark.op);
            // The innermost first: what it wrote is not of those around it.
            let inside: i64 = open.inside.values().map(|counts| counts[at]).sum();
            let own = counts[at] - open.base[at] - inside - written[at];
            written[at] += own;
            (open.number, own)
        };
        self.open.iter().rev().map(progress).collect()
    }
}

/// A statement that ends now.
pub struct Ended {
    pub mark: Mark,
    /// What ended since it began, and before which of its rows each belongs.
    pub since: Vec<(i64, Kept)>,
    /// What ended before it began, inside another one that is over, too.
    pub before: Vec<Kept>,
    /// Whether all goes to the log now; otherwise it is to be [kept](keep).
    pub last: bool,
    /// How many statements that are still open had begun on the source before it.
    depth: usize,
}

#[derive(Default)]
struct State {
    nests: Vec<Nest>,
    queue: Vec<Kept>,
    /// Sources of which more had to wait than may be kept.
    overflown: Vec<i32>,
    statements: u32,
}

thread_local! {
    static STATE: RefCell<State> = RefCell::default();
}

/// Has the server tell us how transactions end; once a process.
pub fn register() {
    // SAFETY: registered once a process, never removed.
    unsafe {
        pg_sys::RegisterXactCallback(Some(at_end), std::ptr::null_mut());
        pg_sys::RegisterSubXactCallback(Some(at_subtransaction_end), std::ptr::null_mut());
    }
}

/// A statement begins, when the server has counted `counts`.
pub fn begin(source: i32, op: Op, counts: Counts) {
    let (query, subtransaction) = (compat::current_query(), compat::current_subtransaction());
    STATE.with_borrow_mut(|state| {
        state.statements = state.statements.wrapping_add(1);
        let nests = &mut state.nests;
        let known = nests.iter().position(|nest| nest.source == source && !nest.is_idle());
        let at = known.or_else(|| nests.iter().position(Nest::is_idle)).unwrap_or_else(|| {
            nests.push(Nest::default());
            nests.len() - 1
        });
        let nest = &mut nests[at];
        nest.source = source;
        let mark = Mark { op, query, marks: nest.progress(counts) };
        nest.open.push(Open {
            number: state.statements,
            mark,
            subtransaction,
            start: nest.list.len(),
            base: counts,
            inside: BTreeMap::new(),
        });
    });
}

/// Whether a statement on this source is under way.
pub fn is_open(source: i32) -> bool {
    let open = |nest: &Nest| nest.source == source && !nest.open.is_empty();
    STATE.with_borrow(|state| state.nests.iter().any(open))
}

/// A statement ends that wrote `rows`. Before anything else of its source is written, what is queued
/// of it is.
pub fn end(source: i32, op: Op, rows: i64, objects: Option<&Objects>) -> Ended {
    let queued = STATE.with_borrow(|state| !state.queue.is_empty());
    let settled = !queued || objects.is_some_and(write_queue);
    let mark = Mark { op, query: compat::current_query(), marks: Vec::new() };
    let subtransaction = compat::current_subtransaction();
    STATE.with_borrow_mut(|state| {
        let alone = Ended { mark, since: Vec::new(), before: Vec::new(), last: settled, depth: 0 };
        let Some(nest) = state.nest(source) else { return alone };
        // None: its BEFORE trigger was attached after it began.
        let Some(depth) = nest.open.iter().rposition(|open| open.mark.op == op) else {
            return alone;
        };
        let Open { number, mark, start, .. } = nest.open.remove(depth);
        for around in &mut nest.open[..depth] {
            around.inside.entry(subtransaction).or_default()[index(op)] += rows;
        }
        // Those of the same query that come after it in any case do not keep it waiting.
        let later = |open: &Open| open.mark.query == mark.query && index(open.mark.op) < index(op);
        let last = settled
            && (nest.open.is_empty() || nest.list.is_empty() && nest.open.iter().all(later));
        let since = nest.list.split_off(start.min(nest.list.len()));
        let mut reached = 0;
        let since = since
            .into_iter()
            .map(|kept| {
                let other = &kept.mark;
                let place = if other.query == mark.query {
                    if index(other.op) < index(op) { rows } else { 0 }
                } else {
                    let mark = other.marks.iter().find(|(of, _)| *of == number);
                    mark.map_or(0, |(_, written)| *written)
                };
                reached = place.max(reached);
                (reached, kept)
            })
            .collect();
        let before = if last { std::mem::take(&mut nest.list) } else { Vec::new() };
        Ended { mark, since, before, last, depth }
    })
}

/// Keeps a statement's rows, merged with what ended since it began. `ends` says where in it each of
/// the latter ends.
pub fn keep(source: i32, depth: usize, merged: Vec<Kept>, ends: &[usize]) {
    STATE.with_borrow_mut(|state| {
        if state.overflows(source, &merged) {
            return;
        }
        match state.nest(source).filter(|nest| !nest.open.is_empty()) {
            None => {
                let list = state.nest(source).map(|nest| std::mem::take(&mut nest.list));
                state.queue.extend(list.into_iter().flatten().chain(merged));
            }
            Some(nest) => {
                let from = nest.list.len();
                for open in &mut nest.open[depth..] {
                    let inside = open.start.saturating_sub(from);
                    open.start = from + inside.checked_sub(1).map_or(0, |at| ends[at]);
                }
                nest.list.extend(merged);
            }
        }
    });
}

impl Ended {
    /// As the argument of [`keep`].
    pub fn depth(&self) -> usize {
        self.depth
    }
}

/// Queues what must not overtake what is queued.
pub fn queue(chunk: Chunk) {
    let queued = Kept::new(chunk, &Mark::of_row(Op::Truncate));
    STATE.with_borrow_mut(|state| state.queue.push(queued));
}

/// Queues a row that came by itself.
pub fn queue_row(
    statement: Statement,
    size: usize,
    write: impl FnOnce(&mut Vec<u8>),
    objects: &Objects,
) -> Result<(), &'static str> {
    let mine = compat::current_subtransaction();
    let full = STATE.with_borrow_mut(|state| {
        // It has a gap already, and memory is not to grow with it.
        if state.overflown.contains(&statement.source) {
            return Ok(false);
        }
        let fits = state.queue.last().is_some_and(|last| {
            *last.chunk.statement() == statement && last.subtransaction == mine
        });
        let queued = |chunk| Kept::new(chunk, &Mark::of_row(statement.op));
        if !fits {
            state.queue.push(queued(Chunk::new(statement)));
        }
        let mut full = Vec::new();
        let Some(last) = state.queue.last_mut() else { return Ok(false) };
        last.chunk.reserve(size)?;
        last.chunk.row(write, |chunk| full.push(chunk.take()));
        let rest = state.queue.pop();
        state.queue.extend(full.into_iter().map(queued));
        state.queue.extend(rest.filter(|rest| !rest.chunk.is_empty()));
        Ok::<bool, &'static str>(state.queue.len() > 1)
    })?;
    if full && !write_queue(objects) {
        STATE.with_borrow_mut(|state| state.overflows(statement.source, &[]));
    }
    Ok(())
}

/// Writes what is queued, if that is possible now: a row that was queued before a savepoint must not
/// be written in it, since it would go with it.
pub fn write_queue(objects: &Objects) -> bool {
    let mine = compat::current_subtransaction();
    let queue = STATE.with_borrow_mut(|state| {
        let all_mine = state.queue.iter().all(|kept| kept.subtransaction == mine);
        all_mine.then(|| std::mem::take(&mut state.queue))
    });
    let Some(queue) = queue else { return false };
    if !queue.is_empty() {
        let mut log = Log::open(objects);
        for mut kept in queue {
            log.write(&mut kept.chunk);
        }
    }
    true
}

impl State {
    /// Whether more would be too much to keep. Then it is given up, and the source has a gap.
    fn overflows(&mut self, source: i32, more: &[Kept]) -> bool {
        let size = |kept: &[Kept]| kept.iter().map(|kept| kept.chunk.images().len()).sum::<usize>();
        let lists: usize = self.nests.iter().map(|nest| size(&nest.list)).sum();
        let over = lists + size(&self.queue) + size(more) > MOST;
        if over && !self.overflown.contains(&source) {
            self.overflown.push(source);
        }
        over
    }

    fn nest(&mut self, source: i32) -> Option<&mut Nest> {
        self.nests.iter_mut().find(|nest| nest.source == source && !nest.is_idle())
    }

    fn clear(&mut self) {
        // Emptied rather than dropped: the next transaction needs the room again.
        self.nests.iter_mut().for_each(|nest| {
            nest.open.clear();
            nest.list.clear();
        });
        self.queue.clear();
        self.overflown.clear();
    }

    fn is_idle(&self) -> bool {
        self.nests.iter().all(Nest::is_idle) && self.queue.is_empty() && self.overflown.is_empty()
    }
}

/// Before the commit: what is kept is written, and what cannot be right is a gap.
fn settle() {
    if STATE.with_borrow(State::is_idle) {
        return;
    }
    let state = STATE.take();
    let Some(objects) = objects::objects() else { return };
    let mut log = Log::open(&objects);
    let mut gaps: Vec<(i32, &str)> = Vec::new();
    for mut kept in state.queue {
        log.write(&mut kept.chunk);
    }
    for nest in state.nests {
        for mut kept in nest.list {
            log.write(&mut kept.chunk);
        }
        if !nest.open.is_empty() {
            gaps.push((
                nest.source,
                "a statement ended before its AFTER triggers (a limit on the rows that it returns)",
            ));
        }
    }
    for source in state.overflown {
        gaps.push((
            source,
            "statements within a statement, or rows before a savepoint, of more than 64 MB",
        ));
    }
    drop(log);
    for (source, reason) in gaps {
        gap::note(&objects, source, reason);
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_end(event: pg_sys::XactEvent::Type, _arg: *mut std::ffi::c_void) {
    use pg_sys::XactEvent::*;
    match event {
        XACT_EVENT_PRE_COMMIT | XACT_EVENT_PRE_PREPARE => settle(),
        XACT_EVENT_COMMIT | XACT_EVENT_ABORT | XACT_EVENT_PREPARE => {
            STATE.with_borrow_mut(State::clear);
        }
        _ => {}
    }
}

#[pg_guard]
unsafe extern "C-unwind" fn at_subtransaction_end(
    event: pg_sys::SubXactEvent::Type,
    mine: pg_sys::SubTransactionId,
    parent: pg_sys::SubTransactionId,
    _arg: *mut std::ffi::c_void,
) {
    let ends = |state: &mut State| match event {
        pg_sys::SubXactEvent::SUBXACT_EVENT_COMMIT_SUB => state.hand_over(mine, parent),
        pg_sys::SubXactEvent::SUBXACT_EVENT_ABORT_SUB => state.forget(mine),
        _ => {}
    };
    STATE.with_borrow_mut(ends);
}

impl State {
    fn hand_over(&mut self, from: u32, to: u32) {
        let lists = self.nests.iter_mut().flat_map(|nest| &mut nest.list).chain(&mut self.queue);
        lists.filter(|kept| kept.subtransaction == from).for_each(|kept| kept.subtransaction = to);
        for open in self.nests.iter_mut().flat_map(|nest| &mut nest.open) {
            if open.subtransaction == from {
                open.subtransaction = to;
            }
            if let Some(more) = open.inside.remove(&from) {
                let counts = open.inside.entry(to).or_default();
                counts.iter_mut().zip(more).for_each(|(count, more)| *count += more);
            }
        }
    }

    fn forget(&mut self, ended: u32) {
        self.queue.retain(|kept| kept.subtransaction != ended);
        for nest in &mut self.nests {
            nest.open.retain(|open| open.subtransaction != ended);
            for open in &mut nest.open {
                open.inside.remove(&ended);
                let there = &nest.list[..open.start.min(nest.list.len())];
                open.start = there.iter().filter(|kept| kept.subtransaction != ended).count();
            }
            nest.list.retain(|kept| kept.subtransaction != ended);
        }
    }
}
