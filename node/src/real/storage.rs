//! Storage jobs on one dedicated thread, fed by a bounded queue.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::{mpsc, oneshot};

use crate::environment::{Disk, Job, Storage, StorageClosed};

/// Jobs that may wait; whoever gives one more waits too.
const QUEUE_JOBS_MAX: usize = 1024;

type Order = (Job, oneshot::Sender<()>);

/// A thread that runs storage jobs in the order they come.
pub struct StorageThread {
    orders: Option<mpsc::Sender<Order>>,
    thread: Option<JoinHandle<()>>,
}

impl StorageThread {
    /// Starts the thread, which owns `disk`.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(disk: Arc<dyn Disk>) -> io::Result<Self> {
        let (orders, mut waiting) = mpsc::channel::<Order>(QUEUE_JOBS_MAX);
        let thread = thread::Builder::new()
            .name("storage".to_owned())
            .spawn(move || {
                while let Some((job, done)) = waiting.blocking_recv() {
                    job(&disk);
                    // Whoever asked may have gone; the work is done all the same.
                    let _ = done.send(());
                }
            })?;
        Ok(Self {
            orders: Some(orders),
            thread: Some(thread),
        })
    }
}

impl Storage for StorageThread {
    fn execute(&self, job: Job) -> BoxFuture<'_, Result<(), StorageClosed>> {
        async move {
            let orders = self.orders.as_ref().ok_or(StorageClosed)?;
            let (done, finished) = oneshot::channel();
            orders.send((job, done)).await.map_err(|_| StorageClosed)?;
            finished.await.map_err(|_| StorageClosed)
        }
        .boxed()
    }
}

impl Drop for StorageThread {
    /// Lets the jobs that were given run to their end.
    fn drop(&mut self) {
        self.orders = None;
        if let Some(thread) = self.thread.take() {
            // A job that panicked has closed the queue; its caller was told.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::real::FolderDisk;

    #[tokio::test]
    async fn jobs_run_in_order_and_answer() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let disk = FolderDisk::create(folder.path()).expect("created");
        let storage: Arc<dyn Storage> =
            Arc::new(StorageThread::start(Arc::new(disk)).expect("a thread"));
        for size in 1..=3_u8 {
            let len = storage
                .run(move |disk| {
                    let file = disk.open("x", true)?;
                    file.write_at(file.len()?, &[size])?;
                    file.len()
                })
                .await
                .expect("the thread runs")
                .expect("the disk works");
            assert_eq!(len, u64::from(size));
        }
    }

    #[tokio::test]
    async fn a_panicking_job_closes_the_storage() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let disk = FolderDisk::create(folder.path()).expect("created");
        let storage: Arc<dyn Storage> =
            Arc::new(StorageThread::start(Arc::new(disk)).expect("a thread"));
        let first = storage.run(|_| panic!("a broken invariant")).await;
        assert_eq!(first, Err::<(), _>(StorageClosed));
        assert_eq!(storage.run(|_| ()).await, Err(StorageClosed));
    }
}
