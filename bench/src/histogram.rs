//! How long things took, in buckets that are at most 1% wide.

/// Counts of nanoseconds.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    total: u64,
}

/// Each power of two is cut into so many buckets.
const STEPS: u32 = 128;

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; 64 * STEPS as usize],
            total: 0,
        }
    }
}

impl Histogram {
    pub fn record(&mut self, nanos: u64) {
        if let Some(count) = self.counts.get_mut(bucket(nanos)) {
            *count += 1;
            self.total += 1;
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.total += other.total;
    }

    pub const fn total(&self) -> u64 {
        self.total
    }

    /// The least duration that `part` of all (0 to 1) do not exceed, in nanoseconds.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts of a benchmark are far below 2^52"
    )]
    pub fn quantile(&self, part: f64) -> u64 {
        let wanted = ((self.total as f64 * part).ceil() as u64).max(1);
        let mut seen = 0;
        for (at, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper(at);
            }
        }
        0
    }
}

/// The bucket of a duration: its highest bit, and the seven bits below.
fn bucket(nanos: u64) -> usize {
    let nanos = nanos.max(1);
    let power = nanos.ilog2();
    let shift = power.saturating_sub(STEPS.ilog2());
    let below = (nanos >> shift) % u64::from(STEPS);
    let at = u64::from(power) * u64::from(STEPS) + below;
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// The longest duration in a bucket.
fn upper(at: usize) -> u64 {
    let at = at as u64;
    let (power, below) = (at / u64::from(STEPS), at % u64::from(STEPS));
    let step = STEPS.ilog2();
    let power = u32::try_from(power).unwrap_or(63);
    if power < step {
        return (1_u64 << power) + below % (1 << power);
    }
    let shift = power - step;
    ((u64::from(STEPS) + below + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_hundredth() {
        let mut histogram = Histogram::default();
        for nanos in 1..=100_000 {
            histogram.record(nanos);
        }
        for (part, exact) in [(0.0, 1), (0.5, 50_000), (0.99, 99_000), (1.0, 100_000)] {
            let found = histogram.quantile(part);
            assert!(
                found >= exact && found <= exact + exact / 100 + 1,
                "{part}: {found}"
            );
        }
        let mut both = Histogram::default();
        both.add(&histogram);
        assert_eq!(both.total(), 100_000);
    }
}
