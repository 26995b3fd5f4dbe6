//! A panic that somebody caught is a broken law as well: the server and the dispatcher catch them.

use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

static SEEN: AtomicUsize = AtomicUsize::new(0);

/// Counts panics from now on, whoever catches them.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            SEEN.fetch_add(1, Ordering::SeqCst);
            told(info);
        }));
    });
}

/// Panics since [`watch`], in all threads.
pub fn seen() -> usize {
    SEEN.load(Ordering::SeqCst)
}
