//! Bytes of request bodies that are held at once, over all connections.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::problem::Problem;

/// How many bytes may be held, and how many are.
#[derive(Debug)]
pub struct Budget {
    most: usize,
    held: AtomicUsize,
}

impl Budget {
    /// A budget of `most` bytes.
    pub fn new(most: usize) -> Arc<Budget> {
        Arc::new(Budget {
            most,
            held: AtomicUsize::new(0),
        })
    }

    /// Nothing yet, to be grown as a body arrives.
    pub fn hold(self: &Arc<Budget>) -> Held {
        Held {
            budget: Arc::clone(self),
            bytes: 0,
        }
    }

    /// Bytes that are held now.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }
}

/// A body's part of the budget, given back when it is dropped.
#[derive(Debug)]
pub struct Held {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Held {
    /// Holds at least `bytes` in all.
    ///
    /// # Errors
    /// [`Problem::crowded`] if the budget has no room for it.
    pub fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        let more = bytes.saturating_sub(self.bytes);
        let most = self.budget.most;
        let fits = |held: usize| held.checked_add(more).filter(|held| *held <= most);
        self.budget
            .held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .map_err(|_| Problem::crowded(most))?;
        self.bytes += more;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.held.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let budget = Budget::new(10);
        let (mut a, mut b) = (budget.hold(), budget.hold());
        a.grow(6).unwrap();
        a.grow(4).unwrap();
        b.grow(4).unwrap();
        assert_eq!(budget.held(), 10);
        let problem = b.grow(5).unwrap_err();
        assert_eq!(
            (problem.status.as_u16(), problem.retry_after),
            (503, Some(1))
        );
        assert_eq!(budget.held(), 10);
        drop(a);
        b.grow(10).unwrap();
        drop(b);
        assert_eq!(budget.held(), 0);
        assert!(budget.hold().grow(usize::MAX).is_err());
    }
}
