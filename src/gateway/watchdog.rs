//! The heartbeat for the service manager: it is sent only when every event loop has answered, so that a gateway whose
//! loops are stuck is started again; knows nothing of what they do.

use crate::listen::Loops;
use std::time::Duration;

/// Beats for as long as the loops answer, until the caller drops it. A loop that is stuck for longer than three quarters
/// of `period` costs a beat, and the service manager ends the process.
pub(super) async fn run(loops: Loops, period: Duration, beat: impl Fn()) {
    loop {
        // Twice in a period, as systemd advises, is reached even if the loops take a quarter of it to answer.
        tokio::time::sleep(period / 4).await;
        let answer = loops.answer();
        tokio::pin!(answer);
        let answered = match tokio::time::timeout(period / 2, &mut answer).await {
            Ok(answered) => answered,
            Err(_) => {
                tracing::error!("an event loop does not answer: if it goes on, the service manager ends the process");
                answer.await
            }
        };
        if !answered {
            return tracing::error!("an event loop has ended: the service manager will end the process");
        }
        beat();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::task::Tasks;
    use std::sync::Arc;
    use std::sync::mpsc;
    use tokio::sync::Notify;

    /// Short, so that a test waits for beats and not for the clock.
    const PERIOD: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn no_beat_is_sent_while_one_of_the_loops_is_stuck() {
        let (loops, _threads) = Loops::start(2).expect("two threads");
        let (tell, beats) = mpsc::channel();
        let beaten = Arc::new(Notify::new());
        let beat = {
            let beaten = beaten.clone();
            move || {
                let _ = tell.send(());
                beaten.notify_one();
            }
        };
        let tasks = Tasks::new();
        tasks.spawn("heartbeat", run(loops.clone(), PERIOD, beat));
        beaten.notified().await;
        let (let_go, gate) = mpsc::channel::<()>();
        loops.occupy(move || {
            let _ = gate.recv();
        });
        // Whatever was asked before the loop got stuck has been answered by the second of these.
        for _ in 0..2 {
            let _ = tokio::time::timeout(4 * PERIOD, beaten.notified()).await;
        }
        beats.try_iter().for_each(drop);
        tokio::time::sleep(20 * PERIOD).await;
        assert_eq!(beats.try_iter().count(), 0, "a loop is stuck");
        drop(let_go);
        beaten.notified().await;
        assert!(beats.try_iter().count() > 0, "and beats go on when it is free");
    }
}
