//! Statements within statements, and rows without one: what has to wait before it is written to the
//! log, so that the changes of a record are numbered in the order in which they happened.
//!
//! A statement's transition tables are handed over when it ends. Another one that runs inside it (in
//! a trigger, a function or a modifying WITH) ends first, and may have written the same record. So
//! each captured statement is *open* from its BEFORE to its AFTER trigger; what ends inside an open
//! one on the same source is kept, and [`super::order`] says where it belongs. Most statements are
//! alone, and go to the log directly.
//!
//! Rows that come one by one, from row triggers, are *queued* and packed into chunks.
//!
//! All that is kept is written before the transaction commits, while its rows are locked, so the
//! numbers that it gets then are in order as well. A savepoint that is rolled back takes along what
//! was kept in it. The whole argument: docs/how-it-works.md.

use std::cell::RefCell;
use std::rc::Rc;

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::log::append::{Chunk, Log, Statement};
use crate::log::change::Op;
use crate::log::gap;
use crate::log::objects::{self, Objects};
use crate::pg::compat;
use crate::row::layout::Layout;

/// Bytes of what is kept in one transaction, at most: it is memory of the writer.
const MOST: usize = 64 * 1024 * 1024;

/// A chunk that waits.
pub struct Kept {
    pub chunk: Chunk,
    pub layout: Rc<Layout>,
    /// The command that the statement began with; those of one query share it.
    pub command: u32,
    subtransaction: u32,
}

/// A statement that has begun and not ended.
struct Open {
    source: i32,
    op: Op,
    command: u32,
    subtransaction: u32,
    /// What ended inside it.
    nested: Vec<Kept>,
    /// What belongs to the same query, and after it.
    after: Vec<Kept>,
}

/// A statement that ends now.
#[derive(Default)]
pub struct Ended {
    pub command: u32,
    pub nested: Vec<Kept>,
    pub after: Vec<Kept>,
    /// Whether it can go to the log; otherwise it is to be [kept](keep).
    pub direct: bool,
    /// Whether others of the same query have not ended yet.
    pub siblings: bool,
}

#[derive(Default)]
struct State {
    open: Vec<Open>,
    queue: Vec<Kept>,
    /// Sources of which more had to wait than may be kept.
    overflown: Vec<i32>,
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

fn command() -> u32 {
    compat::current_command()
}

fn subtransaction() -> u32 {
    compat::current_subtransaction()
}

/// Of the operations of one query: a key is given up before it is taken.
fn rank(op: Op) -> u8 {
    match op {
        Op::Delete => 0,
        Op::Update => 1,
        _ => 2,
    }
}

/// A statement begins.
pub fn begin(source: i32, op: Op) {
    let begun = Open {
        source,
        op,
        command: command(),
        subtransaction: subtransaction(),
        nested: Vec::new(),
        after: Vec::new(),
    };
    STATE.with_borrow_mut(|state| state.open.push(begun));
}

/// Whether a statement on this source is under way.
pub fn is_open(source: i32) -> bool {
    STATE.with_borrow(|state| state.open.iter().any(|open| open.source == source))
}

/// A statement ends. Before anything else of its source is written, what is queued of it is.
pub fn end(source: i32, op: Op, objects: Option<&Objects>) -> Ended {
    let queued = STATE.with_borrow(|state| !state.queue.is_empty());
    let settled = !queued || objects.is_some_and(write_queue);
    STATE.with_borrow_mut(|state| {
        let at = state.open.iter().rposition(|open| open.source == source && open.op == op);
        // None: its BEFORE trigger was attached after it began.
        let Some(at) = at else { return Ended { direct: settled, ..Ended::default() } };
        let Open { command, nested, after, .. } = state.open.remove(at);
        let others = || state.open.iter().filter(|open| open.source == source);
        let siblings = others().any(|open| open.command == command);
        // Those of the same query that come after it in any case do not keep it waiting.
        let later = |open: &Open| {
            open.command == command && rank(open.op) > rank(op) && open.after.is_empty()
        };
        Ended { command, nested, after, direct: settled && others().all(later), siblings }
    })
}

/// Keeps what a statement that has ended wrote, for the one that it ended in.
pub fn keep(source: i32, op: Op, ended_command: u32, mut chunks: Vec<Kept>) {
    STATE.with_borrow_mut(|state| {
        if state.overflows(source, &chunks) {
            return;
        }
        let of_source = |open: &&mut Open| open.source == source;
        let sibling = |open: &&mut Open| open.command == ended_command && rank(open.op) < rank(op);
        if let Some(open) = state.open.iter_mut().filter(of_source).find(sibling) {
            open.after.append(&mut chunks);
        } else if let Some(open) = state.open.iter_mut().rfind(of_source) {
            open.nested.append(&mut chunks);
        } else {
            state.queue.append(&mut chunks);
        }
    });
}

impl Kept {
    /// The same, with other rows.
    pub fn with(&self, chunk: Chunk) -> Kept {
        Kept { chunk, layout: Rc::clone(&self.layout), ..*self }
    }
}

/// A chunk to be kept.
pub fn kept(chunk: Chunk, layout: &Rc<Layout>, command: u32) -> Kept {
    Kept { chunk, layout: Rc::clone(layout), command, subtransaction: subtransaction() }
}

/// Queues what must not overtake what is queued.
pub fn queue(kept: Kept) {
    STATE.with_borrow_mut(|state| state.queue.push(kept));
}

/// Queues a row that came by itself.
pub fn queue_row(
    statement: Statement,
    layout: &Rc<Layout>,
    size: usize,
    write: impl FnOnce(&mut Vec<u8>),
    objects: &Objects,
) -> Result<(), &'static str> {
    let mine = subtransaction();
    let full = STATE.with_borrow_mut(|state| {
        let fits = state.queue.last().is_some_and(|last| {
            *last.chunk.statement() == statement && last.subtransaction == mine
        });
        if !fits {
            state.queue.push(kept(Chunk::new(statement), layout, command()));
        }
        let mut full = Vec::new();
        let Some(last) = state.queue.last_mut() else { return Ok(false) };
        last.chunk.reserve(size)?;
        last.chunk.row(write, |chunk| full.push(chunk.take()));
        let rest = state.queue.pop();
        state.queue.extend(full.into_iter().map(|chunk| kept(chunk, layout, 0)));
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
    let mine = subtransaction();
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
    /// Whether `more` would be too much to keep. Then it is given up, and the source has a gap.
    fn overflows(&mut self, source: i32, more: &[Kept]) -> bool {
        let size = |kept: &[Kept]| kept.iter().map(|kept| kept.chunk.images().len()).sum::<usize>();
        let open: usize = self.open.iter().map(|open| size(&open.nested) + size(&open.after)).sum();
        let over = open + size(&self.queue) + size(more) > MOST;
        if over && !self.overflown.contains(&source) {
            self.overflown.push(source);
        }
        over
    }

    fn clear(&mut self) {
        self.open.clear();
        self.queue.clear();
        self.overflown.clear();
    }

    fn is_idle(&self) -> bool {
        self.open.is_empty() && self.queue.is_empty() && self.overflown.is_empty()
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
    for open in state.open {
        for mut kept in open.nested.into_iter().chain(open.after) {
            log.write(&mut kept.chunk);
        }
        gaps.push((
            open.source,
            "a statement ended before its AFTER triggers (a limit on the rows that it returns)",
        ));
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
            // Emptied rather than dropped: the next transaction needs the room again.
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
        let hand_over = |kept: &mut Vec<Kept>| {
            for kept in kept.iter_mut().filter(|kept| kept.subtransaction == from) {
                kept.subtransaction = to;
            }
        };
        hand_over(&mut self.queue);
        for open in &mut self.open {
            if open.subtransaction == from {
                open.subtransaction = to;
            }
            hand_over(&mut open.nested);
            hand_over(&mut open.after);
        }
    }

    fn forget(&mut self, ended: u32) {
        let forget = |kept: &mut Vec<Kept>| kept.retain(|kept| kept.subtransaction != ended);
        forget(&mut self.queue);
        self.open.retain(|open| open.subtransaction != ended);
        for open in &mut self.open {
            forget(&mut open.nested);
            forget(&mut open.after);
        }
    }
}
