//! Watching single events of programs' `tracing`, as they happen.
//!
//! For figures that a library tells in its traces and nowhere else. Watching
//! observes, like a log: it must draw no entropy and schedule nothing, so that a run
//! that is watched has the same hash as one that is not.

use std::fmt::Debug;
use std::sync::Arc;

use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use crate::kernel::{self, HostId};

/// Sees events of programs.
///
/// ```
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use orrery_sim::{HostId, Simulation};
/// use orrery_sim::watch::Watch;
///
/// #[derive(Debug, Default)]
/// struct Greetings(AtomicU32);
///
/// impl Watch for Greetings {
///     fn wants(&self, metadata: &tracing::Metadata<'_>) -> bool {
///         metadata.target() == "greeting"
///     }
///     fn event(&self, _: HostId, _: &tracing::Event<'_>) {
///         self.0.fetch_add(1, Ordering::Relaxed);
///     }
/// }
///
/// let seen = Arc::new(Greetings::default());
/// let experiment = Simulation::new(1).watched(Arc::clone(&seen) as _);
/// experiment.run(|_| {
///     tracing::trace!(target: "greeting", "hello");
///     tracing::error!("something else");
/// })?;
/// assert_eq!(seen.0.load(Ordering::Relaxed), 1);
/// # Ok::<(), orrery_sim::SimulationError>(())
/// ```
pub trait Watch: Debug + Send + Sync {
    /// Whether events of this description are wanted. Asked once for each place in the
    /// code, so that all other events and spans cost what they cost unwatched.
    fn wants(&self, metadata: &Metadata<'_>) -> bool;
    /// A wanted event of a program on `host`, [`HostId::NONE`] outside all hosts.
    fn event(&self, host: HostId, event: &Event<'_>);
}

/// A watch among the layers of a subscriber.
struct Watching<W>(W);

impl<S: Subscriber, W: Watch + 'static> Layer<S> for Watching<W> {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.0.event(kernel::running_host(), event);
    }
}

impl Watch for Arc<dyn Watch> {
    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        (**self).wants(metadata)
    }

    fn event(&self, host: HostId, event: &Event<'_>) {
        (**self).event(host, event);
    }
}

/// The layer of `watch`.
pub(crate) fn layer<S>(watch: Arc<dyn Watch>) -> impl Layer<S> + Send + Sync
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let wanted = Arc::clone(&watch);
    Watching(watch).with_filter(filter_fn(move |metadata| {
        metadata.is_event() && wanted.wants(metadata)
    }))
}
