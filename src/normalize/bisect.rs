//! Finding the rows that make a batch fail, so that the rest of it can go on.

use std::ops::Range;

/// Why a range of rows could not be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault<E> {
    /// Some row of the range is to blame.
    Data(E),
    /// No row is: looking for one would only fail again and again (out of disk, cancelled, …).
    Fatal(E),
}

/// Applies the rows, and returns those that could not be applied, in their order, each with its
/// error.
///
/// `apply` has to be atomic: a range that fails leaves nothing behind. It is called first for all
/// rows, then for halves of what failed, left before right, so that rows are applied in their
/// order. With *k* bad rows among *n*, it is called at most 2·*k*·(log₂ *n* + 1) + 1 times.
///
/// # Errors
/// The first fatal error. What was applied before it stays applied.
pub fn bisect<E>(
    rows: Range<usize>,
    mut apply: impl FnMut(Range<usize>) -> Result<(), Fault<E>>,
) -> Result<Vec<(usize, E)>, E> {
    let mut set_aside = Vec::new();
    let mut ranges = vec![rows];
    while let Some(range) = ranges.pop() {
        if range.is_empty() {
            continue;
        }
        match apply(range.clone()) {
            Ok(()) => {}
            Err(Fault::Fatal(error)) => return Err(error),
            Err(Fault::Data(error)) if range.len() == 1 => set_aside.push((range.start, error)),
            Err(Fault::Data(_)) => {
                let middle = range.start + range.len() / 2;
                ranges.push(middle..range.end);
                ranges.push(range.start..middle);
            }
        }
    }
    Ok(set_aside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn fatal_errors_end_it() {
        let mut calls = 0;
        let result = bisect(0..100, |_| {
            calls += 1;
            Err::<(), _>(Fault::Fatal("disk full"))
        });
        assert_eq!((result, calls), (Err("disk full"), 1));
    }

    #[test]
    fn rows_that_only_clash_with_each_other_all_land() {
        let result = bisect(0..8, |range| {
            if range.contains(&2) && range.contains(&5) {
                Err(Fault::Data("clash"))
            } else {
                Ok(())
            }
        });
        assert_eq!(result, Ok(vec![]));
    }

    proptest! {
        #[test]
        fn exactly_the_bad_rows_are_set_aside(
            start in 0usize..10,
            length in 0usize..300,
            bad in prop::collection::btree_set(0usize..300, 0..20),
        ) {
            let rows = start..start + length;
            let bad: BTreeSet<_> = bad.into_iter().filter(|row| rows.contains(row)).collect();
            let (mut applied, mut calls) = (Vec::new(), 0usize);
            let set_aside = bisect(rows.clone(), |range| {
                calls += 1;
                match range.clone().find(|row| bad.contains(row)) {
                    Some(row) => Err(Fault::Data(row)),
                    None => {
                        applied.extend(range);
                        Ok(())
                    }
                }
            })
            .unwrap();
            prop_assert!(set_aside.iter().all(|(row, error)| row == error));
            let found: Vec<_> = set_aside.into_iter().map(|(row, _)| row).collect();
            prop_assert_eq!(&found, &bad.iter().copied().collect::<Vec<_>>());
            let good: Vec<_> = rows.filter(|row| !bad.contains(row)).collect();
            prop_assert_eq!(applied, good);
            let depth = length.max(1).ilog2() as usize + 1;
            prop_assert!(calls <= 2 * bad.len() * (depth + 1) + 1);
        }
    }
}
