use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::log::lanes;
use crate::publish::window::Window;

fn at(text: &str) -> Position {
    Position::at(text.parse().expect("a snapshot"))
}

fn claim(session: &str, previous: Option<&str>, transaction: u64) -> Claim {
    Claim { session: session.into(), previous: previous.map(str::to_owned), transaction }
}

fn told(session: &str, transaction: u64, main: &str) -> Told {
    Told { session: session.into(), transaction, state: State::from([(MAIN, at(main))]) }
}

fn saved(main: &str) -> State {
    State::from([(MAIN, at(main))])
}

/// What was committed where the database did not see it any more is believed.
#[test]
fn the_topic_is_believed_where_the_database_has_claimed_it() {
    let claims = claim("b", Some("a"), 8);
    for (told, previous) in [(told("b", 8, "20:20:"), "b"), (told("b", 7, "10:10:"), "b")] {
        let start = resume(Some(&claims), Some(&told), &saved("10:10:"), org_of).expect("a start");
        assert_eq!(start.state, told.state);
        assert_eq!(
            (start.previous.as_deref(), start.transaction),
            (Some(previous), told.transaction)
        );
    }
    // The session died before its first transaction.
    let start = resume(Some(&claims), Some(&told("a", 7, "10:10:")), &saved("10:10:"), org_of);
    assert_eq!(start.expect("a start").previous.as_deref(), Some("a"));
}

#[test]
fn the_database_is_believed_until_the_first_transaction_after_it_was_switched_on() {
    let foreign = told("x", 5, "90:90:");
    for claims in [None, Some(claim("b", None, 6))] {
        for told in [None, Some(&foreign)] {
            let start = resume(claims.as_ref(), told, &saved("10:10:"), org_of).expect("a start");
            assert_eq!((start.state, start.previous), (saved("10:10:"), None));
            assert_eq!(start.transaction, told.map_or(0, |told| told.transaction));
        }
    }
    let taken = resume(Some(&claim("b", None, 5)), Some(&foreign), &saved("10:10:"), org_of);
    assert_eq!(taken, Err(Contradiction::Foreign), "somebody was quicker");
    let start =
        resume(Some(&claim("b", None, 6)), Some(&told("b", 6, "20:20:")), &saved("10:10:"), org_of);
    assert_eq!(start.expect("a start").state, saved("20:20:"));
}

#[test]
fn contradictions_are_told_apart() {
    let claims = claim("b", Some("a"), 8);
    let why = |told: Option<Told>, main: &str| {
        resume(Some(&claims), told.as_ref(), &saved(main), org_of).expect_err("a contradiction")
    };
    assert_eq!(why(Some(told("x", 8, "20:20:")), "10:10:"), Contradiction::Foreign);
    assert_eq!(why(Some(told("b", 9, "20:20:")), "10:10:"), Contradiction::Restored);
    assert_eq!(why(Some(told("a", 9, "20:20:")), "10:10:"), Contradiction::Restored);
    assert_eq!(why(Some(told("b", 6, "20:20:")), "10:10:"), Contradiction::Lost);
    assert_eq!(why(Some(told("b", 8, "10:10:")), "20:20:"), Contradiction::Lost);
    assert_eq!(why(None, "10:10:"), Contradiction::Lost);
}

#[test]
fn a_topic_that_is_emptied_after_the_first_transaction_is_missed() {
    let start = resume(None, None, &saved("10:10:"), org_of).expect("a start");
    let mut session = Session::new("s".into(), &start, None, "db");
    assert!(
        resume(Some(session.claim()), None, &saved("10:10:"), org_of).is_ok(),
        "nothing was committed"
    );
    session.committed(saved("10:10:"));
    let lost = resume(Some(session.claim()), None, &saved("10:10:"), org_of);
    assert_eq!(lost, Err(Contradiction::Lost));
}

#[test]
fn records_are_read_as_they_were_written_and_others_are_refused() {
    let mut within = at("10:20:12");
    within.within = Some(("30:40:33,35".parse().expect("a snapshot"), 77));
    let after = State::from([(MAIN, at("50:50:")), (-1, within), (7, at("3:3:"))]);
    let start = Start { state: after.clone(), previous: None, transaction: 4 };
    let session = Session::new("s".into(), &start, None, "db");
    let name = |lane: i32| (lane == 7).then(|| "acme".to_owned());
    let mut topic = BTreeMap::new();
    apply(&mut topic, &session.records(&after, name));
    let read_back = read(&topic).expect("readable").expect("something");
    assert_eq!(read_back, Told { session: "s".into(), transaction: 5, state: after });
    let text = String::from_utf8(topic[br#"{"consumer":"publisher","lane":7}"#.as_slice()].clone());
    assert!(text.expect("text").starts_with(r#"{"org":"acme","seen":"3:3:","upto":null"#));
    topic.insert(b"something".to_vec(), b"else".to_vec());
    assert_eq!(read(&topic), Err(Unreadable("something".into())));
    assert_eq!(read(&BTreeMap::new()), Ok(None));
}

fn apply(topic: &mut BTreeMap<Vec<u8>, Vec<u8>>, records: &[Written]) {
    for (key, value) in records {
        match value {
            Some(value) => drop(topic.insert(key.clone().into_bytes(), value.clone().into_bytes())),
            None => drop(topic.remove(key.as_bytes())),
        }
    }
}

const SOURCES: i32 = 4;

/// Two sources an org.
fn org_of(source: i32) -> Option<i32> {
    Some((source + 1) / 2)
}

/// A change: its transaction, sequence number, and source.
type Change = (u64, i64, i32);

/// A database that loses, at a crash, what was not flushed.
#[derive(Clone, Default)]
struct Database {
    saved: State,
    claim: Option<Claim>,
}

/// Kafka: what is committed, and what the open transaction would add.
#[derive(Default)]
struct Kafka {
    progress: BTreeMap<Vec<u8>, Vec<u8>>,
    published: Vec<Change>,
    open: Vec<Change>,
}

/// Where a publisher dies.
#[derive(Debug, Clone, Copy)]
enum Death {
    Feeding,
    Claimed,
    /// The records are sent as well, and the broker completes or aborts the transaction.
    Committing(bool),
    /// Committed, and the database has written it down, but perhaps not on disk.
    Saved,
}

#[derive(Debug, Clone)]
enum Step {
    /// Some transactions end, not in the order of their ids.
    Commit(usize),
    /// A lane takes so many changes.
    Turn(usize, usize),
    Leave(i32),
    Close,
    Abort,
    Die(Death),
    /// The database crashes as well, and forgets what was not flushed.
    Crash(Death),
}

struct Publisher {
    lanes: Lanes,
    window: Window,
    session: Session,
}

struct World {
    log: Vec<Change>,
    now: Snapshot,
    database: Database,
    flushed: Database,
    kafka: Kafka,
    sessions: u64,
    publisher: Option<Publisher>,
}

impl World {
    /// As `worker::exactly` begins: predecessors' transactions are over by then.
    fn publisher(&mut self) -> &mut Publisher {
        if self.publisher.is_none() {
            self.kafka.open.clear();
            let told = read(&self.kafka.progress).expect("readable");
            let database = &self.database;
            let start = resume(database.claim.as_ref(), told.as_ref(), &database.saved, org_of)
                .expect("no contradiction");
            self.sessions += 1;
            let session = Session::new(self.sessions.to_string(), &start, told.as_ref(), "db");
            self.database.saved = start.state.clone();
            let lanes = Lanes::new(start.state);
            self.publisher = Some(Publisher { lanes, window: Window::default(), session });
        }
        self.publisher.as_mut().expect("made above")
    }

    fn turn(&mut self, pick: usize, most: usize) {
        let (now, log) = (self.now.clone(), self.log.clone());
        let publisher = self.publisher();
        let turns = publisher.lanes.turns();
        let lane = turns[pick % turns.len()];
        let from = publisher.window.ahead(lane).unwrap_or(publisher.lanes.position(lane)).clone();
        let target = from.target(&now).clone();
        if from.within.is_none() && from.seen == target {
            return;
        }
        let ours = |change: &&Change| {
            org_of(change.2).is_some_and(|org| publisher.lanes.of(change.2, org) == lane)
                && target.sees(change.0)
                && !from.consumed(change.0, change.1)
        };
        let waiting: Vec<Change> = log.iter().filter(ours).copied().collect();
        let taken = &waiting[..waiting.len().min(most)];
        let after = match taken.last() {
            Some(last) if taken.len() < waiting.len() => {
                Position { seen: from.seen, within: Some((target, last.1)) }
            }
            None if !waiting.is_empty() => return,
            _ => Position::at(target),
        };
        let token = publisher.window.begin(lane);
        publisher.window.end(token, after);
        let taken = taken.to_vec();
        self.kafka.open.extend(taken);
    }

    /// Ends the transaction, or dies on the way; whether it lives.
    fn close(&mut self, death: Option<Death>) {
        let publisher = self.publisher();
        let at = |lane| publisher.window.ahead(lane).unwrap_or(publisher.lanes.position(lane));
        let lanes = publisher.lanes.turns();
        let after: State = lanes.into_iter().map(|lane| (lane, at(lane).clone())).collect();
        let records = publisher.session.records(&after, |_| None);
        let claim = publisher.session.claim().clone();
        if matches!(death, Some(Death::Feeding)) {
            return;
        }
        self.database.claim = Some(claim);
        // The claim's commit is synchronous.
        self.flushed = self.database.clone();
        if matches!(death, Some(Death::Claimed | Death::Committing(false))) {
            return;
        }
        apply(&mut self.kafka.progress, &records);
        self.kafka.published.append(&mut self.kafka.open);
        if matches!(death, Some(Death::Committing(true))) {
            return;
        }
        let now = self.now.clone();
        let publisher = self.publisher();
        publisher.session.committed(after);
        let mut changes = Vec::new();
        for (lane, position) in publisher.window.proven() {
            changes.push(publisher.lanes.advance(lane, position));
        }
        changes.extend(publisher.lanes.join(&now, &BTreeSet::new(), org_of));
        self.save(changes);
    }

    fn save(&mut self, changes: Vec<(i32, Option<Position>)>) {
        for (lane, position) in changes {
            match position {
                Some(position) => drop(self.database.saved.insert(lane, position)),
                None => drop(self.database.saved.remove(&lane)),
            }
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Commit(count) => {
                let running = &mut self.now.running;
                let ended: Vec<u64> = running.iter().copied().step_by(2).take(count).collect();
                running.retain(|xid| !ended.contains(xid));
            }
            Step::Turn(pick, most) => self.turn(pick, most),
            Step::Leave(lane) => {
                let publisher = self.publisher();
                let parent = publisher.lanes.parent(lane, org_of);
                if publisher.window.is_quiet(parent) {
                    let change = publisher.lanes.leave(lane, parent);
                    self.save(change.into_iter().collect());
                }
            }
            Step::Close => self.close(None),
            Step::Abort => {
                let publisher = self.publisher();
                for lane in publisher.lanes.turns() {
                    publisher.window.give_up(lane);
                }
                self.kafka.open.clear();
            }
            Step::Die(death) => {
                self.close(Some(death));
                self.publisher = None;
            }
            Step::Crash(death) => {
                self.close(Some(death));
                self.publisher = None;
                self.database = self.flushed.clone();
            }
        }
    }
}

fn deaths() -> impl Strategy<Value = Death> {
    prop_oneof![
        Just(Death::Feeding),
        Just(Death::Claimed),
        any::<bool>().prop_map(Death::Committing),
        Just(Death::Saved),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        2 => (1usize..6).prop_map(Step::Commit),
        8 => (0usize..7, 1usize..6).prop_map(|(pick, most)| Step::Turn(pick, most)),
        1 => org_of(SOURCES).map_or(1..=1, |orgs| 1..=orgs).prop_map(Step::Leave),
        1 => (1..=SOURCES).prop_map(|source| Step::Leave(lanes::of_source(source))),
        4 => Just(Step::Close),
        1 => Just(Step::Abort),
        2 => deaths().prop_map(Step::Die),
        2 => deaths().prop_map(Step::Crash),
    ];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    /// Whenever the publisher or the server dies, leaves lanes, joins them, aborts: what is committed in
    /// Kafka has every change once, and those of one source and transaction in their order.
    #[test]
    fn no_moment_to_die_loses_or_repeats(
        writes in proptest::collection::vec((3u64..30, 1..=SOURCES), 0..60),
        steps in steps(),
    ) {
        let log: Vec<Change> =
            writes.into_iter().zip(1..).map(|((xid, source), seq)| (xid, seq, source)).collect();
        let mut world = World {
            log: log.clone(),
            now: Snapshot { xmin: 3, xmax: 30, running: (3..30).collect() },
            database: Database::default(),
            flushed: Database::default(),
            kafka: Kafka::default(),
            sessions: 0,
            publisher: None,
        };
        let to_the_end = (0..7).cycle().take(49).flat_map(|pick| [Step::Turn(pick, 100), Step::Turn(pick, 100), Step::Close]);
        let ends = std::iter::repeat_n(Step::Commit(30), 8);
        for step in steps.into_iter().chain([Step::Close]).chain(ends).chain(to_the_end) {
            world.step(step);
            let mut seen = BTreeSet::new();
            prop_assert!(world.kafka.published.iter().all(|change| seen.insert(change.1)), "repeated");
        }
        let mut published = world.kafka.published.clone();
        for (one, other) in published.iter().zip(published.iter().skip(1)) {
            prop_assert!((one.0, one.2) != (other.0, other.2) || one.1 < other.1, "out of order");
        }
        published.sort_by_key(|change| change.1);
        prop_assert_eq!(published, log);
    }

    /// A database that is set back to what it once had on disk either is where nothing was committed
    /// since, or finds out.
    #[test]
    fn a_database_that_is_restored_finds_out(steps in steps(), more in steps(), writes in 1usize..40) {
        let log: Vec<Change> = (1..=writes as i64).map(|n| (3 + n as u64 % 27, n, 1 + n as i32 % SOURCES)).collect();
        let mut world = World {
            log,
            now: Snapshot { xmin: 3, xmax: 30, running: (3..30).collect() },
            database: Database::default(),
            flushed: Database::default(),
            kafka: Kafka::default(),
            sessions: 0,
            publisher: None,
        };
        steps.into_iter().for_each(|step| world.step(step));
        // A first transaction, or nothing is exactly once yet.
        world.step(Step::Close);
        let (backup, published) = (world.flushed.clone(), world.kafka.published.len());
        let before = read(&world.kafka.progress).expect("readable").expect("a transaction");
        more.into_iter().for_each(|step| world.step(step));
        let after = read(&world.kafka.progress).expect("readable").expect("a transaction");
        let outcome = resume(backup.claim.as_ref(), Some(&after), &backup.saved, org_of);
        if after.transaction == before.transaction {
            prop_assert!(outcome.is_ok());
            prop_assert_eq!(world.kafka.published.len(), published);
        } else {
            prop_assert!(outcome.is_err());
        }
    }
}
