//! A thread with a stack for texts that nest deeply.

use std::thread;

use crate::failure::Failure;

/// Bytes of its stack: only pages that are touched take memory. What needs the most is to release a chain of lists of a
/// template, whose depth its fuel bounds.
const STACK: usize = 256 << 20;

/// Runs `work` on a thread of its own, whose stack holds what the limits allow whatever thread the caller is on.
pub fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Failure> {
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, work)
            .map_err(|_| Failure::Limit("no thread for it".into()))?;
        thread.join().map_err(|_| Failure::panic())
    })
}
