//! A proxy between a client and a server, which breaks connections as networks do: in the middle of
//! whatever is on its way.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// Bytes that the client may send between two cuts, when there are none.
const NEVER: u64 = u64::MAX;

#[derive(Default)]
struct Shared {
    port: u16,
    target: Mutex<u16>,
    streams: Mutex<Vec<TcpStream>>,
    cut_every: AtomicU64,
    passed: AtomicU64,
    cuts: AtomicU64,
}

#[derive(Clone)]
pub struct Proxy(Arc<Shared>);

impl Proxy {
    /// Listens on a port of its own; it ends with the program.
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let cut_every = AtomicU64::new(NEVER);
        let proxy = Self(Arc::new(Shared { port, cut_every, ..Shared::default() }));
        let shared = Arc::clone(&proxy.0);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                shared.connect(client);
            }
        });
        proxy
    }

    pub fn port(&self) -> u16 {
        self.0.port
    }

    /// Where connections go from now on.
    pub fn lead_to(&self, port: u16) {
        *self.0.target.lock().expect("never held in a panic") = port;
    }

    /// Breaks all connections whenever so many more bytes have come from clients.
    pub fn cut_every(&self, bytes: Option<u64>) {
        self.0.cut_every.store(bytes.unwrap_or(NEVER), Ordering::Relaxed);
    }

    /// How often connections were broken.
    pub fn cuts(&self) -> u64 {
        self.0.cuts.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn connect(self: &Arc<Self>, client: TcpStream) {
        let target = *self.target.lock().expect("never held in a panic");
        let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { return };
        let (Ok(a), Ok(b)) = (client.try_clone(), server.try_clone()) else { return };
        let mut streams = self.streams.lock().expect("never held in a panic");
        streams.extend([client.try_clone(), server.try_clone()].into_iter().flatten());
        drop(streams);
        let shared = Arc::clone(self);
        thread::spawn(move || shared.copy(client, server, true));
        let shared = Arc::clone(self);
        thread::spawn(move || shared.copy(b, a, false));
    }

    fn copy(&self, mut from: TcpStream, mut to: TcpStream, counted: bool) {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = from.read(&mut buffer) {
            let limit = self.cut_every.load(Ordering::Relaxed);
            let before =
                if counted { self.passed.fetch_add(n as u64, Ordering::Relaxed) } else { 0 };
            if counted && before.saturating_add(n as u64) >= limit {
                // A part of it goes through: the server sees half a request.
                let part = (limit.saturating_sub(before) as usize).min(n);
                let _ = to.write_all(&buffer[..part]);
                self.cut();
                return;
            }
            if to.write_all(&buffer[..n]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }

    fn cut(&self) {
        self.passed.store(0, Ordering::Relaxed);
        self.cuts.fetch_add(1, Ordering::Relaxed);
        for stream in self.streams.lock().expect("never held in a panic").drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
