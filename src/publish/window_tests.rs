use super::*;
use crate::log::position::MAIN;
use proptest::prelude::*;

fn at(number: u64) -> Position {
    let text = format!("{number}:{number}:");
    Position::at(text.parse().expect("a snapshot"))
}

/// A batch with so many messages of each topic; the tokens of its parts.
fn batch(window: &mut Window, lane: i32, topics: &[(i32, u32)], after: u64) -> Vec<u64> {
    let number = window.begin(lane);
    let tokens = topics.iter().map(|(apart, messages)| {
        let token = window.part(number, *apart, Instant::now());
        (0..*messages).for_each(|_| window.sent(token, 10));
        token
    });
    let tokens = tokens.collect();
    window.end(number, at(after));
    tokens
}

fn settled(window: &mut Window, token: u64, messages: u32) {
    window.settled(token, messages, Instant::now());
}

#[test]
fn a_position_waits_for_all_before_it() {
    let mut window = Window::default();
    let first = batch(&mut window, MAIN, &[(1, 1), (2, 1)], 10);
    let second = batch(&mut window, MAIN, &[(1, 1)], 20);
    let other = batch(&mut window, 7, &[(7, 1)], 15);
    settled(&mut window, second[0], 1);
    settled(&mut window, first[1], 1);
    assert_eq!(window.proven(), []);
    settled(&mut window, other[0], 1);
    assert_eq!(window.proven(), [(7, at(15))]);
    assert_eq!(window.ahead(MAIN), Some(&at(20)));
    settled(&mut window, first[0], 1);
    assert_eq!(window.proven(), [(MAIN, at(20))]);
    assert!(window.is_quiet(MAIN));
    assert_eq!((window.load(), window.parts.len(), window.topics.len()), (Load::default(), 0, 0));
}

#[test]
fn what_is_settled_takes_its_share_of_the_bytes_along() {
    let mut window = Window::default();
    let tokens = batch(&mut window, MAIN, &[(1, 3)], 10);
    assert!(window.has_less_than(31) && !window.has_less_than(30));
    settled(&mut window, tokens[0], 2);
    assert_eq!((window.load(), window.load_of(1).bytes), (Load { messages: 1, bytes: 10 }, 10));
    assert!(window.has_less_than(11));
    settled(&mut window, tokens[0], 1);
    assert_eq!(window.load(), Load::default());
    assert!(!window.has_less_than(11), "nothing is on its way");
}

#[test]
fn a_batch_without_messages_is_proven_in_its_turn() {
    let mut window = Window::default();
    let first = batch(&mut window, MAIN, &[(1, 1)], 10);
    batch(&mut window, MAIN, &[], 20);
    assert_eq!(window.proven(), []);
    settled(&mut window, first[0], 1);
    assert_eq!(window.proven(), [(MAIN, at(20))]);
}

#[test]
fn what_was_given_up_proves_nothing_and_is_awaited() {
    let mut window = Window::default();
    let first = batch(&mut window, 7, &[(7, 2)], 10);
    settled(&mut window, first[0], 1);
    window.give_up(7);
    assert_eq!((window.apart(first[0]), window.is_quiet(7)), (None, true));
    assert_eq!(window.load_of(7).messages, 1);
    settled(&mut window, first[0], 1);
    assert_eq!((window.proven(), window.load_of(7).messages), (vec![], 0));
    let again = batch(&mut window, 7, &[(7, 2)], 10);
    settled(&mut window, again[0], 2);
    assert_eq!(window.proven(), [(7, at(10))]);
}

#[test]
fn a_lane_goes_back_to_before_the_batch_of_what_was_given_up() {
    let mut window = Window::default();
    let first = batch(&mut window, MAIN, &[(1, 2)], 10);
    let second = batch(&mut window, MAIN, &[(1, 1), (2, 1)], 20);
    let third = batch(&mut window, MAIN, &[(2, 1)], 30);
    let other = batch(&mut window, 7, &[(7, 1)], 15);
    assert_eq!(window.give_up_behind(second[1]), Some(MAIN));
    assert_eq!(window.ahead(MAIN), Some(&at(10)));
    assert_eq!((window.give_up_behind(third[0]), window.apart(second[0])), (None, None));
    for token in second.into_iter().chain(third) {
        settled(&mut window, token, 1);
    }
    assert_eq!(window.proven(), []);
    settled(&mut window, first[0], 2);
    settled(&mut window, other[0], 1);
    assert_eq!(window.proven(), [(MAIN, at(10)), (7, at(15))]);
    assert_eq!((window.load(), window.parts.len(), window.topics.len()), (Load::default(), 0, 0));
}

#[test]
fn a_lane_does_not_wait_for_a_topic_that_left_it() {
    let mut window = Window::default();
    let both = batch(&mut window, MAIN, &[(1, 3), (2, 1)], 10);
    settled(&mut window, both[1], 1);
    assert_eq!(window.proven(), []);
    window.give_up_in(MAIN, 1);
    assert_eq!(window.proven(), [(MAIN, at(10))]);
    assert_eq!((window.load_of(1).messages, window.load_of(2).messages), (3, 0));
    settled(&mut window, both[0], 3);
    assert_eq!((window.load(), window.parts.len()), (Load::default(), 0));
}

#[test]
fn what_a_topic_carries_over_proves_its_own_position() {
    let mut window = Window::default();
    let first = batch(&mut window, MAIN, &[(1, 1), (2, 1)], 10);
    let second = batch(&mut window, MAIN, &[(2, 1)], 20);
    let third = batch(&mut window, MAIN, &[(1, 2)], 30);
    window.carry_over(MAIN, 1);
    window.park(1);
    assert_eq!((window.load().messages, window.parked().messages), (2, 3));
    settled(&mut window, first[1], 1);
    settled(&mut window, second[0], 1);
    assert_eq!(window.proven(), [(MAIN, at(30))], "nothing of the others is left");
    assert_eq!(window.ahead(1), Some(&at(30)));
    settled(&mut window, third[0], 2);
    assert!(!window.is_parked(1), "it moves");
    assert_eq!(window.proven(), []);
    settled(&mut window, first[0], 1);
    assert_eq!(window.proven(), [(1, at(30))]);
    assert_eq!((window.load(), window.parked()), (Load::default(), Load::default()));
}

#[test]
fn a_topic_is_still_when_its_oldest_message_is_not_settled() {
    let (mut window, began) = (Window::default(), Instant::now());
    let mut part = |messages: u32, apart: i32, seconds: u64| {
        let number = window.begin(MAIN);
        let token = window.part(number, apart, began + Duration::from_secs(seconds));
        (0..messages).for_each(|_| window.sent(token, 10));
        window.end(number, at(10));
        token
    };
    let (one, two) = (part(2, 1, 0), part(1, 2, 0));
    part(1, 1, 55);
    let (now, time) = (began + Duration::from_secs(60), Duration::from_secs(10));
    assert_eq!(window.still(began, time), []);
    window.settled(one, 1, now - Duration::from_secs(1));
    let still = window.still(now, time);
    assert_eq!(still, [(1, Duration::from_secs(1)), (2, Duration::from_secs(60))]);
    window.settled(one, 1, now);
    assert_eq!(window.still(now, time), [(2, Duration::from_secs(60))]);
    window.park(2);
    assert_eq!(window.still(now, time), []);
    window.settled(two, 1, now);
}

proptest! {
    /// Whatever the order of acknowledgements, and whoever leaves the lane in between, a proven
    /// position never lies beyond an unacknowledged message of its lane; and nothing is left over.
    #[test]
    fn no_position_without_proof(
        sizes in proptest::collection::vec((0u32..4, 0u32..4), 1..8),
        leaves in proptest::option::of((0usize..20, any::<bool>())),
        seed in any::<u64>(),
        // The main lane, or an org's.
        from in prop_oneof![Just(MAIN), Just(7)],
    ) {
        let mut window = Window::default();
        let mut left: Vec<(u64, u64, i32)> = Vec::new();
        let mut open: BTreeMap<(i32, u64), u32> = BTreeMap::new();
        for (number, (one, two)) in sizes.iter().enumerate() {
            let number = number as u64 + 1;
            let tokens = batch(&mut window, from, &[(1, *one), (2, *two)], number);
            for (token, (topic, size)) in tokens.into_iter().zip([(1, *one), (2, *two)]) {
                open.insert((topic, number), size);
                left.extend((0..size).map(|_| (token, number, topic)));
            }
        }
        let (mut state, mut step, mut apart) = (seed, 0, false);
        loop {
            if let Some((when, carried)) = leaves
                && when == step
            {
                apart = true;
                if carried { window.carry_over(from, 1) } else { window.give_up_in(from, 1) }
            }
            for (lane, position) in window.proven() {
                let waits = |(topic, number): &(i32, u64)| {
                    *number <= position.seen.xmin
                        && if lane == from { !apart || *topic == 2 } else { *topic == lane }
                };
                let unacknowledged: u32 =
                    open.iter().filter(|(key, _)| waits(key)).map(|(_, size)| *size).sum();
                prop_assert_eq!(unacknowledged, 0);
            }
            if left.is_empty() {
                break;
            }
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let (token, number, topic) = left.swap_remove((state >> 33) as usize % left.len());
            window.settled(token, 1, Instant::now());
            *open.get_mut(&(topic, number)).expect("a batch") -= 1;
            step += 1;
        }
        prop_assert!(window.is_quiet(from) && window.is_quiet(1) && window.load_of(1).messages == 0);
        prop_assert_eq!((window.load(), window.parts.len()), (Load::default(), 0));
    }
}
