//! Repeated measurements of one thing.
#![allow(dead_code, reason = "each bench uses its own part of this")]

/// The least, the quartiles and the middle one.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub min: f64,
    pub lower: f64,
    pub median: f64,
    pub upper: f64,
}

impl Spread {
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        assert!(!values.is_empty(), "nothing was measured");
        values.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let place = part * (values.len() - 1) as f64;
            let (low, high) = (values[place.floor() as usize], values[place.ceil() as usize]);
            low + (high - low) * place.fract()
        };
        Self { min: values[0], lower: at(0.25), median: at(0.5), upper: at(0.75) }
    }
}
