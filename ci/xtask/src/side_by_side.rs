//! Work on several things at once, as many as there are cores.

use std::panic::resume_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;

/// What `work` makes of each of `items`, in their order. After an error nothing more is begun.
///
/// # Errors
/// The first one, in the order of the items.
pub fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> Result<R> + Sync) -> Result<Vec<R>> {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let next = AtomicUsize::new(0);
    let made = Mutex::new(Vec::with_capacity(items.len()));
    std::thread::scope(|scope| {
        let worker = || {
            while let Some((at, item)) = take(items, &next) {
                let result = work(item);
                if result.is_err() {
                    next.store(items.len(), Ordering::Relaxed);
                }
                made.lock()
                    .expect("no one panics with it")
                    .push((at, result));
            }
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        for worker in workers {
            if let Err(panic) = worker.join() {
                resume_unwind(panic);
            }
        }
    });
    let mut made = made.into_inner().expect("no one panics with it");
    made.sort_by_key(|(at, _)| *at);
    made.into_iter().map(|(_, result)| result).collect()
}

fn take<'a, T>(items: &'a [T], next: &AtomicUsize) -> Option<(usize, &'a T)> {
    let at = next.fetch_add(1, Ordering::Relaxed);
    items.get(at).map(|item| (at, item))
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn results_have_the_order_of_their_items() {
        let items: Vec<u32> = (0..100).collect();
        let doubled = map(&items, |item| Ok(item * 2)).expect("nothing fails");
        assert!(doubled.iter().zip(&items).all(|(two, one)| *two == 2 * one));
        assert_eq!(doubled.len(), items.len());
    }

    #[test]
    fn an_error_ends_it() {
        let items: Vec<u32> = (0..100_000).collect();
        let begun = AtomicUsize::new(0);
        let result = map(&items, |item| {
            begun.fetch_add(1, Ordering::Relaxed);
            if *item == 3 {
                bail!("three");
            }
            std::thread::yield_now();
            Ok(())
        });
        assert_eq!(result.expect_err("three fails").to_string(), "three");
        assert!(begun.into_inner() < 100_000);
    }
}
