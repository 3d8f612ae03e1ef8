//! Draining a backlog: the same changes, first by us and then by Debezium, each with the machine to
//! itself.

use std::thread;
use std::time::{Duration, Instant};

use crate::Parts;
use crate::cpu;
use crate::debezium::{self, Tuning};
use crate::memory::{Peak, Watch};
use crate::place::{OURS, Place, THEIRS};
use crate::profile::Profile;
use crate::topic::Counter;

/// Between two looks at how many events there are.
const OFTEN: Duration = Duration::from_millis(20);

/// What a drain came to.
pub struct Drain {
    /// From the first event that was seen to the last, what starts before it left out.
    pub per_second: f64,
    /// Microseconds of CPU an event, of all processes at work, over the same time.
    pub cpu: f64,
    /// Of the largest process.
    pub memory: Peak,
}

/// What both took for the same changes.
pub struct Pair {
    pub ours: Drain,
    pub theirs: Option<Drain>,
}

pub fn measure(place: &Place, events: usize, parts: Parts, what: &str) -> Pair {
    let ours = ours(place, events, parts.profile.then_some(what));
    Pair { ours, theirs: parts.debezium.then(|| theirs(place, events)) }
}

pub fn ours(place: &Place, events: usize, profile: Option<&str>) -> Drain {
    let mut client = place.connect();
    let publisher = place.publisher(&mut client);
    let counter = Counter::new(&place.broker.bootstrap(), OURS);
    let before = counter.count();
    let watch = Watch::start(publisher);
    place.publish(true);
    let profile = profile.map(|name| {
        // Threads that come later are not recorded: librdkafka's are there when something has arrived.
        while counter.count() == before {
            thread::sleep(OFTEN);
        }
        Profile::start(publisher, name)
    });
    let drain = follow(&counter, before, events, &[publisher], watch);
    if let Some(profile) = profile {
        profile.print();
    }
    place.published(&mut client, "acme", Duration::from_secs(60));
    place.publish(false);
    tell("pg_manifold", &drain);
    drain
}

fn theirs(place: &Place, events: usize) -> Drain {
    let mut client = place.connect();
    let counter = Counter::new(&place.broker.bootstrap(), THEIRS);
    let before = counter.count();
    let mut connect = debezium::prepared(place, Tuning::Throughput);
    connect.launch();
    let processes = debezium::processes(&connect, &mut client);
    let watch = Watch::start(processes[0]);
    let drain = follow(&counter, before, events, &processes, watch);
    connect.await_running();
    connect.stop();
    tell("Debezium", &drain);
    drain
}

fn follow(
    counter: &Counter,
    before: usize,
    events: usize,
    processes: &[i32],
    watch: Watch,
) -> Drain {
    let limit = Duration::from_secs(120) + Duration::from_micros(500) * events as u32;
    let began = Instant::now();
    let time = || processes.iter().map(|&process| cpu::process_microseconds(process)).sum::<f64>();
    let mut start = None;
    loop {
        let (count, now) = (counter.count() - before, Instant::now());
        let (first, at, spent) = match start {
            None if count > 0 => *start.insert((count, now, time())),
            None => (0, now, 0.0),
            Some(start) => start,
        };
        if count >= events {
            let (events, taken) = ((count - first) as f64, (now - at).as_secs_f64());
            return Drain {
                per_second: events / taken,
                cpu: (time() - spent) / events,
                memory: watch.peak(),
            };
        }
        assert!(began.elapsed() < limit, "{count} of {events} events after {limit:?}");
        thread::sleep(OFTEN);
    }
}

fn tell(name: &str, drain: &Drain) {
    println!(
        "  {name}: {:.0} events/s, {:.1} µs of CPU an event, {:.0} MB",
        drain.per_second, drain.cpu, drain.memory.unshared
    );
}
