//! What large pieces of data may take together, so that a crowd of them does not fill the memory.
//!
//! A large piece carries its part of the budget with it and gives it back when the last of its
//! bytes is gone, through whatever channels and buffers it goes. What is counted is the data's
//! length: a buffer that grew to hold it may take up to twice as much.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Up to this size nothing is counted, and nothing is locked or allocated for the counting: the
/// bounds on how many there are at a time are enough, and a crowd of large pieces must not keep
/// ordinary ones out.
pub(crate) const SMALL: usize = 64 * 1024;
const KIB: usize = 1024;

/// What there is to take.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    left: Arc<Semaphore>,
    all: usize,
}

/// Others have taken what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too much large data is held at once; try again in a moment")]
pub(crate) struct UsedUp;

impl Budget {
    pub(crate) fn new(bytes: usize) -> Self {
        let all = (bytes / KIB).min(Semaphore::MAX_PERMITS);
        let left = Arc::new(Semaphore::new(all));
        Self { left, all }
    }

    /// The same data with its part of the budget, once that is free. What is larger than all there
    /// is waits for all of it.
    pub(crate) async fn awaited(&self, data: Bytes) -> Bytes {
        let wanted = u32::try_from(needed(data.len()).min(self.all)).unwrap_or(u32::MAX);
        if wanted == 0 {
            return data;
        }
        // Nobody closes it; if somebody did, there would be nothing to wait for.
        let part = Arc::clone(&self.left).acquire_many_owned(wanted).await.ok();
        Part(part).carried_by(data)
    }

    /// The same data, with its part of the budget.
    pub(crate) fn carried(&self, data: Bytes) -> Result<Bytes, UsedUp> {
        let mut part = Part::default();
        part.grow(self, data.len())?;
        Ok(part.carried_by(data))
    }
}

/// A part of a budget, given back when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Part(Option<OwnedSemaphorePermit>);

impl Part {
    /// Takes as much as data of this length needs.
    pub(crate) fn grow(&mut self, budget: &Budget, length: usize) -> Result<(), UsedUp> {
        let more = needed(length).saturating_sub(self.taken());
        if more == 0 {
            return Ok(());
        }
        let more = u32::try_from(more).map_err(|_| UsedUp)?;
        let taken = Arc::clone(&budget.left).try_acquire_many_owned(more);
        let taken = taken.map_err(|_| UsedUp)?;
        match &mut self.0 {
            Some(part) => part.merge(taken),
            none => *none = Some(taken),
        }
        Ok(())
    }

    /// Keeps what data of this length needs, and hands out the rest.
    pub(crate) fn keep_for(&mut self, length: usize) -> Self {
        let rest = self.taken().saturating_sub(needed(length));
        if rest == self.taken() {
            return std::mem::take(self);
        }
        Self(self.0.as_mut().and_then(|part| part.split(rest)))
    }

    /// Gives the part to the data.
    pub(crate) fn carried_by(self, data: Bytes) -> Bytes {
        match self.0 {
            None => data,
            Some(part) => Bytes::from_owner(Carrying { data, _with: part }),
        }
    }

    fn taken(&self) -> usize {
        self.0.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }
}

/// New data made of others, with the parts that those carry.
pub(crate) fn in_place_of(data: Bytes, others: Vec<Bytes>) -> Bytes {
    if data.len() <= SMALL {
        return data;
    }
    let carrying = Carrying {
        data,
        _with: others,
    };
    Bytes::from_owner(carrying)
}

const fn needed(length: usize) -> usize {
    if length <= SMALL {
        0
    } else {
        length.div_ceil(KIB)
    }
}

struct Carrying<P> {
    data: Bytes,
    _with: P,
}

impl<P> AsRef<[u8]> for Carrying<P> {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn free(budget: &Budget) -> usize {
        budget.left.available_permits()
    }

    #[test]
    fn small_data_is_left_as_it_is() {
        let budget = Budget::new(0);
        let data = Bytes::from(vec![7; SMALL]);
        let carried = budget.carried(data.clone()).unwrap();
        assert_eq!(carried.as_ptr(), data.as_ptr());
        assert!(
            !data.is_unique() && {
                drop(carried);
                data.is_unique()
            }
        );
        assert_eq!(budget.carried(Bytes::from(vec![7; SMALL + 1])), Err(UsedUp));
    }

    #[test]
    fn a_part_is_given_back_with_the_last_of_the_data() {
        let budget = Budget::new(300 * KIB);
        let data = budget.carried(Bytes::from(vec![7; 100 * KIB])).unwrap();
        let (slice, copy) = (data.slice(5..6), data.clone());
        assert_eq!(free(&budget), 200);
        drop((data, copy));
        assert_eq!(free(&budget), 200);
        drop(slice);
        assert_eq!(free(&budget), 300);
    }

    #[test]
    fn what_is_made_of_others_holds_their_parts() {
        let budget = Budget::new(300 * KIB);
        let part = |size: usize| budget.carried(Bytes::from(vec![7; size * KIB])).unwrap();
        let joined = Bytes::from(vec![7; 200 * KIB]);
        let joined = in_place_of(joined, vec![part(100), part(80)]);
        assert_eq!(free(&budget), 120);
        drop(joined);
        assert_eq!(free(&budget), 300);
    }

    #[tokio::test]
    async fn who_can_wait_gets_its_part_when_there_is_room() {
        let budget = Budget::new(100 * KIB);
        let data = |size: usize| Bytes::from(vec![7; size * KIB]);
        let first = budget.awaited(data(80)).await;
        let small = budget.awaited(data(10)).await;
        assert_eq!(free(&budget), 20);
        let mut second = std::pin::pin!(budget.awaited(data(500)));
        assert!(second.as_mut().now_or_never().is_none());
        drop((first, small));
        let second = second.await;
        assert_eq!((second.len(), free(&budget)), (500 * KIB, 0));
        drop(second);
        assert_eq!(free(&budget), 100);
    }

    #[test]
    fn a_part_grows_and_is_divided() {
        let budget = Budget::new(300 * KIB);
        let mut part = Part::default();
        for (length, left) in [(1, 300), (SMALL, 300), (SMALL + 1, 235), (200 * KIB, 100)] {
            part.grow(&budget, length).unwrap();
            assert_eq!(free(&budget), left);
        }
        assert_eq!(part.grow(&budget, 301 * KIB), Err(UsedUp));
        let rest = part.keep_for(150 * KIB);
        assert_eq!((part.taken(), rest.taken(), free(&budget)), (150, 50, 100));
        drop(rest);
        drop(part.keep_for(SMALL));
        assert_eq!((part.taken(), free(&budget)), (0, 300));
    }
}
