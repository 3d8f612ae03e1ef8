//! What an administrator of Kafka does to topics.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use rdkafka::ClientConfig;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;

use super::wait::{self, LIMIT, seconds};

pub struct Admin(AdminClient<DefaultClientContext>);

impl Admin {
    pub fn new(bootstrap: &str) -> Self {
        let client = ClientConfig::new()
            .set("bootstrap.servers", bootstrap)
            .set("log_level", "0")
            .create()
            .expect("a client needs no broker to be made");
        Self(client)
    }

    /// A topic of so many partitions, each on one broker.
    pub fn create(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        self.create_on(topic, TopicReplication::Fixed(1), partitions, settings);
    }

    /// A topic of one partition on the brokers of these numbers, the first of which leads it.
    pub fn create_on_nodes(&self, topic: &str, nodes: &[i32], settings: &[(&str, &str)]) {
        self.create_on(topic, TopicReplication::Variable(&[nodes]), 1, settings);
    }

    fn create_on(
        &self,
        topic: &str,
        replication: TopicReplication<'_>,
        partitions: i32,
        settings: &[(&str, &str)],
    ) {
        let new = NewTopic::new(topic, partitions, replication);
        let new = settings.iter().fold(new, |new, (name, value)| new.set(name, value));
        let made = wait_for(self.0.create_topics([&new], &options()));
        let made = made.unwrap_or_else(|e| panic!("topic {topic}: {e}"));
        made.into_iter().for_each(|made| {
            made.unwrap_or_else(|e| panic!("topic {e:?}"));
        });
    }

    pub fn delete(&self, topic: &str) {
        let gone = wait_for(self.0.delete_topics(&[topic], &options()));
        let gone = gone.unwrap_or_else(|e| panic!("topic {topic}: {e}"));
        gone.into_iter().for_each(|gone| {
            gone.unwrap_or_else(|e| panic!("topic {e:?}"));
        });
        self.await_force();
    }

    /// Gives a topic these settings, and none but these.
    pub fn set(&self, topic: &str, settings: &[(&str, &str)]) {
        let alter = AlterConfig::new(ResourceSpecifier::Topic(topic));
        let alter = settings.iter().fold(alter, |alter, (name, value)| alter.set(name, value));
        let done = wait_for(self.0.alter_configs([&alter], &options()));
        let done = done.unwrap_or_else(|e| panic!("topic {topic}: {e}"));
        done.into_iter().for_each(|done| {
            done.unwrap_or_else(|e| panic!("topic {e:?}"));
        });
        self.await_force();
    }

    /// Waits until the broker goes by all that it was told before: it says that something is done, and does
    /// it a moment later, one thing after the other. So when the second of two new topics shows, what was told
    /// before the first is in force.
    pub fn await_force(&self) {
        static COUNT: AtomicU32 = AtomicU32::new(1);
        for _ in 0..2 {
            let name = format!("in-force-{}", COUNT.fetch_add(1, Ordering::Relaxed));
            self.create(&name, 1, &[]);
            wait::until(&format!("topic {name}"), LIMIT, || {
                let metadata = self.0.inner().fetch_metadata(None, seconds(5));
                let metadata = metadata.map_err(|e| e.to_string())?;
                let found = metadata.topics().iter().any(|topic| topic.name() == name);
                if found { Ok(()) } else { Err("it is not there".to_owned()) }
            });
        }
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(LIMIT)).operation_timeout(Some(LIMIT))
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn wait_for<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}
