//! The signal to stop.

use std::future::pending;

use tokio::sync::watch;

/// Waits until it is told to stop. If nobody is left who could tell it, it waits for ever.
pub async fn stopped(stop: &watch::Receiver<bool>) {
    let mut stop = stop.clone();
    if stop.wait_for(|stop| *stop).await.is_err() {
        pending::<()>().await;
    }
}
