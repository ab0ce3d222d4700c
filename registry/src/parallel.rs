//! The same work on many things at once, for changes that touch much of a store.

use std::num::NonZero;

/// Fewer things than this are not worth a thread.
const ITEMS_MIN: usize = 64;
/// More threads than this would wait for memory and the disk.
const THREADS_MAX: usize = 4;

/// Does `work` on every item; results are in the order of the items.
pub(crate) fn map<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get).min(THREADS_MAX);
    if threads == 1 || items.len() < ITEMS_MIN {
        return items.iter().map(work).collect();
    }
    let work = &work;
    let mut results: Vec<Vec<R>> = Vec::new();
    std::thread::scope(|scope| {
        let chunks = items.chunks(items.len().div_ceil(threads));
        let started: Vec<_> = chunks
            .map(|chunk| scope.spawn(move || chunk.iter().map(work).collect::<Vec<R>>()))
            .collect();
        for thread in started {
            // A panic goes on where it would have gone on without threads.
            results.push(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
    });
    results.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_are_in_order_whatever_the_number() {
        for len in [0, 1, 63, 64, 65, 1000] {
            let items: Vec<usize> = (0..len).collect();
            let expected: Vec<usize> = items.iter().map(|item| item * 3).collect();
            assert_eq!(super::map(&items, |item| item * 3), expected);
        }
    }
}
