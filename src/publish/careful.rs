//! Care: how much of a topic may be on its way after something of it failed.
//!
//! A broker refuses a whole request for one message that is too large, and does not say which. So
//! after a failure the topic's messages go in groups, the first of a single message, each twice as
//! large as the one before, and each sent when all before it is acknowledged. A group that is refused
//! is begun again with a single message; a single message that is refused is the culprit. Finding one
//! among n takes about log² n groups. A topic that is missing, or may not be written, costs a single
//! message at each try. Pure.

use super::apart::Refused;

/// A group of this many messages that was acknowledged is the end of it.
const ENOUGH: usize = 4096;

/// How far a topic is trusted.
#[derive(Debug)]
pub struct Careful {
    limit: usize,
    /// Where the group on its way began: messages of a chunk that were sent before it.
    begun: Option<(i64, u32)>,
    on_its_way: bool,
    /// The message on its way, where it is the only one.
    single: Option<Refused>,
}

impl Careful {
    /// To begin with a single message, after those of a chunk that were acknowledged.
    pub fn new(begun: Option<(i64, u32)>) -> Careful {
        Careful { limit: 1, begun, on_its_way: false, single: None }
    }

    pub fn begun(&self) -> Option<(i64, u32)> {
        self.begun
    }

    /// How many messages may be sent, all before having been acknowledged; `None`: there is no need
    /// for care any more.
    pub fn next_group(&mut self, begun: Option<(i64, u32)>) -> Option<usize> {
        if std::mem::take(&mut self.on_its_way) {
            self.limit *= 2;
        }
        (self.begun, self.single) = (begun, None);
        (self.limit <= ENOUGH).then_some(self.limit)
    }

    /// A message of the group was taken for sending. What it is is only made up where it may matter: a
    /// group may be of a single message for other reasons than its limit.
    pub fn sent(&mut self, message: impl FnOnce() -> Refused) {
        let is_first = !std::mem::replace(&mut self.on_its_way, true);
        self.single = is_first.then(message);
    }

    /// The group on its way is given up for another reason: nothing was found out about it.
    pub fn given_up(&mut self) {
        (self.on_its_way, self.single) = (false, None);
    }

    /// The group is refused: the message, if there was but one.
    pub fn culprit(&mut self) -> Option<Refused> {
        let single = self.single.take();
        // The next one is not to be trusted more for this one's sake.
        self.on_its_way &= single.is_none();
        single
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn message(number: usize) -> Refused {
        Refused { key: number.to_string(), ..Refused::default() }
    }

    proptest! {
        /// Each culprit is found, nobody else, nothing is left out, and it does not take long.
        #[test]
        fn culprits_are_found_among_any_number(
            count in 1usize..20_000,
            culprits in proptest::collection::btree_set(0usize..20_000, 0..4),
        ) {
            let mut careful = Careful::new(None);
            let (mut at, mut groups, mut found) = (0, 0, Vec::new());
            while at < count {
                let Some(limit) = careful.next_group(Some((7, at as u32))) else { break };
                let end = count.min(at + limit);
                (at..end).for_each(|number| careful.sent(|| message(number)));
                groups += 1;
                if culprits.range(at..end).next().is_none() {
                    at = end;
                } else if let Some(culprit) = careful.culprit() {
                    found.push(culprit.key);
                    at += 1;
                } else {
                    prop_assert_eq!(careful.begun(), Some((7, at as u32)));
                    careful = Careful::new(careful.begun());
                }
            }
            let expected: Vec<String> =
                culprits.range(..at).map(|number| number.to_string()).collect();
            prop_assert_eq!(&found, &expected);
            prop_assert!(groups <= 15 + 130 * (1 + found.len()), "{} groups", groups);
        }
    }
}
