//! Between a client and a Kafka broker: passes whole requests and answers on, and can have the broker
//! say of a topic's messages what it does not, or nothing yet.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

/// Kafka's number of the request to take messages.
const PRODUCE: i16 = 0;
/// From this version of it on, lengths are written as here.
const FLEXIBLE: i16 = 9;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Rule {
    #[default]
    Pass,
    /// Messages for this topic are answered with this error code.
    Refuse(String, i16),
    /// Answers about this topic wait, once so many have passed.
    Hold(String, usize),
}

#[derive(Default)]
struct State {
    rule: Rule,
    /// How many answers the rule has met.
    met: usize,
    /// How many it has let pass.
    passed: usize,
}

#[derive(Default)]
struct Shared {
    port: u16,
    target: u16,
    state: Mutex<State>,
    changed: Condvar,
}

/// It ends with the program.
#[derive(Clone)]
pub struct GoBetween(Arc<Shared>);

impl GoBetween {
    /// Listens on a port of its own, for the broker on another one.
    pub fn start(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let shared = Arc::new(Shared { port, target, ..Shared::default() });
        let between = Self(Arc::clone(&shared));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                shared.connect(client);
            }
        });
        between
    }

    /// The address for clients, as host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.0.port)
    }

    /// Messages for the topic are answered with this error, whatever the broker made of them.
    pub fn refuse(&self, topic: &str, code: i16) {
        self.rule(Rule::Refuse(topic.to_owned(), code));
    }

    /// Answers about messages for the topic wait for another rule.
    pub fn hold(&self, topic: &str) {
        self.hold_after(topic, 0);
    }

    /// The same once so many answers have passed.
    pub fn hold_after(&self, topic: &str, answers: usize) {
        self.rule(Rule::Hold(topic.to_owned(), answers));
    }

    /// Everything goes through as it is.
    pub fn pass(&self) {
        self.rule(Rule::Pass);
    }

    /// How many answers have been changed, or held, since the rule was made.
    pub fn met(&self) -> usize {
        self.0.state.lock().expect("never held in a panic").met
    }

    fn rule(&self, rule: Rule) {
        *self.0.state.lock().expect("never held in a panic") = State { rule, ..State::default() };
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn connect(self: &Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.target)) else { return };
        if client.set_nodelay(true).and_then(|()| server.set_nodelay(true)).is_err() {
            return;
        }
        let (Ok(mut from_client), Ok(mut to_client)) = (client.try_clone(), client.try_clone())
        else {
            return;
        };
        let (Ok(mut from_server), Ok(mut to_server)) = (server.try_clone(), server.try_clone())
        else {
            return;
        };
        // Numbers of the requests whose answers are about messages.
        let produces = Arc::new(Mutex::new(HashSet::new()));
        let noted = Arc::clone(&produces);
        thread::spawn(move || {
            while let Some(frame) = frame(&mut from_client) {
                if number::<2>(&frame, 0) == i64::from(PRODUCE) {
                    assert!(number::<2>(&frame, 2) >= i64::from(FLEXIBLE), "an older client");
                    noted.lock().expect("a set").insert(number::<4>(&frame, 4));
                }
                if pass_on(&mut to_server, &frame).is_err() {
                    break;
                }
            }
            let _ = to_server.shutdown(std::net::Shutdown::Both);
        });
        let shared = Arc::clone(self);
        thread::spawn(move || {
            while let Some(mut frame) = frame(&mut from_server) {
                if produces.lock().expect("a set").remove(&number::<4>(&frame, 0)) {
                    shared.apply(&mut frame);
                }
                if pass_on(&mut to_client, &frame).is_err() {
                    break;
                }
            }
            let _ = to_client.shutdown(std::net::Shutdown::Both);
        });
    }

    /// Changes an answer about messages, or keeps it for a while.
    fn apply(&self, answer: &mut [u8]) {
        let (topic, code_at) = topic_and_code(answer);
        let mut state = self.state.lock().expect("never held in a panic");
        match &state.rule {
            Rule::Refuse(refused, code) if *refused == topic => {
                answer[code_at..code_at + 2].copy_from_slice(&code.to_be_bytes());
                state.met += 1;
            }
            Rule::Hold(held, answers) if *held == topic && state.passed < *answers => {
                state.passed += 1;
            }
            Rule::Hold(held, _) if *held == topic => {
                let rule = state.rule.clone();
                state.met += 1;
                let changed = |state: &mut State| state.rule == rule;
                drop(self.changed.wait_while(state, changed).expect("never held in a panic"));
            }
            _ => {}
        }
    }
}

/// What follows a length of four bytes.
fn frame(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut frame = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut frame).ok()?;
    Some(frame)
}

fn pass_on(stream: &mut TcpStream, frame: &[u8]) -> std::io::Result<()> {
    // At once: what is written in parts may wait for the first one's receipt.
    let mut whole = (frame.len() as u32).to_be_bytes().to_vec();
    whole.extend_from_slice(frame);
    stream.write_all(&whole)
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> i64 {
    let mut wide = if bytes[at] & 0x80 == 0 { [0; 8] } else { [0xff; 8] };
    wide[8 - N..].copy_from_slice(&bytes[at..at + N]);
    i64::from_be_bytes(wide)
}

/// The topic that an answer is about, and where its first partition's error code is: the library sends
/// one partition's messages a request.
fn topic_and_code(answer: &[u8]) -> (String, usize) {
    // The request's number, no tags, one topic: lengths are one more than they are.
    assert_eq!(answer[4..6], [0, 2], "one topic");
    let (length, start) = varint(answer, 6);
    let end = start + length - 1;
    let topic = String::from_utf8(answer[start..end].to_vec()).expect("a topic's name");
    assert_eq!(answer[end], 2, "one partition");
    // Behind the partition's number.
    (topic, end + 1 + 4)
}

/// A number of seven bits a byte, the lowest first, and where it ends.
fn varint(bytes: &[u8], mut at: usize) -> (usize, usize) {
    let (mut value, mut shift) = (0, 0);
    loop {
        value |= usize::from(bytes[at] & 0x7f) << shift;
        at += 1;
        if bytes[at - 1] & 0x80 == 0 {
            return (value, at);
        }
        shift += 7;
    }
}
