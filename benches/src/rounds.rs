//! Fair comparisons on a machine that does other things too.

use std::time::Duration;

/// The times of one contender in each of the rounds.
#[derive(Debug, Clone, Default)]
pub struct Rounds(Vec<f64>);

impl Rounds {
    /// Adds a round that did this many units of work in that time.
    pub fn push(&mut self, time: Duration, units: usize) {
        self.0.push(time.as_secs_f64() * 1e9 / units as f64);
    }

    /// Nanoseconds per unit, the median of the rounds.
    pub fn nanoseconds(&self) -> f64 {
        median(self.0.clone())
    }

    /// The ratio to `floor`, the median over the rounds: both ran one right after the other, so
    /// that a slow moment affects both.
    pub fn ratio(&self, floor: &Self) -> f64 {
        median(self.0.iter().zip(&floor.0).map(|(time, floor)| time / floor).collect())
    }
}

/// Lets each of `count` contenders take its turn, round after round.
///
/// # Errors
///
/// The error of the first turn that fails.
pub fn interleaved<E>(
    count: usize,
    rounds: usize,
    units: usize,
    mut turn: impl FnMut(usize) -> Result<Duration, E>,
) -> Result<Vec<Rounds>, E> {
    let mut times = vec![Rounds::default(); count];
    for round in 0..rounds {
        for place in 0..count {
            let contender = (place + round) % count;
            times[contender].push(turn(contender)?, units);
        }
    }
    Ok(times)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_ratios() {
        let times = interleaved(2, 3, 10, |contender| {
            Ok::<_, ()>(Duration::from_nanos(100 * (contender as u64 + 1)))
        })
        .unwrap();
        assert_eq!((times[0].nanoseconds(), times[1].ratio(&times[0])), (10.0, 2.0));
    }
}
