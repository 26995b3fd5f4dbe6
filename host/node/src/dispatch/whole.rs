//! A future that comes to its end also where nobody waits for it any more.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use tokio::runtime::Handle;

/// Runs where it is waited for; dropped before its end, it goes on as a task of its own. A task from the start would do as well, but
/// wakes another thread for each call.
pub(super) struct Whole<T: Send + 'static> {
    rest: Option<BoxFuture<'static, T>>,
    tasks: Handle,
}

impl<T: Send + 'static> Whole<T> {
    pub fn new(future: impl Future<Output = T> + Send + 'static, tasks: Handle) -> Self {
        Self { rest: Some(Box::pin(future)), tasks }
    }
}

impl<T: Send + 'static> Future for Whole<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let Some(rest) = &mut self.rest else { return Poll::Pending };
        let output = ready!(rest.as_mut().poll(context));
        self.rest = None;
        Poll::Ready(output)
    }
}

impl<T: Send + 'static> Drop for Whole<T> {
    fn drop(&mut self) {
        if let Some(rest) = self.rest.take() {
            drop(self.tasks.spawn(rest));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn what_is_given_up_comes_to_its_end() {
        let (go, gone) = oneshot::channel::<()>();
        let (tell, told) = oneshot::channel();
        let work = async move {
            gone.await.unwrap();
            tell.send("done").unwrap();
        };
        let whole = Whole::new(work, Handle::current());
        assert!(tokio::time::timeout(Duration::from_millis(1), whole).await.is_err());
        go.send(()).unwrap();
        assert_eq!(told.await.unwrap(), "done");
    }

    #[tokio::test]
    async fn what_is_waited_for_gives_its_output() {
        assert_eq!(Whole::new(async { 7 }, Handle::current()).await, 7);
    }
}
