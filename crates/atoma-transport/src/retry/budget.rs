use super::origin::Origin;
use http::Uri;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Limits the retries of many callers, so that they do not make an outage worse: a bucket of tokens
/// for each origin, shared by all clones.
///
/// A bucket starts full, with 100 tokens by default. A retry costs 5 tokens, after a timeout 10; a
/// 2xx response returns 1. An origin whose bucket cannot pay is not retried, and
/// [`Attempts::budget_exhausted`](crate::Attempts::budget_exhausted) is set. A wait that the server
/// asks for with a 429 or 503 costs nothing: a rate limit is not an outage.
///
/// It follows that an origin receives at most `calls + 20 + successes / 5` attempts, apart from
/// those. While at least half of the calls fail, that is 1.1 × the calls once the first 20 retries
/// are used up; while all of them fail, exactly the calls.
///
/// An origin is scheme, host and port. Keeps at most 1024 non-full buckets; beyond that, the
/// fullest is dropped.
///
/// ```
/// use atoma_transport::RetryBudget;
///
/// let budget = RetryBudget::default();
/// assert_eq!(budget.tokens(&"https://api.atoma.network/v1".parse()?), 100);
/// # Ok::<(), http::uri::InvalidUri>(())
/// ```
#[derive(Clone)]
pub struct RetryBudget {
    capacity: u32,
    /// The tokens missing from each bucket that is not full: nearly always none, or that of one.
    spent: Arc<Mutex<Vec<(Origin, u32)>>>,
}

const DEFAULT_CAPACITY: u32 = 100;
const RETRY_COST: u32 = 5;
const RETRY_COST_AFTER_TIMEOUT: u32 = 10;
const MAX_ORIGINS: usize = 1024;

impl RetryBudget {
    /// Creates a budget whose buckets hold `tokens`; 0 allows only free retries. Default 100.
    pub fn new(tokens: u32) -> Self {
        Self { capacity: tokens, spent: Arc::default() }
    }

    /// Returns the tokens left for the origin of `uri`, from 0 to the capacity.
    pub fn tokens(&self, uri: &Uri) -> u32 {
        let (origin, all) = (Origin::of(uri), self.lock());
        self.capacity.saturating_sub(place(&all, &origin).map_or(0, |place| all[place].1))
    }

    /// Pays for a retry; `None` if the bucket cannot.
    pub(super) fn withdraw(&self, uri: &Uri, after_timeout: bool) -> Option<Withdrawal> {
        let cost = if after_timeout { RETRY_COST_AFTER_TIMEOUT } else { RETRY_COST };
        let origin = Origin::of(uri);
        let mut all = self.lock();
        let known = place(&all, &origin);
        let spent = known.map_or(0, |place| all[place].1) + cost;
        if spent > self.capacity {
            return None;
        }
        if let Some(place) = known {
            all[place].1 = spent;
        } else {
            if all.len() >= MAX_ORIGINS {
                let fullest = (0..all.len()).min_by_key(|&place| all[place].1);
                if let Some(fullest) = fullest {
                    all.swap_remove(fullest);
                }
            }
            all.push((origin.clone(), spent));
        }
        drop(all);
        Some(Withdrawal { budget: self.clone(), origin, cost })
    }

    /// Returns one token for a success.
    pub(super) fn deposit(&self, uri: &Uri) {
        let all = self.lock();
        if !all.is_empty() {
            give_back(all, &Origin::of(uri), 1);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Origin, u32)>> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new(DEFAULT_CAPACITY)
    }
}

impl fmt::Debug for RetryBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryBudget")
            .field("capacity", &self.capacity)
            .field("origins_not_full", &self.lock().len())
            .finish()
    }
}

/// The price of a retry that has not begun. It is returned to the bucket if the retry never begins.
#[derive(Debug)]
pub(super) struct Withdrawal {
    budget: RetryBudget,
    origin: Origin,
    cost: u32,
}

impl Withdrawal {
    /// Pays the price, because the retry begins.
    pub(super) fn spend(mut self) {
        self.cost = 0;
    }
}

impl Drop for Withdrawal {
    fn drop(&mut self) {
        give_back(self.budget.lock(), &self.origin, self.cost);
    }
}

fn give_back(mut all: MutexGuard<'_, Vec<(Origin, u32)>>, origin: &Origin, tokens: u32) {
    let Some(place) = place(&all, origin) else { return };
    all[place].1 = all[place].1.saturating_sub(tokens);
    if all[place].1 == 0 {
        all.swap_remove(place);
    }
}

fn place(all: &[(Origin, u32)], origin: &Origin) -> Option<usize> {
    all.iter().position(|(known, _)| known == origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> Uri {
        Uri::from_static("https://api.test/v1")
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let budget = RetryBudget::default();
        budget.withdraw(&server(), false).unwrap().spend();
        for (uri, tokens) in [
            ("https://api.test/v1", 95),
            ("https://API.test:443/other?path", 95),
            ("https://user@api.test/", 95),
            ("http://api.test/v1", 100),
            ("https://api.test:444/v1", 100),
            ("https://api2.test/v1", 100),
            ("/v1", 100),
        ] {
            assert_eq!(budget.tokens(&Uri::from_static(uri)), tokens, "{uri}");
        }
    }

    #[test]
    fn a_retry_that_never_begins_is_not_paid_for() {
        let budget = RetryBudget::default();
        let withdrawal = budget.clone().withdraw(&server(), true).unwrap();
        assert_eq!(budget.tokens(&server()), 90);
        drop(withdrawal);
        assert_eq!(budget.tokens(&server()), 100);
        budget.withdraw(&server(), true).unwrap().spend();
        assert_eq!(budget.tokens(&server()), 90);
    }

    #[test]
    fn successes_fill_the_bucket_and_no_more() {
        let budget = RetryBudget::default();
        while let Some(withdrawal) = budget.withdraw(&server(), true) {
            withdrawal.spend();
        }
        assert_eq!(budget.tokens(&server()), 0);
        (0..5).for_each(|_| budget.deposit(&server()));
        assert!(budget.withdraw(&server(), true).is_none());
        assert!(budget.withdraw(&server(), false).is_some());
        (0..200).for_each(|_| budget.deposit(&server()));
        assert_eq!(budget.tokens(&server()), 100);
        assert!(budget.lock().is_empty(), "a full bucket needs no memory");
    }

    #[test]
    fn threads_that_share_it_get_no_more_than_it_holds() {
        let budget = RetryBudget::default();
        let pay = || {
            let paid = (0..50).filter_map(|_| budget.withdraw(&server(), false));
            paid.map(Withdrawal::spend).count()
        };
        let paid = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(pay)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum::<usize>()
        });
        assert_eq!((paid, budget.tokens(&server())), (20, 0));
    }

    #[test]
    fn a_bucket_pays_until_it_is_empty() {
        for (capacity, after_timeout, retries) in [
            (0, false, 0),
            (4, false, 0),
            (5, false, 1),
            (9, true, 0),
            (10, true, 1),
            (10, false, 2),
        ] {
            let budget = RetryBudget::new(capacity);
            let paid = (0..5).filter_map(|_| budget.withdraw(&server(), after_timeout));
            assert_eq!(paid.map(Withdrawal::spend).count(), retries, "{capacity} {after_timeout}");
        }
    }

    #[test]
    fn a_success_of_another_origin_returns_nothing() {
        let budget = RetryBudget::default();
        budget.withdraw(&server(), false).unwrap().spend();
        budget.deposit(&Uri::from_static("https://other.test"));
        assert_eq!(budget.tokens(&server()), 95);
        budget.deposit(&server());
        assert_eq!(budget.tokens(&server()), 96);
    }

    #[test]
    fn the_fullest_of_too_many_buckets_is_dropped() {
        let budget = RetryBudget::default();
        let origin = |number: usize| format!("https://{number}.test").parse::<Uri>().unwrap();
        for number in 0..MAX_ORIGINS {
            budget.withdraw(&origin(number), number != 7).unwrap().spend();
        }
        assert_eq!(budget.lock().len(), MAX_ORIGINS);
        assert_eq!(budget.tokens(&origin(7)), 95);
        budget.withdraw(&origin(MAX_ORIGINS), true).unwrap().spend();
        assert_eq!(budget.lock().len(), MAX_ORIGINS);
        let spent = |number| 100 - budget.tokens(&origin(number));
        assert_eq!([spent(7), spent(0), spent(MAX_ORIGINS)], [0, 10, 10]);
    }
}
