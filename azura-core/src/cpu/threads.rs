//! The thread budget and the pool that spends it.
//!
//! A budget belongs to the calling thread and to the scope of [`with_threads`]. [`parallel`] splits an
//! operation over its outputs among at most that many threads, the caller included; what runs inside a part has a
//! budget of one. Which thread runs a part never decides a bit of the result, so a busy pool or a
//! smaller budget only changes the time.

pub(crate) mod grain;

use std::any::Any;
use std::cell::Cell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// How long an idle worker looks for the next job before it sleeps. Operators of one training step follow
/// each other within a few microseconds to some tens; waking a sleeper costs about as much.
const SPIN: Duration = Duration::from_micros(40);

/// The most threads that one job uses: the limit is a field of 16 bits in [`Pool::state`].
const MAX_THREADS: usize = 1024;

thread_local! {
    /// The budget of this thread's scope; 0 stands for the default.
    static BUDGET: Cell<usize> = const { Cell::new(0) };
}

/// Runs `f` with a budget of `n` threads for every operation inside it, on this thread only.
///
/// Scopes nest, and the budget before is restored when `f` returns or unwinds. `n = 0` is taken as 1.
///
/// ```
/// use azura_core::{threads, with_threads};
/// assert_eq!(with_threads(1, threads), 1);
/// ```
pub fn with_threads<R>(n: usize, f: impl FnOnce() -> R) -> R {
    struct Restore(usize);
    impl Drop for Restore {
        fn drop(&mut self) {
            BUDGET.set(self.0);
        }
    }
    let _restore = Restore(BUDGET.replace(n.clamp(1, MAX_THREADS)));
    f()
}

/// The thread budget here: that of the innermost [`with_threads`], else the environment variable
/// `AZURA_THREADS`, else the number of processors that this process may use.
pub fn threads() -> usize {
    match BUDGET.get() {
        0 => default_threads(),
        n => n,
    }
}

fn default_threads() -> usize {
    static DEFAULT: OnceLock<usize> = OnceLock::new();
    *DEFAULT.get_or_init(|| {
        let set = std::env::var("AZURA_THREADS")
            .ok()
            .and_then(|text| text.trim().parse().ok());
        set.filter(|&n: &usize| n > 0)
            .unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
            .min(MAX_THREADS)
    })
}

/// Into how many parts `len` items should be cut when a part smaller than `grain` items is not worth a
/// thread: between 1 and [`threads`].
pub(crate) fn split(len: usize, grain: usize) -> usize {
    (len / grain.max(1)).clamp(1, threads())
}

/// Part `i` of `parts` of the range `0..len`; sizes differ by one at most.
pub(crate) fn part(len: usize, parts: usize, i: usize) -> Range<usize> {
    let (size, longer) = (len / parts, len % parts);
    let start = i * size + i.min(longer);
    start..start + size + usize::from(i < longer)
}

/// Calls `f(first_row, block)` for blocks of whole rows that together make up `out`, on several threads
/// if there are at least `grain` rows for each. A row has `width` items; elementwise loops use `width = 1`.
///
/// # Panics
/// If `out` is not made of whole rows.
pub(crate) fn for_rows<T: Send>(
    out: &mut [T],
    width: usize,
    grain: usize,
    f: impl Fn(usize, &mut [T]) + Sync,
) {
    if out.is_empty() {
        return;
    }
    assert!(
        width > 0 && out.len().is_multiple_of(width),
        "for_rows takes whole rows"
    );
    let rows = out.len() / width;
    let parts = split(rows, grain);
    if parts == 1 {
        return f(0, out);
    }
    let base = Shared(out.as_mut_ptr());
    parallel(parts, |i| {
        let rows = part(rows, parts, i);
        // SAFETY: the ranges of different parts are disjoint and inside `out`, which is borrowed mutably until
        // `parallel` returns.
        let block = unsafe {
            std::slice::from_raw_parts_mut(base.get().add(rows.start * width), rows.len() * width)
        };
        f(rows.start, block);
    });
}

/// [`for_rows`] over two outputs with the same number of rows, of `width_a` and `width_b` items:
/// `f(first_row, block_of_a, block_of_b)`.
///
/// # Panics
/// If the outputs are not made of as many whole rows as each other.
pub(crate) fn for_row_pairs<A: Send, B: Send>(
    (a, width_a): (&mut [A], usize),
    (b, width_b): (&mut [B], usize),
    grain: usize,
    f: impl Fn(usize, &mut [A], &mut [B]) + Sync,
) {
    assert!(
        width_a > 0 && width_b > 0 && a.len().is_multiple_of(width_a),
        "for_row_pairs takes whole rows"
    );
    let rows = a.len() / width_a;
    assert_eq!(b.len(), rows * width_b, "the outputs have as many rows");
    if rows == 0 {
        return;
    }
    let parts = split(rows, grain);
    if parts == 1 {
        return f(0, a, b);
    }
    let (base_a, base_b) = (Shared(a.as_mut_ptr()), Shared(b.as_mut_ptr()));
    parallel(parts, |i| {
        let rows = part(rows, parts, i);
        // SAFETY: the ranges of different parts are disjoint and inside `a`, which is borrowed mutably until
        // `parallel` returns.
        let a = unsafe {
            std::slice::from_raw_parts_mut(
                base_a.get().add(rows.start * width_a),
                rows.len() * width_a,
            )
        };
        // SAFETY: the same of `b`.
        let b = unsafe {
            std::slice::from_raw_parts_mut(
                base_b.get().add(rows.start * width_b),
                rows.len() * width_b,
            )
        };
        f(rows.start, a, b);
    });
}

/// A pointer that parts of one job may share; whoever dereferences it vouches for disjoint accesses.
pub(crate) struct Shared<T>(pub(crate) *mut T);

impl<T> Shared<T> {
    /// The pointer. (A method, so that closures capture the wrapper and not its field.)
    pub(crate) fn get(&self) -> *mut T {
        self.0
    }
}

// SAFETY: a raw pointer without accesses of its own; each use is an unsafe block that says why it is disjoint.
unsafe impl<T: Send> Sync for Shared<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Shared<T> {}

/// Runs `f(0)`, …, `f(parts - 1)`, each once, on at most [`threads`] threads including this one.
///
/// Parts start in order. A panic in a part stops the handing out of further parts and comes back to the caller once
/// every running part has ended. If another thread is using the pool, the caller runs all parts itself.
pub(crate) fn parallel(parts: usize, f: impl Fn(usize) + Sync) {
    let workers = threads().min(parts).saturating_sub(1);
    if workers > 0 && POOL.run(workers, parts, &f) {
        return;
    }
    with_threads(1, || (0..parts).for_each(f));
}

/// The results of `f(0)`, …, `f(parts - 1)`, in this order, from at most [`threads`] threads including this one.
///
/// What runs inside a part has a budget of one thread, and the same bits come out whoever runs it. Parts are coarse: several shards
/// of a batch, several models. Single operations split themselves.
///
/// ```
/// use azura_core::{in_parallel, with_threads};
/// assert_eq!(with_threads(2, || in_parallel(3, |i| i * i)), [0, 1, 4]);
/// ```
///
/// # Panics
/// With the first panic of a part, once every running part has ended.
pub fn in_parallel<R: Send>(parts: usize, f: impl Fn(usize) -> R + Sync) -> Vec<R> {
    let results: Vec<Mutex<Option<R>>> = (0..parts).map(|_| Mutex::new(None)).collect();
    parallel(parts, |i| *lock(&results[i]) = Some(f(i)));
    let result = |slot: Mutex<Option<R>>| slot.into_inner().unwrap_or_else(PoisonError::into_inner);
    results
        .into_iter()
        .map(|slot| result(slot).expect("every part ran"))
        .collect()
}

/// A job on the stack of its caller.
struct Job<'a> {
    run: &'a (dyn Fn(usize) + Sync),
    parts: usize,
    next: AtomicUsize,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Job<'_> {
    /// Takes parts until none is left.
    fn work(&self) {
        let result = catch_unwind(AssertUnwindSafe(|| {
            loop {
                let i = self.next.fetch_add(1, Ordering::Relaxed);
                if i >= self.parts {
                    break;
                }
                (self.run)(i);
            }
        }));
        if let Err(payload) = result {
            self.next.store(self.parts, Ordering::Relaxed);
            let mut first = lock(&self.panic);
            if first.is_none() {
                *first = Some(payload);
            } else {
                // Dropping it might panic once more, here where nobody catches.
                std::mem::forget(payload);
            }
        }
    }
}

/// A lock whose holder never panics half-way through a change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Workers that wait for one job at a time.
///
/// `state` holds everything that decides who may touch the job, so that one compare-and-swap enters it:
/// bits 0–15 count the workers inside, bits 16–31 say how many of the workers may enter (0 when no job is open),
/// the rest numbers the jobs.
struct Pool {
    state: AtomicU64,
    job: AtomicPtr<()>,
    /// Held by the caller whose job is open.
    busy: AtomicBool,
    /// Set by a caller that sleeps until the last worker has left.
    waiting: AtomicBool,
    caller: Mutex<Option<Thread>>,
    workers: Mutex<Vec<&'static Worker>>,
}

struct Worker {
    thread: Thread,
    asleep: AtomicBool,
}

const INSIDE: u64 = 0xffff;
const LIMIT_SHIFT: u32 = 16;
const LIMIT: u64 = 0xffff << LIMIT_SHIFT;
const NUMBER: u64 = 1 << 32;

static POOL: Pool = Pool {
    state: AtomicU64::new(0),
    job: AtomicPtr::new(std::ptr::null_mut()),
    busy: AtomicBool::new(false),
    waiting: AtomicBool::new(false),
    caller: Mutex::new(None),
    workers: Mutex::new(Vec::new()),
};

impl Pool {
    /// Runs the job with up to `helpers` workers beside the caller; `false` if the pool is taken.
    fn run(&'static self, helpers: usize, parts: usize, f: &(dyn Fn(usize) + Sync)) -> bool {
        if self.busy.swap(true, Ordering::Acquire) {
            return false;
        }
        let job = Job {
            run: f,
            parts,
            next: AtomicUsize::new(0),
            panic: Mutex::new(None),
        };
        self.job
            .store((&raw const job).cast::<()>().cast_mut(), Ordering::Relaxed);
        {
            let mut workers = lock(&self.workers);
            while workers.len() < helpers {
                match self.spawn(workers.len()) {
                    Some(worker) => workers.push(worker),
                    // No thread to be had: those that exist do the work.
                    None => break,
                }
            }
            let open = workers.len().min(helpers);
            let number =
                (self.state.load(Ordering::Relaxed) & !(INSIDE | LIMIT)).wrapping_add(NUMBER);
            // Sequentially consistent with `asleep`: either the worker sees this state or we see it asleep.
            self.state
                .store(number | ((open as u64) << LIMIT_SHIFT), Ordering::SeqCst);
            for worker in &workers[..open] {
                if worker.asleep.load(Ordering::SeqCst) {
                    worker.thread.unpark();
                }
            }
        }
        with_threads(1, || job.work());
        self.close();
        let panic = lock(&job.panic).take();
        self.busy.store(false, Ordering::Release);
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
        true
    }

    /// Lets nobody in any more and waits for the workers inside to leave.
    fn close(&self) {
        let mut state = self.state.fetch_and(!LIMIT, Ordering::AcqRel);
        let start = Instant::now();
        while state & INSIDE != 0 {
            for _ in 0..32 {
                std::hint::spin_loop();
            }
            if start.elapsed() > 4 * SPIN {
                *lock(&self.caller) = Some(thread::current());
                self.waiting.store(true, Ordering::SeqCst);
                while self.state.load(Ordering::SeqCst) & INSIDE != 0 {
                    thread::park();
                }
                self.waiting.store(false, Ordering::Relaxed);
            }
            state = self.state.load(Ordering::Acquire);
        }
    }

    fn spawn(&'static self, index: usize) -> Option<&'static Worker> {
        // Workers live as long as the process.
        let (send, receive) = mpsc::sync_channel::<&'static Worker>(1);
        let handle = thread::Builder::new()
            .name(format!("azura-{}", index + 1))
            .spawn(move || {
                if let Ok(worker) = receive.recv() {
                    with_threads(1, || self.serve(worker, index as u64));
                }
            })
            .ok()?;
        let worker: &'static Worker = Box::leak(Box::new(Worker {
            thread: handle.thread().clone(),
            asleep: AtomicBool::new(false),
        }));
        send.send(worker).ok()?;
        Some(worker)
    }

    /// The life of worker `index`.
    fn serve(&self, worker: &Worker, index: u64) {
        let mut done = 0;
        loop {
            let state = self.wait(worker, index, done);
            // The number and the limit are part of the comparison: a job that was closed meanwhile is not entered.
            if self
                .state
                .compare_exchange_weak(state, state + 1, Ordering::AcqRel, Ordering::Relaxed)
                .is_err()
            {
                continue;
            }
            done = state & !(INSIDE | LIMIT);
            // SAFETY: we are counted as inside, so the caller does not return from `close`, and its job lives, until
            // the count falls below. The pointer was stored before the state that we read.
            let job = unsafe { &*self.job.load(Ordering::Relaxed).cast::<Job<'_>>() };
            job.work();
            let before = self.state.fetch_sub(1, Ordering::SeqCst);
            if before & INSIDE == 1
                && self.waiting.load(Ordering::SeqCst)
                && let Some(caller) = lock(&self.caller).clone()
            {
                caller.unpark();
            }
        }
    }

    /// Waits for a job that this worker may enter and has not done: spinning first, then asleep.
    fn wait(&self, worker: &Worker, index: u64, done: u64) -> u64 {
        let wanted = |state: u64| {
            (state & LIMIT) >> LIMIT_SHIFT > index && state & !(INSIDE | LIMIT) != done
        };
        let start = Instant::now();
        loop {
            for _ in 0..32 {
                let state = self.state.load(Ordering::Acquire);
                if wanted(state) {
                    return state;
                }
                std::hint::spin_loop();
            }
            if start.elapsed() > SPIN {
                worker.asleep.store(true, Ordering::SeqCst);
                let state = self.state.load(Ordering::SeqCst);
                if !wanted(state) {
                    thread::park();
                }
                worker.asleep.store(false, Ordering::Relaxed);
                let state = self.state.load(Ordering::Acquire);
                if wanted(state) {
                    return state;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn budgets_nest_and_come_back() {
        let outer = threads();
        with_threads(5, || {
            assert_eq!(threads(), 5);
            with_threads(0, || assert_eq!(threads(), 1));
            assert!(catch_unwind(|| with_threads(3, || panic!("in the scope"))).is_err());
            assert_eq!(threads(), 5);
        });
        assert_eq!(threads(), outer);
    }

    #[test]
    fn parts_cover_a_range_without_overlap() {
        for (len, parts) in [(0, 1), (1, 3), (7, 3), (9, 3), (64, 5)] {
            let all: Vec<usize> = (0..parts).flat_map(|i| part(len, parts, i)).collect();
            assert_eq!(all, (0..len).collect::<Vec<_>>());
        }
        with_threads(4, || {
            assert_eq!(
                [split(0, 8), split(7, 8), split(16, 8), split(1000, 8)],
                [1, 1, 2, 4]
            );
        });
    }

    #[test]
    fn every_part_runs_once_with_a_budget_of_one() {
        for n in 1..=4 {
            with_threads(n, || {
                for parts in [0, 1, 2, 3, 17] {
                    let counts: Vec<AtomicUsize> =
                        (0..parts).map(|_| AtomicUsize::new(0)).collect();
                    let ids = Mutex::new(HashSet::new());
                    parallel(parts, |i| {
                        assert_eq!(threads(), 1);
                        counts[i].fetch_add(1, Ordering::Relaxed);
                        lock(&ids).insert(thread::current().id());
                        // A nested job runs in this thread.
                        let here = thread::current().id();
                        parallel(3, |_| assert_eq!(thread::current().id(), here));
                    });
                    assert!(counts.iter().all(|c| c.load(Ordering::Relaxed) == 1));
                    assert!(lock(&ids).len() <= n);
                }
                assert_eq!(threads(), n);
            });
        }
    }

    #[test]
    fn two_parts_do_run_at_the_same_time() {
        // Other tests may hold the pool for a moment; then the parts run one after the other and we try again.
        let met = (0..10_000).any(|_| {
            let inside = AtomicUsize::new(0);
            let met = AtomicBool::new(false);
            with_threads(2, || {
                parallel(2, |_| {
                    inside.fetch_add(1, Ordering::SeqCst);
                    let start = Instant::now();
                    while start.elapsed() < Duration::from_millis(1) {
                        if inside.load(Ordering::SeqCst) == 2 {
                            met.store(true, Ordering::SeqCst);
                        }
                    }
                });
            });
            met.into_inner()
        });
        assert!(met);
    }

    #[test]
    fn a_panic_in_any_part_reaches_the_caller_and_the_pool_goes_on() {
        with_threads(3, || {
            for bad in 0..6 {
                let caught = catch_unwind(AssertUnwindSafe(|| {
                    parallel(6, |i| {
                        if i == bad {
                            panic!("part {i}");
                        }
                    });
                }));
                let payload = caught.expect_err("the panic is passed on");
                assert_eq!(
                    payload.downcast_ref::<String>().map(String::as_str),
                    Some(&*format!("part {bad}"))
                );
                assert_eq!(threads(), 3);
                let sum = AtomicUsize::new(0);
                parallel(10, |i| {
                    sum.fetch_add(i, Ordering::Relaxed);
                });
                assert_eq!(sum.into_inner(), 45);
            }
        });
    }

    #[test]
    fn several_callers_at_once_each_get_all_their_parts() {
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    with_threads(3, || {
                        for round in 0..500 {
                            let mut out = vec![0usize; 37];
                            for_rows(&mut out, 1, 4, |first, block| {
                                block
                                    .iter_mut()
                                    .enumerate()
                                    .for_each(|(i, v)| *v = first + i + round);
                            });
                            assert!(out.iter().enumerate().all(|(i, &v)| v == i + round));
                        }
                    });
                });
            }
        });
    }

    #[test]
    fn a_slow_worker_is_waited_for() {
        // Longer than the caller spins, so that it sleeps and must be woken.
        for _ in 0..5 {
            let done = AtomicUsize::new(0);
            with_threads(2, || {
                parallel(4, |_| {
                    thread::sleep(Duration::from_millis(2));
                    done.fetch_add(1, Ordering::SeqCst);
                });
            });
            assert_eq!(done.into_inner(), 4);
        }
    }
}
